"""Arrays of very many small chunks, read a few hundred at a time, so that Ctrl-C ends the read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.io.interruption import check_interruption

CHUNKS_AT_ONCE = 2**8
"""Number of chunks that are read between two checks for Ctrl-C, dimensionless."""


class PiecewiseArray:
    """A zarr array that is read in pieces of `CHUNKS_AT_ONCE` chunks or shards.

    Parameters
    ----------
    array : zarr.Array
        The array, open for reading.
    """

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape, self.dtype = tuple(array.shape), np.dtype(array.dtype)
        self._piece = _piece_shape(self.shape, array.shards or array.chunks)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Return a region; one with steps or lists of places is read at once."""
        check_interruption()
        spans = self._spans(index)
        if spans is None:
            return np.asarray(self._array[index])
        values = np.empty([span.stop - span.start for span in spans], self.dtype)
        parts = [_split(span, n) for span, n in zip(spans, self._piece, strict=True)]
        for part in product(*parts):
            check_interruption()
            place = tuple(
                slice(p.start - s.start, p.stop - s.start) for p, s in zip(part, spans, strict=True)
            )
            values[place] = self._array[part]
        return values

    def _spans(self, index: Any) -> list[slice] | None:
        """Return the span along each axis, or `None` if the index is more than spans."""
        given = index if isinstance(index, tuple) else (index,)
        if given == (...,):
            given = ()
        if not all(isinstance(part, slice) and part.step in (None, 1) for part in given):
            return None
        full = [*given, *[slice(None)] * (len(self.shape) - len(given))]
        spans = [slice(*part.indices(n)[:2]) for part, n in zip(full, self.shape, strict=True)]
        return spans if all(span.start < span.stop for span in spans) else None


def _piece_shape(shape: Sequence[int], chunk: Sequence[int]) -> tuple[int, ...]:
    """Return extents that are multiples of the chunk's, of `CHUNKS_AT_ONCE` chunks at most."""
    counts = [-(-n // c) for n, c in zip(shape, chunk, strict=True)]
    left = CHUNKS_AT_ONCE
    piece = list(chunk)
    for axis in reversed(range(len(counts))):
        along = max(1, min(left, counts[axis]))
        piece[axis] *= along
        left //= along
    return tuple(piece)


def _split(span: slice, step: int) -> list[slice]:
    """Return the parts of a span between the multiples of `step`."""
    edges = [span.start, *range(span.start // step * step + step, span.stop, step), span.stop]
    return [slice(a, b) for a, b in pairwise(edges)]


def has_many_chunks(array: Any) -> bool:
    """Return whether an array has more chunks, or shards, than are read at once."""
    extents = array.shards or array.chunks
    grid = [-(-n // c) for n, c in zip(array.shape, extents, strict=True)]
    return bool(prod(grid) > CHUNKS_AT_ONCE)
