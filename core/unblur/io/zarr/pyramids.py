"""Resolution pyramids of stored images, computed chunk by chunk from fine to coarse levels."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

COARSEST = 256
"""Largest extent of the coarsest level of a pyramid, in pixels."""


def level_shapes(shape: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the shape of each level, from full size; rows and columns are the last two axes.

    Each level halves rows and columns, rounding up, until both are at most `COARSEST`.

    >>> level_shapes((3, 1000, 600))
    [(3, 1000, 600), (3, 500, 300), (3, 250, 150)]
    """
    shapes = [tuple(int(n) for n in shape)]
    while max(shapes[-1][-2:]) > COARSEST:
        *rest, rows, columns = shapes[-1]
        shapes.append((*rest, -(-rows // 2), -(-columns // 2)))
    return shapes


def halve(block: NDArray[Any]) -> NDArray[Any]:
    """Return means of 2x2 pixels over the last two axes, in the block's own dtype.

    An odd last row or column is repeated. Integers are rounded, halves up. NaN is excluded from
    the mean, and remains only where all four pixels are NaN.
    """
    if any(n % 2 for n in block.shape[-2:]):
        odd = [(0, 0)] * (block.ndim - 2) + [(0, n % 2) for n in block.shape[-2:]]
        block = np.pad(block, odd, mode="edge")
    if block.dtype.kind in "ui" and block.dtype.itemsize <= 4:
        total = _quads(block.astype(np.int64 if block.dtype.itemsize == 4 else np.int32))
        return np.asarray((total + 2) >> 2, dtype=block.dtype)
    values = block.astype(np.result_type(block.dtype, np.float32))
    known = ~np.isnan(values)
    if known.all():
        mean = _quads(values * 0.25)
    else:
        with np.errstate(invalid="ignore"):
            mean = _quads(np.where(known, values, 0)) / _quads(known.astype(np.float32))
    if block.dtype.kind == "b":
        return np.asarray(mean >= 0.5)
    if block.dtype.kind in "ui":
        limits = np.iinfo(block.dtype)
        mean = np.clip(np.rint(mean), limits.min, np.nextafter(float(limits.max) + 1, 0))
    return np.asarray(mean, dtype=block.dtype)


def fill_level(finer: Any, level: Any) -> None:
    """Compute the stored array `level` from the next finer one.

    Chunks, or shards, are computed on a few threads; only a few are in memory at a time.
    """
    chunk_shape = level.shards or level.chunks

    def fill(region: tuple[slice, ...]) -> None:
        *rest, rows, columns = region
        source = [
            slice(2 * s.start, min(2 * s.stop, n))
            for s, n in zip((rows, columns), finer.shape[-2:], strict=True)
        ]
        level[region] = halve(np.asarray(finer[(*rest, *source)]))

    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        for _ in pool.map(fill, chunk_regions(level.shape, chunk_shape)):
            pass


def chunk_regions(shape: Sequence[int], chunk_shape: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Yield the regions of the chunks of an array."""
    steps = [
        [slice(a, min(a + g, n)) for a in range(0, n, g)]
        for n, g in zip(shape, chunk_shape, strict=True)
    ]
    yield from product(*steps)


def _quads(values: NDArray[Any]) -> NDArray[Any]:
    rows = values[..., 0::2, :] + values[..., 1::2, :]
    return np.asarray(rows[..., 0::2] + rows[..., 1::2])
