"""Threads that share the work of compiled loops, each with memory of its own.

The threads are torch's own, entered through the runtime of OpenMP that torch has loaded: those
of any other pool would contend for the cores with torch's, which spin for some milliseconds
after each operation in case another follows.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from unblur.accel.jit import has_compiler

T = TypeVar("T")
Span = tuple[int, int]
"""First index of a span, and one beyond its last."""

_Region = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_kept = threading.local()


class Memory:
    """Scratch arrays of one thread, kept for its next call."""

    def __init__(self) -> None:
        self._arrays: dict[int, Tensor] = {}

    def take(self, role: int, size: int) -> Tensor:
        """Return an array of at least `size` float32 numbers; each role has its own array."""
        array = self._arrays.get(role)
        if array is None or array.numel() < size:
            array = self._arrays[role] = torch.empty(size)
        return array


def can_share() -> bool:
    """Return whether `parallel_spans` would use all of torch's threads in the caller."""
    return torch.get_num_threads() == 1 or _runtime() is not None


def can_compile(*tensors: Tensor) -> bool:
    """Return whether compiled loops can run on tensors: contiguous, float32, on a CPU."""
    return (
        all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)
        and all(t.is_contiguous() for t in tensors)
        and has_compiler()
        and can_share()
    )


def parallel_spans(total: int, size: int, work: Callable[[Sequence[Span], Memory], T]) -> list[T]:
    """Cut `total` items into spans of at most `size` and process runs of spans in parallel.

    Parameters
    ----------
    total, size : int
        Number of items, and of the items of one span.
    work : callable
        Called with neighbouring spans and a `Memory` that no other thread uses meanwhile.

    Returns
    -------
    list
        Results of the calls, one per thread, in the order of the spans. An error in a thread is
        raised here.
    """
    spans = [(first, min(first + size, total)) for first in range(0, total, size)]
    runtime = _runtime()
    threads = 1 if runtime is None else min(torch.get_num_threads(), len(spans))
    memories = _memories(threads)
    if threads == 1:
        return [work(spans, memories[0])]
    ends = [len(spans) * n // threads for n in range(threads + 1)]
    results: dict[int, T] = {}
    failures: list[BaseException] = []

    def region(_: object) -> None:
        # The runtime may grant fewer threads than were asked for.
        me, granted = runtime.omp_get_thread_num(), runtime.omp_get_num_threads()
        try:
            for n in range(me, threads, granted):
                results[n] = work(spans[ends[n] : ends[n + 1]], memories[n])
        except BaseException as error:
            failures.append(error)

    runtime.GOMP_parallel(_Region(region), None, threads, 0)
    if failures:
        raise failures[0]
    return [results[n] for n in range(threads)]


def _memories(count: int) -> list[Memory]:
    """Return the memories that belong to the calling thread."""
    memories: list[Memory] = _kept.__dict__.setdefault("memories", [])
    memories.extend(Memory() for _ in range(count - len(memories)))
    return memories


@cache
def _runtime() -> Any:
    """Return the OpenMP runtime that torch has loaded, or None if it is not GNU's."""
    path = Path(torch.__file__).parent / "lib" / "libgomp.so.1"
    if not path.exists():
        return None
    library = ctypes.CDLL(str(path))
    return library if hasattr(library, "GOMP_parallel") else None
