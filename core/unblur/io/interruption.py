"""Ctrl-C during a read that takes long, such as that of a store of very many small chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_polled: list[Callable[[], bool]] = []


@contextmanager
def interruptible_reads(is_interrupted: Callable[[], bool]) -> Iterator[None]:
    """Let reads of this process end with `KeyboardInterrupt` once the function returns true.

    It is for a signal, which means the whole process, and is polled from any thread.

    Example
    -------
    >>> with interruptible_reads(lambda: False):
    ...     check_interruption()
    """
    _polled.append(is_interrupted)
    try:
        yield
    finally:
        _polled.remove(is_interrupted)


def check_interruption() -> None:
    """Raise `KeyboardInterrupt` if a signal asked the process to stop."""
    if any(is_interrupted() for is_interrupted in tuple(_polled)):
        raise KeyboardInterrupt
