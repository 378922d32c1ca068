"""Chunks of a zarr array that are not stored, and values that mark pixels without data.

A zarr array may lack chunks. By the specification these hold the fill value: writers omit chunks
of nothing else, but a chunk that was lost in copying looks the same. Such chunks are therefore
read as they are defined, and counted in a note for the user. Where the fill value is NaN they
are no data.
"""

from __future__ import annotations

import base64
import binascii
import os
import struct
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from unblur.io.interruption import check_interruption
from unblur.io.size_limits import MAX_EXPANSION, check_count

MAX_UNCHECKED_CHUNKS = 2**13
"""Number of chunks up to which it is not compared with that of stored ones, dimensionless."""

_NODATA_KEYS = ("_FillValue", "missing_value")
"""Attributes by which xarray and the CF conventions state the value of missing data."""


def describe_absent_chunks(folder: Path, array: Any) -> tuple[str, ...]:
    """Return a note on the chunks of an array that are not stored; empty if all are.

    Parameters
    ----------
    folder : Path
        The array's folder. Its names are listed; no chunk is read.
    array : zarr.Array
        The array. Of a sharded one the shards are counted.
    """
    if not folder.is_dir():
        return ()
    grid = _stored_grid(array)
    total = prod(grid)
    absent = total - sum(
        len(index) == len(grid) and all(i < n for i, n in zip(index, grid, strict=True))
        for index in _stored_indices(os.fspath(folder))
    )
    if absent <= 0:
        return ()
    fill = 0 if array.fill_value is None else array.fill_value
    counted = f"{absent} of the {total} {'shards' if array.shards else 'chunks'} of {folder}"
    if np.isnan(fill):
        return (f"{counted} are not stored; their pixels are no data (fill value NaN).",)
    return (
        f"{counted} are not stored, so that their pixels count as {fill} (fill value); a program "
        "may omit chunks that hold nothing else, but if light is missing there, copy the image "
        "again.",
    )


def _stored_grid(array: Any) -> tuple[int, ...]:
    """Return the number of files along each axis: of shards, or of chunks."""
    extents = array.shards or array.chunks
    return tuple(-(-n // c) for n, c in zip(array.shape, extents, strict=True))


def check_chunk_count(folder: Path, array: Any) -> None:
    """Raise `ImageError` if an array that is read whole states far more chunks than are stored."""
    total = prod(_stored_grid(array))
    if total > MAX_UNCHECKED_CHUNKS:
        stored = sum(1 for _ in _stored_indices(os.fspath(folder)))
        unit = "shards" if array.shards else "chunks"
        check_count(total, max(MAX_EXPANSION * stored, MAX_UNCHECKED_CHUNKS), unit, folder)


def stated_nodata(attributes: Mapping[str, Any], dtype: np.dtype[Any]) -> float | None:
    """Return the value that an array's attributes state for pixels without data.

    Values that are NaN, which is no data anyway, or beyond the type are left out.
    """
    for key in _NODATA_KEYS:
        value = _as_number(attributes.get(key))
        if value is not None and np.isfinite(value) and _is_exact(value, dtype):
            return value
    return None


def _is_exact(value: float, dtype: np.dtype[Any]) -> bool:
    if dtype.kind in "ui":
        limits = np.iinfo(dtype)
        return value.is_integer() and int(limits.min) <= value <= int(limits.max)
    return dtype.kind == "f"


def _as_number(stated: Any) -> float | None:
    if isinstance(stated, str):
        # xarray encodes floats of version 3 as the base64 of eight bytes.
        try:
            return float(struct.unpack("<d", base64.b64decode(stated, validate=True))[0])
        except (binascii.Error, struct.error, ValueError):
            return None
    is_number = isinstance(stated, int | float) and not isinstance(stated, bool)
    return float(stated) if is_number else None


def _stored_indices(folder: str, before: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Yield the index of each chunk file, named "0.1", "0/1", "c/0/1" or "c.0.1"."""
    with os.scandir(folder) as entries:
        for entry in entries:
            check_interruption()
            parts = entry.name.split(".")
            if parts[0] == "c" and not before:
                parts = parts[1:]
            if not all(part.isdecimal() for part in parts):
                continue
            index = (*before, *map(int, parts))
            if entry.is_dir():
                yield from _stored_indices(entry.path, index)
            else:
                yield index
