"""Chunks of a lazy image that neighbouring tiles share, each read and decoded once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Index = tuple[int, ...]

FEWEST_KEPT = 9
"""Smallest number of chunks that are worth keeping, dimensionless: those that a tile meets."""

KEPT_BYTES = 2**27
"""Largest size of the chunks that are kept together, in bytes: three rows of chunks of 1024 pixels
for an image of 16 bits and 22 000 columns."""


def cached(data: Any, limit: int = KEPT_BYTES) -> Any:
    """Return a dask array behind a `ChunkCache`; anything else, or one of few large chunks, as is.

    Example
    -------
    >>> import dask.array as da
    >>> data = cached(da.arange(6, chunks=2))
    >>> data[slice(1, 5),]
    array([1, 2, 3, 4])
    """
    if not hasattr(data, "dask"):
        return data
    largest = prod(max(sizes) for sizes in data.chunks) * data.dtype.itemsize
    return ChunkCache(data, limit // largest) if FEWEST_KEPT * largest <= limit else data


class ChunkCache:
    """Reads regions of a dask array from whole chunks, of which the last ones are kept.

    A tile with its halo meets up to nine chunks. Without the cache each of them would be decoded
    anew for each tile that meets it. Threads that need the same chunk wait for the first of them.

    Parameters
    ----------
    data : dask array
        The array.
    count : int
        Largest number of chunks that are kept.

    Attributes
    ----------
    uncached : dask array
        The array.
    shape : tuple of int
        Its extent.
    dtype : dtype
        Type of its values.
    """

    def __init__(self, data: Any, count: int) -> None:
        self.uncached = data
        self.shape, self.dtype = data.shape, data.dtype
        self._edges = [np.cumsum([0, *sizes]).tolist() for sizes in data.chunks]
        self._count = count
        self._guard = threading.Lock()
        self._kept: OrderedDict[Index, Future[Array]] = OrderedDict()

    def __getitem__(self, region: Sequence[slice]) -> Array:
        """Return a copy of a region whose slices have a start and a stop."""
        values = np.empty([part.stop - part.start for part in region], self.dtype)
        spans = [_chunks_of(edges, part) for edges, part in zip(self._edges, region, strict=True)]
        for place in product(*spans):
            source = tuple(inside for _, inside, _ in place)
            target = tuple(outside for _, _, outside in place)
            values[target] = self._chunk(tuple(number for number, _, _ in place))[source]
        return values

    def _chunk(self, index: Index) -> Array:
        with self._guard:
            future = self._kept.get(index)
            is_mine = future is None
            if future is None:
                future = self._kept[index] = Future()
            self._kept.move_to_end(index)
            while len(self._kept) > self._count:
                self._kept.popitem(last=False)
        if is_mine:
            try:
                # In this thread: the threads and processes are the scheduler's.
                chunk = self.uncached.blocks[index].compute(scheduler="synchronous")
                future.set_result(np.asarray(chunk))
            except BaseException as error:
                with self._guard:
                    self._kept.pop(index, None)
                future.set_exception(error)
        return future.result()


def _chunks_of(edges: Sequence[int], part: slice) -> list[tuple[int, slice, slice]]:
    """Return the chunks that a span meets along an axis.

    Each is its number, the span within the chunk, and that within the result.
    """
    found = []
    first = int(np.searchsorted(edges, part.start, side="right")) - 1
    for number in range(first, len(edges) - 1):
        low, high = max(edges[number], part.start), min(edges[number + 1], part.stop)
        if low >= high:
            break
        inside = slice(low - edges[number], high - edges[number])
        found.append((number, inside, slice(low - part.start, high - part.start)))
    return found
