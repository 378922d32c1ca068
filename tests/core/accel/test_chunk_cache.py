"""Chunks that several regions meet are read once."""

import dask.array as da
import numpy as np
import pytest

from unblur.accel.chunk_cache import ChunkCache, cached

VALUES = np.arange(50 * 70).reshape(50, 70)


class Source:
    """An array that counts the reads of its chunks, of which one may fail."""

    shape, dtype, ndim = VALUES.shape, VALUES.dtype, 2

    def __init__(self, broken=None):
        self.reads, self.broken = [], broken

    def __getitem__(self, index):
        start = tuple(part.start for part in index)
        self.reads.append(start)
        if start == self.broken:
            raise OSError("damaged")
        return VALUES[index]

    def lazy(self):
        return da.from_array(self, chunks=(20, 30), name=False, meta=VALUES[:0, :0])


def regions():
    for row in range(0, 50, 10):
        for column in range(0, 70, 35):
            yield slice(max(row - 4, 0), min(row + 14, 50)), slice(column, column + 35)


def test_regions_are_those_of_the_array_and_each_chunk_is_read_once():
    source = Source()
    data = cached(source.lazy())
    assert (data.shape, data.dtype) == (VALUES.shape, VALUES.dtype)
    for region in regions():
        np.testing.assert_array_equal(data[region], VALUES[region])
    assert sorted(source.reads) == [(r, c) for r in (0, 20, 40) for c in (0, 30, 60)]


def test_the_oldest_chunks_are_dropped_first():
    source = Source()
    data = ChunkCache(source.lazy(), count=2)
    for column in (0, 30, 0, 60, 0, 30):
        data[slice(0, 5), slice(column, column + 5)]
    assert source.reads == [(0, 0), (0, 30), (0, 60), (0, 30)]


def test_a_chunk_that_could_not_be_read_is_tried_again():
    source = Source(broken=(20, 30))
    data = ChunkCache(source.lazy(), count=9)
    for _ in range(2):
        with pytest.raises(OSError, match="damaged"):
            data[slice(18, 25), slice(28, 35)]
    source.broken = None
    np.testing.assert_array_equal(data[slice(18, 25), slice(28, 35)], VALUES[18:25, 28:35])


def test_arrays_in_memory_and_large_chunks_are_left_as_they_are():
    lazy = Source().lazy()
    assert cached(VALUES) is VALUES
    assert cached(lazy, limit=1000) is lazy
