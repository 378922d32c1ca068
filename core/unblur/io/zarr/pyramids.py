"""Resolution pyramids of stored images, computed chunk by chunk from fine to coarse levels."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from itertools import pairwise, product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

COARSEST = 256
"""Largest extent of the coarsest level of a pyramid, in pixels."""


def halving_steps(shape: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the factors of each coarser level over the next finer one, along all axes.

    Each level halves rows and columns, which are the last two axes, until both are at most
    `COARSEST`.

    >>> halving_steps((3, 1000, 600))
    [(1, 2, 2), (1, 2, 2)]
    """
    steps = []
    while max(shape[-2:]) > COARSEST:
        steps.append((1,) * (len(shape) - 2) + (2, 2))
        shape = tuple(-(-n // f) for n, f in zip(shape, steps[-1], strict=True))
    return steps


def level_shapes(
    shape: Sequence[int], steps: Sequence[Sequence[int]] | None = None
) -> list[tuple[int, ...]]:
    """Return the shape of each level, from full size, every extent rounded up.

    Parameters
    ----------
    shape : sequence of int
        Extents of the full size.
    steps : sequence of sequence of int, optional
        Factors of each coarser level over the next finer one; by default `halving_steps`.

    >>> level_shapes((3, 1000, 600))
    [(3, 1000, 600), (3, 500, 300), (3, 250, 150)]
    """
    shapes = [tuple(int(n) for n in shape)]
    for factors in halving_steps(shape) if steps is None else steps:
        shapes.append(tuple(-(-n // f) for n, f in zip(shapes[-1], factors, strict=True)))
    return shapes


def steps_between(shapes: Sequence[Sequence[int]], axes: str) -> list[tuple[int, ...]]:
    """Return the factors between stored levels, rounded to integers; 1 along T and C.

    >>> steps_between([(2, 9, 100, 100), (2, 5, 50, 50), (2, 5, 12, 12)], "CZYX")
    [(1, 2, 2, 2), (1, 1, 4, 4)]
    """
    return [
        tuple(
            max(1, round(fine / max(1, coarse))) if axis in "ZYX" else 1
            for axis, fine, coarse in zip(axes, finer, coarser, strict=True)
        )
        for finer, coarser in pairwise(shapes)
    ]


def halve(block: NDArray[Any]) -> NDArray[Any]:
    """Return means of 2x2 pixels over the last two axes; see `reduce_by`."""
    return reduce_by(block, (1,) * (block.ndim - 2) + (2, 2))


def reduce_by(block: NDArray[Any], factors: Sequence[int]) -> NDArray[Any]:
    """Return means over boxes of `factors` pixels, in the block's own dtype.

    A last box that is not full is filled with its last pixels. Integers are rounded, halves up.
    NaN is excluded from the mean, and remains only where a whole box is NaN.
    """
    missing = [(0, -n % f) for n, f in zip(block.shape, factors, strict=True)]
    if any(after for _, after in missing):
        block = np.pad(block, missing, mode="edge")
    count = prod(factors)
    if block.dtype.kind in "ui" and block.dtype.itemsize <= 4:
        is_wide = block.dtype.itemsize == 4 or count > 2**15
        total = _sum_boxes(block.astype(np.int64 if is_wide else np.int32), factors)
        return np.asarray((total + count // 2) // count, dtype=block.dtype)
    values = block.astype(np.result_type(block.dtype, np.float32))
    known = ~np.isnan(values)
    if known.all():
        mean = _sum_boxes(values * values.dtype.type(1 / count), factors)
    else:
        with np.errstate(invalid="ignore"):
            total = _sum_boxes(np.where(known, values, 0), factors)
            mean = total / _sum_boxes(known.astype(np.float32), factors)
    if block.dtype.kind == "b":
        return np.asarray(mean >= 0.5)
    if block.dtype.kind in "ui":
        limits = np.iinfo(block.dtype)
        mean = np.clip(np.rint(mean), limits.min, np.nextafter(float(limits.max) + 1, 0))
    return np.asarray(mean, dtype=block.dtype)


def fill_level(finer: Any, level: Any, factors: Sequence[int]) -> None:
    """Compute the stored array `level` from the next finer one, smaller by `factors`.

    Chunks, or shards, are computed on a few threads; only a few are in memory at a time.
    """
    chunk_shape = level.shards or level.chunks

    def fill(region: tuple[slice, ...]) -> None:
        source = tuple(
            slice(f * s.start, min(f * s.stop, n))
            for s, n, f in zip(region, finer.shape, factors, strict=True)
        )
        level[region] = reduce_by(np.asarray(finer[source]), factors)

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


def _sum_boxes(values: NDArray[Any], factors: Sequence[int]) -> NDArray[Any]:
    """Return sums over boxes of `factors` pixels; rows are added first, then columns."""
    last = values.ndim
    for axis in (last - 2, last - 1, *range(last - 2)):
        shifts = (
            values[(slice(None),) * axis + (slice(n, None, factors[axis]),)]
            for n in range(factors[axis])
        )
        values = reduce(np.add, shifts)
    return values
