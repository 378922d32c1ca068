"""Memory that a process keeps while it needs the same again and again."""

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
"""How many callers want memory kept just now."""


@contextmanager
def retained_memory() -> Iterator[None]:
    """Keep what is freed within the process, and give it back to the system at the end.

    The C library of Linux maps every large array anew, and the system clears each of its pages.
    An iteration that allocates the same arrays over and over spends more time on that than on
    sums of arrays. Elsewhere than on Linux with glibc nothing changes. May be nested, also
    between threads: memory is given back when the last of them ends.
    """
    _hold()
    try:
        yield
    finally:
        _release()


@cache
def retain_memory() -> None:
    """Keep what is freed until the process ends: for a worker that does one tile after another."""
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
