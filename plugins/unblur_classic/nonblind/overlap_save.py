"""Convolution in half the time: an image is transformed in blocks that stay in cache."""

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

COUNTS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32, 40, 48, 64, 96, 128)
"""Numbers of blocks along an axis that are tried."""
CACHED = 2**16
"""Complex samples that a core's second-level cache holds."""
BATCH = {"cpu": 2**19, "cuda": 2**25}
"""Complex samples that are transformed at a time, by device."""


class BlockFilter:
    """Valid convolution with a kernel, block by block, for long iterations.

    Each block of the result is computed from the block of the input that the kernel reaches
    (overlap-save), for which small transforms suffice, all within cache. A real kernel filters
    the real and the imaginary part of an image each on its own, so two blocks ride in one
    complex transform; that also runs back as fast as forward, while the inverse of a real
    transform is slow. The blocks come one by one, so that what follows finds them in cache too.

    Parameters
    ----------
    kernel : (*k)
        Kernel.
    extent : sequence of int
        Extent of the result, at least.

    Attributes
    ----------
    covered, needed : tuple of int
        Extent of the result in whole blocks, and of the input that it is computed from, which
        is larger by the kernel's extent less one.
    """

    def __init__(self, kernel: Tensor, extent: Sequence[int]) -> None:
        self._blocks = Blocks.cheapest(extent, kernel.shape)
        self._axes = spatial_axes(kernel.ndim)
        grid = kernel.new_zeros(self._blocks.lengths)
        grid[tuple(slice(0, n) for n in kernel.shape)] = kernel
        self._otf: Tensor = torch.fft.fftn(grid)
        self._valid = (..., *(slice(n - 1, None) for n in kernel.shape))
        self.covered = self._blocks.covered
        self.needed = tuple(n + k - 1 for n, k in zip(self.covered, kernel.shape, strict=True))

    def pieces(self, x: Tensor) -> Iterator[tuple[Index, Tensor]]:
        """Filter images (n, *spatial), at least `needed` large; yield blocks of the result.

        Each comes with its index into `tiles` of the result, and may be overwritten.
        """
        patches = x
        for axis, (length, step) in enumerate(
            zip(self._blocks.lengths, self._blocks.steps, strict=True)
        ):
            needed = patches.narrow(1 + axis, 0, self.needed[axis])
            patches = needed.unfold(1 + axis, length, step)
        samples = BATCH.get(x.device.type, BATCH["cuda"])
        for number, (first, second) in itertools.product(
            range(len(x)), self._blocks.pairs(samples)
        ):
            both = torch.complex(patches[(number, *first)], patches[(number, *second)])
            spectrum = torch.fft.fftn(both, dim=self._axes).mul_(self._otf)
            filtered = torch.fft.ifftn(spectrum, dim=self._axes)[self._valid]
            yield (number, *first), filtered.real
            yield (number, *second), filtered.imag

    def tiles(self, x: Tensor) -> Tensor:
        """Return a view of images (n, *spatial), at least `covered` large, (n, *blocks, *block)."""
        for axis, step in enumerate(self._blocks.steps):
            x = x.narrow(1 + axis, 0, self.covered[axis]).unfold(1 + axis, step, step)
        return x


@dataclass(frozen=True)
class Blocks:
    """How a result is cut: `counts` blocks, each `steps` large and seeing `lengths` samples.

    Along the axis `paired`, the first half of the blocks travels with the second.
    """

    counts: tuple[int, ...]
    lengths: tuple[int, ...]
    steps: tuple[int, ...]
    paired: int

    @classmethod
    def cheapest(cls, extent: Sequence[int], support: Sequence[int]) -> Self:
        """Return the cut that transforms fastest, for a result of `extent`."""
        choices = [
            sorted({fast_length(-(-n // count) + k - 1) for count in COUNTS if count <= n})
            for n, k in zip(extent, support, strict=True)
        ]
        cuts = [
            cls._of(extent, support, lengths, paired)
            for lengths in itertools.product(*choices)
            for paired in range(len(extent))
        ]
        return min(cuts, key=lambda cut: cut.cost)

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
        """Relative time of the transforms; those that leave the cache take up to twice as long."""
        samples = math.prod(self.lengths)
        excess = min(0.27 * math.log2(max(samples / CACHED, 1)), 1)
        return math.prod(self.counts) * samples * (1 + excess)

    @property
    def covered(self) -> tuple[int, ...]:
        """Extent of all blocks' results together."""
        return tuple(count * step for count, step in zip(self.counts, self.steps, strict=True))

    def pairs(self, samples: int) -> Iterator[tuple[Slices, Slices]]:
        """Yield indices of blocks to transform together, at most `samples` of them or one pair."""
        counts = list(self.counts)
        counts[self.paired] //= 2
        run = max(samples // math.prod(self.lengths), 1)
        spans = [[slice(i, i + 1) for i in range(count)] for count in counts[:-1]]
        last = [slice(i, min(i + run, counts[-1])) for i in range(0, counts[-1], run)]
        for first in itertools.product(*spans, last):
            second, half = list(first), counts[self.paired]
            span = second[self.paired]
            second[self.paired] = slice(span.start + half, span.stop + half)
            yield first, tuple(second)
