"""Circular convolution of pairs of real blocks by compiled transforms."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
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
        from unblur.accel.fourier.vector_transforms import factorize, frequencies, twiddle_factors

        self._lengths = tuple(lengths)
        planes, rows, columns = extent = (*(1,) * (3 - len(lengths)), *lengths)
        # Rows at distances of a power of 2 would share few lines of the cache.
        pitch = rows + 1 if planes > 1 else rows
        radices = [factorize(length) for length in extent]
        lines = tuple(
            (stride, length, np.array(factors, np.int64), twiddle_factors(length, factors))
            for stride, length, factors in zip((pitch, 1, 1), extent, radices, strict=True)
        )
        grid = torch.zeros(extent, dtype=torch.float64)
        volume = kernel.cpu().double().reshape((*(1,) * (3 - kernel.ndim), *kernel.shape))
        grid[tuple(slice(0, n) for n in volume.shape)] = volume / grid.numel()
        otf = torch.fft.fftn(grid).numpy()[np.ix_(*map(frequencies, radices))]
        parts = np.stack([otf.real, otf.imag], -1).reshape(planes, rows // 8, 8, columns, 2)
        factors = np.ascontiguousarray(parts.transpose(0, 1, 3, 4, 2), np.float32).ravel()
        self.plan = (planes, rows, columns // 8, pitch, lines, factors)
        self.margins = (*(0,) * (3 - len(margins)), *margins)
        self.work_size = 2 * (planes * pitch + 8) * columns
        self.out_size = 2 * grid.numel()

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
