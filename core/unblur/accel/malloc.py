"""Switching off the trimming of freed memory by glibc's malloc."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_DEFAULTS = {_TRIM_THRESHOLD: 128 * 1024, _MMAP_MAX: 65536}
_KEEP_ALL = {_TRIM_THRESHOLD: 2**31 - 1, _MMAP_MAX: 0}

_guard = threading.Lock()
_holders = 0
"""Number of callers that have trimming switched off, dimensionless."""


@contextmanager
def no_malloc_trim() -> Iterator[None]:
    """Keep freed memory in the process during the context, and return it to the system after it.

    glibc maps every large array anew, and Linux clears each of its pages; an iteration that
    allocates the same arrays again spends more time on that than on sums of arrays. Without
    glibc nothing changes. Contexts may be nested, also between threads: memory is returned when
    the last of them ends.
    """
    _hold()
    try:
        yield
    finally:
        _release()


def trim_memory() -> None:
    """Return freed memory to the system now, with glibc."""
    library = _library()
    if library is not None:
        library.malloc_trim(0)


@cache
def retain_memory() -> None:
    """Keep freed memory until the process ends, for a worker that computes many tiles."""
    _hold()


def _hold() -> None:
    global _holders
    with _guard:
        _holders += 1
        if _holders == 1:
            _set(_KEEP_ALL)


def _release() -> None:
    global _holders
    with _guard:
        _holders -= 1
        if _holders == 0:
            library = _set(_DEFAULTS)
            if library is not None:
                library.malloc_trim(0)


def _library() -> ctypes.CDLL | None:
    """Return the C library if it has glibc's allocator."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


def _set(options: dict[int, int]) -> ctypes.CDLL | None:
    library = _library()
    if library is not None:
        for option, value in options.items():
            library.mallopt(option, value)
    return library
