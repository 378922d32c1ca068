"""Overlap-save convolution in blocks that fit into the cache, at half the time of one transform."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from unblur.numerics.fourier import fast_length, spatial_axes

Slices = tuple[slice, ...]
Index = tuple[int | slice, ...]

BLOCK_COUNTS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32, 40, 48, 64, 96, 128)
"""Numbers of blocks along an axis that are tried, dimensionless."""
CACHE_SAMPLES = 2**16
"""Size of a core's second-level cache, in complex samples."""
BATCH_SAMPLES = {"cpu": 2**19, "cuda": 2**25}
"""Size of a batch of transforms by device, in complex samples."""


class BlockFilter:
    """Valid convolution with a kernel by overlap-save, for many iterations.

    Each block of the result is computed from the block of the input that the kernel covers, for
    which small transforms suffice that fit into the cache. Filtering with a real kernel does not
    mix the real and the imaginary part of an image, so that two blocks share one complex
    transform; its inverse is as fast, while the inverse of a real transform is slow. The blocks
    are yielded one by one, so that later operations find them in the cache too.

    Parameters
    ----------
    kernel : (*k)
        Kernel.
    extent : sequence of int
        Smallest extent of the result.
    batch : int, optional
        Number of complex samples that are transformed at a time; `BATCH_SAMPLES` if left out.

    Attributes
    ----------
    covered, needed : tuple of int
        Extent of the result in whole blocks, and of the input, which is larger by the kernel's
        extent minus 1.
    """

    def __init__(self, kernel: Tensor, extent: Sequence[int], batch: int | None = None) -> None:
        self._batch = batch
        self._grid = BlockGrid.cheapest(extent, kernel.shape)
        self._axes = spatial_axes(kernel.ndim)
        grid = kernel.new_zeros(self._grid.lengths)
        grid[tuple(slice(0, n) for n in kernel.shape)] = kernel
        self._otf: Tensor = torch.fft.fftn(grid)
        self._valid = (..., *(slice(n - 1, None) for n in kernel.shape))
        self.covered = self._grid.covered
        self.needed = tuple(n + k - 1 for n, k in zip(self.covered, kernel.shape, strict=True))

    def pieces(self, x: Tensor) -> Iterator[tuple[Index, Tensor]]:
        """Filter images (n, *spatial), at least `needed` large; yield blocks of the result.

        Each is preceded by its index into `tiles` of the result, and may be overwritten.
        """
        patches = x
        for axis, (length, step) in enumerate(
            zip(self._grid.lengths, self._grid.steps, strict=True)
        ):
            needed = patches.narrow(1 + axis, 0, self.needed[axis])
            patches = needed.unfold(1 + axis, length, step)
        samples = self._batch or BATCH_SAMPLES.get(x.device.type, BATCH_SAMPLES["cuda"])
        for number, (first, second) in itertools.product(range(len(x)), self._grid.pairs(samples)):
            both = torch.complex(patches[(number, *first)], patches[(number, *second)])
            spectrum = torch.fft.fftn(both, dim=self._axes).mul_(self._otf)
            filtered = torch.fft.ifftn(spectrum, dim=self._axes)[self._valid]
            yield (number, *first), filtered.real
            yield (number, *second), filtered.imag

    def indices(self, count: int) -> Iterator[Index]:
        """Yield the indices of `pieces` for a number of images."""
        samples = self._batch or BATCH_SAMPLES["cpu"]
        for number, pair in itertools.product(range(count), self._grid.pairs(samples)):
            yield from ((number, *half) for half in pair)

    def tiles(self, x: Tensor) -> Tensor:
        """Return a view of images (n, *spatial), at least `covered` large, (n, *blocks, *block)."""
        for axis, step in enumerate(self._grid.steps):
            x = x.narrow(1 + axis, 0, self.covered[axis]).unfold(1 + axis, step, step)
        return x


@dataclass(frozen=True)
class BlockGrid:
    """A result in `counts` blocks of extent `steps`, each computed from `lengths` input samples.

    Along the axis `paired`, each block of the first half shares a transform with one of the second.
    """

    counts: tuple[int, ...]
    lengths: tuple[int, ...]
    steps: tuple[int, ...]
    paired: int

    @classmethod
    def cheapest(cls, extent: Sequence[int], support: Sequence[int]) -> Self:
        """Return the grid with the fastest transforms for a result of `extent`."""
        choices = [
            sorted({fast_length(-(-n // count) + k - 1) for count in BLOCK_COUNTS if count <= n})
            for n, k in zip(extent, support, strict=True)
        ]
        grids = [
            cls._of(extent, support, lengths, paired)
            for lengths in itertools.product(*choices)
            for paired in range(len(extent))
        ]
        return min(grids, key=lambda grid: grid.cost)

    @classmethod
    def _of(
        cls, extent: Sequence[int], support: Sequence[int], lengths: tuple[int, ...], paired: int
    ) -> Self:
        steps = tuple(n - k + 1 for n, k in zip(lengths, support, strict=True))
        counts = [-(-n // step) for n, step in zip(extent, steps, strict=True)]
        counts[paired] += counts[paired] % 2
        return cls(tuple(counts), lengths, steps, paired)

    @property
    def cost(self) -> float:
        """Relative time of the transforms; those larger than the cache take up to twice as long."""
        samples = math.prod(self.lengths)
        excess = min(0.27 * math.log2(max(samples / CACHE_SAMPLES, 1)), 1)
        return math.prod(self.counts) * samples * (1 + excess)

    @property
    def covered(self) -> tuple[int, ...]:
        """Extent of the results of all blocks."""
        return tuple(count * step for count, step in zip(self.counts, self.steps, strict=True))

    def pairs(self, samples: int) -> Iterator[tuple[Slices, Slices]]:
        """Yield indices of blocks to transform together, at most `samples` of them or one pair."""
        counts = list(self.counts)
        counts[self.paired] //= 2
        length = max(samples // math.prod(self.lengths), 1)
        spans = [[slice(i, i + 1) for i in range(count)] for count in counts[:-1]]
        last = [slice(i, min(i + length, counts[-1])) for i in range(0, counts[-1], length)]
        for first in itertools.product(*spans, last):
            second, half = list(first), counts[self.paired]
            span = second[self.paired]
            second[self.paired] = slice(span.start + half, span.stop + half)
            yield first, tuple(second)
