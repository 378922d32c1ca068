"""Computations on one or several threads, with results that do not depend on their number.

The order of the sums of an operation of torch, and the rounding of some products, differ with the
number of threads that share it; a chaotic iteration makes large differences of that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

from unblur.accel.memory import is_counted

T = TypeVar("T")
S = TypeVar("S")

SMALL_PIXELS = 2**16
"""Largest image that is computed on one thread, in pixels. At 200 x 200 two threads save a third of
the time on an idle machine, and take 2.4 to 4.1 times as long beside two busy processes."""


@contextmanager
def one_thread() -> Iterator[int]:
    """Compute each operation of torch on one thread; yield the number that was set before.

    Example
    -------
    >>> with one_thread():
    ...     torch.get_num_threads()
    1
    """
    own = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield own
    finally:
        torch.set_num_threads(own)


@contextmanager
def one_thread_if_small(pixels: int) -> Iterator[None]:
    """Compute on one thread if an image has at most `SMALL_PIXELS` pixels.

    Threads that share a short operation wait for each other at its end. Beside other processes each
    such wait can take as long as the scheduler keeps one of them from a core.

    Example
    -------
    >>> with one_thread_if_small(200 * 200):
    ...     torch.get_num_threads()
    1
    """
    if pixels > SMALL_PIXELS:
        yield
        return
    with one_thread():
        yield


def map_on_threads(function: Callable[[T], S], items: Iterable[T], device: str = "cpu") -> list[S]:
    """Return the results of a function for each item, computed on as many threads as torch has.

    Every operation of torch within the function runs on one thread, so that the order of its sums,
    and the result, is the same on any number of them. The first error is raised. While allocations
    are counted, one thread computes all items.

    Parameters
    ----------
    function : callable
        Computes the result of one item; must not change what others use.
    items : iterable
        Arguments of the calls.
    device : str
        Device of the tensors; on any other than the CPU the items follow one another.

    Example
    -------
    >>> map_on_threads(lambda n: n * n, range(4))
    [0, 1, 4, 9]
    """
    items = list(items)
    if torch.device(device).type != "cpu":
        return [function(item) for item in items]
    guard = threading.Lock()

    def prepare() -> None:
        with guard:
            torch.set_num_threads(1)

    with one_thread() as own:
        if own == 1 or len(items) < 2 or is_counted():
            return [function(item) for item in items]
        with ThreadPoolExecutor(min(own, len(items)), initializer=prepare) as pool:
            return list(pool.map(function, items))
