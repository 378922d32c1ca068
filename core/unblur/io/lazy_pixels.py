"""Lazy arrays that read regions of a file when they are indexed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ImageError
from unblur.io.files import reason

PIECE_BYTES = 2**22
"""Target size of a chunk of a lazy image, in bytes.

It keeps the number of chunks low and each small compared with the memory.
"""

CHUNKS = 2**12
"""Number of chunks above which planes are joined, dimensionless. Dask spends 0.1 ms on each."""

MAX_CHUNKS = 2**17
"""Number of chunks above which pieces may be longer than `PIECE_BYTES`, dimensionless."""

Lazy = bool | Literal["large"]
"""Type of the argument `lazy`: whether pixels are read when they are computed; "large" does so
for images that do not fit into one piece, and reads smaller ones at once."""

_METADATA = ("zarr.json", ".zarray")

Opener = Callable[[Path, str], Any]
"""Function (path, part) that returns an array-like over the pixels of a file."""


@dataclass(frozen=True)
class StoredPixels:
    """The pixels of a file as an array that reads only the indexed region.

    It can be pickled; another process opens the file once for itself.

    Parameters
    ----------
    opener : function (path, part) -> array-like
        Function that opens the file, at module level so that it can be pickled.
    path : Path
        The file.
    part : str
        The file's array, in the notation of `opener`.
    shape : tuple of int
        Extent of the array, axes in the file's order.
    dtype : dtype
        Type of the values, in this machine's byte order.
    """

    opener: Opener
    path: Path
    part: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stamp: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Take the time of change of the file, after which it is checked to be the same image."""
        object.__setattr__(self, "stamp", _stamp(self.path, self.part))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Read a region; raise an `ImageError` if the file is damaged there or was changed."""
        try:
            stamp = _stamp(self.path, self.part)
            array = _opened(self.opener, self.path, self.part, stamp)
            is_changed = stamp != self.stamp
            if is_changed:
                self._check_same("shape", tuple(getattr(array, "shape", self.shape)))
            values = array[index]
            if is_changed:
                self._check_same("dtype", values.dtype.newbyteorder("="))
            return np.array(values, dtype=self.dtype)
        except ImageError:
            raise
        except Exception as error:
            raise ImageError(
                f"{self.path}: the pixels at {_format_index(index)} cannot be read "
                f"({reason(error)}); the file is damaged there."
            ) from error

    def _check_same(self, what: Literal["shape", "dtype"], found: Any) -> None:
        """Raise `ImageError` if another image took the place of the one that was opened."""
        expected = getattr(self, what)
        if found != expected:
            place = self.path / self.part if self.path.is_dir() else self.path
            raise ImageError(
                f"{place} has the {what} {found}, and had {expected} when it was "
                "opened; another program changes it: open it again when that is finished."
            )

    def to_dask(self, native: Sequence[int], spatial: Sequence[int] = (-2, -1)) -> Any:
        """Return a dask array in chunks that are multiples of the file's `native` chunks."""
        import dask.array as da

        chunks = enlarge_chunk(self.shape, native, self.dtype.itemsize, spatial)
        token = (self.opener.__module__, str(self.path.absolute()), self.part, self.stamp)
        from_array: Any = da.from_array
        return from_array(
            self,
            chunks=chunks,
            name=f"{self.path.name}-{_digest(token)}",
            meta=np.empty((0,) * self.ndim, self.dtype),
        )


def enlarge_chunk(
    shape: Sequence[int],
    native: Sequence[int],
    itemsize: int,
    spatial: Sequence[int] = (-2, -1),
    limit: int = PIECE_BYTES,
) -> tuple[int, ...]:
    """Return a chunk that is a multiple of `native` along the spatial axes, of `limit` bytes.

    The shorter side is doubled first, so that chunks become nearly square. Of more than `CHUNKS`
    chunks of whole planes several are joined, and more than `MAX_CHUNKS` chunks, of half a
    terabyte or so, become larger than that. Extents of 0, which damaged files state, count as 1.

    >>> enlarge_chunk((5, 8000, 8000), (1, 256, 256), itemsize=2)
    (1, 1024, 2048)
    """
    chunk = [min(n, max(1, c)) for n, c in zip(shape, native, strict=True)]
    axes = [a % len(shape) for a in spatial]
    others = [a for a in range(len(shape)) if a not in axes]
    while True:
        count = prod(-(-n // c) for n, c in zip(shape, chunk, strict=True))
        open_axes = [a for a in axes if chunk[a] < shape[a]]
        if not open_axes and count > CHUNKS:
            open_axes = [a for a in others if chunk[a] < shape[a]][-1:]
        is_full = 2 * prod(chunk) * itemsize > limit and count <= MAX_CHUNKS
        if is_full or not open_axes:
            return tuple(chunk)
        shortest = min(open_axes, key=lambda a: (chunk[a], -a))
        chunk[shortest] = min(2 * chunk[shortest], shape[shortest])


def is_read_lazily(lazy: Lazy, shape: Sequence[int], dtype: np.dtype[Any]) -> bool:
    """Return whether an image of that shape and type is read only when it is computed."""
    if lazy == "large":
        return int(np.prod([int(n) for n in shape])) * dtype.itemsize > PIECE_BYTES
    return lazy


def check_fits_memory(shape: Sequence[int], dtype: np.dtype[Any], path: Path) -> None:
    """Raise `ImageError` if reading the whole array would need more memory than there is."""
    needed = float(np.prod([float(n) for n in shape])) * dtype.itemsize
    try:
        present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return
    if needed > present:
        raise ImageError(
            f"{path} declares {needed / 2**30:.0f} GiB of pixels (shape {tuple(shape)}), "
            f"more than this machine's {present / 2**30:.0f} GiB of memory; read it lazily, or "
            "copy the file again if that size is wrong."
        )


@dataclass(frozen=True)
class MappedFile:
    """A contiguous array in a file, mapped into memory only while a region is copied.

    A mapping that stays open would count every page ever read as memory of this process.
    """

    path: Path
    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, ...]
    mode: Literal["r", "r+"] = "r"

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Return a copy of a region."""
        return np.array(self._map()[index])

    def __setitem__(self, index: Any, values: NDArray[Any]) -> None:
        """Store a region."""
        self._map()[index] = values

    def _map(self) -> NDArray[Any]:
        return np.memmap(self.path, self.dtype, self.mode, self.offset, self.shape)


@lru_cache(maxsize=32)
def _opened(opener: Opener, path: Path, part: str, stamp: tuple[int, ...]) -> Any:
    return opener(path, part)


def _stamp(path: Path, part: str) -> tuple[int, ...]:
    """Return time of change, size and number of a file; of a store those of its metadata too."""
    found = [path.stat()]
    if stat.S_ISDIR(found[0].st_mode):
        for name in _METADATA:
            with suppress(OSError):
                found.append((path / part / name).stat())
    return tuple(n for s in found for n in (s.st_mtime_ns, s.st_size, s.st_ino))


def _digest(token: Any) -> str:
    from dask.base import tokenize

    return str(tokenize(token))


def _format_index(index: Any) -> str:
    parts = index if isinstance(index, tuple) else (index,)
    return ", ".join(
        f"{p.start or 0}:{'' if p.stop is None else p.stop}" if isinstance(p, slice) else str(p)
        for p in parts
    )
