"""Circular convolution of pairs of real blocks by compiled transforms."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from torch import Tensor


class PairFilter:
    """Circular convolution with a kernel, two real blocks of single precision at a time.

    Filtering with a real kernel does not mix the real and the imaginary part, so that the two
    blocks share one complex transform.

    Parameters
    ----------
    kernel : (*k)
        Kernel, whose first sample is at the origin; 2-D or 3-D.
    lengths : sequence of int
        Extent of a block, 5-smooth, along the last two axes multiples of 8.
    margins : sequence of int
        Number of first samples along each axis that are not needed of a result.

    Attributes
    ----------
    plan, margins : tuple
        Arguments of the compiled functions.
    work_size, out_size : int
        Extent of the two arrays in which a pair is filtered.
    """

    def __init__(self, kernel: Tensor, lengths: Sequence[int], margins: Sequence[int]) -> None:
        from unblur.accel.fourier.vector_transforms import (
            compiled_transfer_function,
            factorize,
            twiddle_factors,
        )

        self._lengths = tuple(lengths)
        planes, rows, columns = extent = (*(1,) * (3 - len(lengths)), *lengths)
        # Rows at distances of a power of 2 would share few lines of the cache.
        pitch = rows + 1 if planes > 1 else rows
        radices = [factorize(length) for length in extent]
        lines = tuple(
            (stride, length, np.array(factors, np.int64), twiddle_factors(length, factors))
            for stride, length, factors in zip((pitch, 1, 1), extent, radices, strict=True)
        )
        self.out_size = 2 * planes * rows * columns
        self.work_size = 2 * (planes * pitch + 8) * columns
        self.margins = (*(0,) * (3 - len(margins)), *margins)
        otf, work = kernel.new_empty(self.out_size), kernel.new_empty(self.work_size)
        self.plan = (planes, rows, columns // 8, pitch, lines, otf.numpy())
        grid = kernel.new_zeros((2, *extent))
        volume = kernel.reshape((*(1,) * (3 - kernel.ndim), *kernel.shape))
        grid[0][tuple(slice(0, n) for n in volume.shape)] = volume / (planes * rows * columns)
        set_otf = compiled_transfer_function(source_version())
        set_otf(grid.view(-1).numpy(), self.plan, work.numpy())

    def apply(self, source: Tensor, first: int, second: int) -> Tensor:
        """Return two filtered blocks, (2, *lengths), of a contiguous array.

        `first` and `second` are the indices of their first samples in the flat `source`.
        """
        from unblur.accel.fourier.vector_transforms import compiled_pair_filter

        work, out = source.new_empty(self.work_size), source.new_empty((2, *self._lengths))
        run = compiled_pair_filter(source_version())
        strides = (0, *source.stride())[-3:-1]
        arrays = source.view(-1).numpy(), work.numpy(), out.view(-1).numpy()
        run(arrays[0], first, second, strides, self.plan, self.margins, *arrays[1:])
        return out


@cache
def source_version() -> int:
    """Return a number that changes with the text of the functions that compiled ones contain.

    numba finds code on disk by the text of the outermost function alone, and the numbers that it
    encloses.
    """
    names = ("vector_instructions.py", "vector_transforms.py")
    return zlib.crc32(b"".join(Path(__file__).with_name(name).read_bytes() for name in names))
