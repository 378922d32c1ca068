"""Overlap-save convolution in blocks that fit into the cache, at half the time of one transform."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import torch
from torch import Tensor

from unblur.accel.memory import is_counted
from unblur.accel.parallel import map_on_threads
from unblur.numerics.fourier import fast_length, spatial_axes

Slices = tuple[slice, ...]
Index = tuple[int | slice, ...]
Job = tuple[int, tuple[Slices, Slices]]

BLOCK_COUNTS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32, 40, 48, 64, 96, 128)
"""Numbers of blocks along an axis that are tried, dimensionless."""
COMPLEX_BYTES = 8
"""Size of a complex sample in bytes."""
FEWEST_BATCHES = 4
"""Number of batches along an axis into which transforms are divided for several threads, if there
are so many, dimensionless. It does not depend on the threads, so that results do not."""
CACHE_SAMPLES = 2**16
"""Size of a core's second-level cache, in complex samples."""
BATCH_SAMPLES = {"cpu": 2**18, "cuda": 2**25}
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
    zero_margin : bool
        Whether the first and the last samples of the input, as many as the kernel's extent minus
        1, are 0 along each axis. One block then needs but one such margin.

    Attributes
    ----------
    covered, needed : tuple of int
        Extent of the result in whole blocks, and of the input, which is larger by the kernel's
        extent minus 1.
    """

    def __init__(
        self,
        kernel: Tensor,
        extent: Sequence[int],
        batch: int | None = None,
        *,
        zero_margin: bool = False,
    ) -> None:
        self._batch = batch
        self._grid = BlockGrid.cheapest(extent, kernel.shape, zero_margin)
        self._margin = tuple(n - 1 for n in kernel.shape)
        self._axes = spatial_axes(kernel.ndim)
        grid = kernel.new_zeros(self._grid.lengths)
        grid[tuple(slice(0, n) for n in kernel.shape)] = kernel
        self._otf: Tensor = torch.fft.fftn(grid)
        axes = zip(self._margin, self._grid.wraps, strict=True)
        self._valid = (..., *(slice(0 if wraps else margin, None) for margin, wraps in axes))
        self.covered = self._grid.covered
        self.needed = tuple(n + k - 1 for n, k in zip(self.covered, kernel.shape, strict=True))

    def pieces(self, x: Tensor) -> Iterator[tuple[Index, Tensor]]:
        """Filter images (n, *spatial), at least `needed` large; yield blocks of the result.

        Each is preceded by its index into `tiles` of the result, and may be overwritten.
        """
        patches = self._patches(x)
        for job in self._jobs(x):
            yield from self._filtered(patches, *job)

    def for_each(self, x: Tensor, work: Callable[[Index, Tensor], None]) -> None:
        """Filter images as `pieces` does and call a function with each index and block.

        The calls are shared by as many threads as torch has; every operation in them runs on one.
        """
        patches = self._patches(x)

        def process(job: Job) -> None:
            for index, piece in self._filtered(patches, *job):
                work(index, piece)

        jobs = self._jobs(x)
        # One thread computes while allocations are counted: these are the arrays of the others.
        others = min(torch.get_num_threads(), len(jobs)) - 1 if is_counted() else 0
        size = patches[(jobs[0][0], *jobs[0][1][0])].numel()
        beside = [self._otf.new_empty((3, size)) for _ in range(others)]
        map_on_threads(process, jobs, x.device.type)
        beside.clear()

    def _patches(self, x: Tensor) -> Tensor:
        """Return a view of the input of each block, (n, *blocks, *length)."""
        grid = zip(self._grid.lengths, self._grid.steps, self._grid.wraps, strict=True)
        for axis, (length, step, wraps) in enumerate(grid):
            start = self._margin[axis] if wraps else 0
            needed = x.narrow(1 + axis, start, self.needed[axis] - start)
            x = needed.unfold(1 + axis, length, step)
        return x

    def _jobs(self, x: Tensor) -> list[Job]:
        """Return the number of an image and the indices of two sets of its blocks, for each."""
        samples = self._batch or BATCH_SAMPLES.get(x.device.type, BATCH_SAMPLES["cuda"])
        return list(itertools.product(range(len(x)), self._grid.pairs(samples)))

    def _filtered(
        self, patches: Tensor, number: int, pair: tuple[Slices, Slices]
    ) -> Iterator[tuple[Index, Tensor]]:
        first, second = pair
        both = torch.complex(patches[(number, *first)], patches[(number, *second)])
        spectrum = torch.fft.fftn(both, dim=self._axes).mul_(self._otf)
        filtered = torch.fft.ifftn(spectrum, dim=self._axes)[self._valid]
        yield (number, *first), filtered.real
        yield (number, *second), filtered.imag

    def indices(self, count: int) -> Iterator[Index]:
        """Yield the indices of `pieces` for a number of images."""
        for number, pair in itertools.product(range(count), self._grid.pairs(BATCH_SAMPLES["cpu"])):
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
    wraps: tuple[bool, ...]

    @classmethod
    def cheapest(
        cls, extent: Sequence[int], support: Sequence[int], zero_margin: bool = False
    ) -> Self:
        """Return the grid with the fastest transforms for a result of `extent`.

        With `zero_margin`, see `BlockFilter`, a single block along an axis may wrap around.
        """
        return cls(*_cheapest(tuple(extent), tuple(support), zero_margin))

    @property
    def covered(self) -> tuple[int, ...]:
        """Extent of the results of all blocks."""
        return tuple(count * step for count, step in zip(self.counts, self.steps, strict=True))

    def pairs(self, samples: int) -> Iterator[tuple[Slices, Slices]]:
        """Yield indices of blocks to transform together, at most `samples` of them or one pair."""
        counts = list(self.counts)
        counts[self.paired] //= 2
        batches = -(-FEWEST_BATCHES * counts[-1] // math.prod(counts))
        length = max(min(samples // math.prod(self.lengths), counts[-1] // batches), 1)
        spans = [[slice(i, i + 1) for i in range(count)] for count in counts[:-1]]
        last = [slice(i, min(i + length, counts[-1])) for i in range(0, counts[-1], length)]
        for first in itertools.product(*spans, last):
            second, half = list(first), counts[self.paired]
            span = second[self.paired]
            second[self.paired] = slice(span.start + half, span.stop + half)
            yield first, tuple(second)


@lru_cache(maxsize=1024)
def _cheapest(extent: tuple[int, ...], support: tuple[int, ...], zero_margin: bool) -> Any:
    """Return the fields of the cheapest `BlockGrid`."""
    choices = []
    for n, k in zip(extent, support, strict=True):
        smallest = [-(-n // count) + k - 1 for count in BLOCK_COUNTS if count <= n]
        lengths = {length for size in smallest for length in candidate_lengths(size)}
        single = min(candidate_lengths(n), key=lambda length: length * length_cost(length))
        blocks = [(length, length - k + 1, False) for length in sorted(lengths)]
        wrapped = [(single, single, True)] if zero_margin else []
        choices.append([(-(-n // step), size, step, w) for size, step, w in blocks + wrapped])
    best: tuple[float, Any] = (math.inf, None)
    for chosen in itertools.product(*choices):
        counts, lengths_of, steps, wraps = zip(*chosen, strict=True)
        blocks_in_all, samples = math.prod(counts), math.prod(lengths_of)
        weight = sum(map(length_cost, lengths_of))
        for paired, count in enumerate(counts):
            if wraps[paired]:
                continue
            even = count + count % 2
            cost = weight * block_cost(blocks_in_all // count * even, samples)
            if cost < best[0]:
                rounded = (*counts[:paired], even, *counts[paired + 1 :])
                best = cost, (rounded, lengths_of, steps, paired, wraps)
    return best[1]


def candidate_lengths(size: int) -> set[int]:
    """Return lengths of at least `size` with a fast transform: the next one, and of 8 and of 16.

    Examples
    --------
    >>> sorted(candidate_lengths(265))
    [270, 288]
    """
    return {n * fast_length(-(-size // n)) for n in (1, 8, 16)}


@lru_cache(maxsize=1024)
def length_cost(length: int) -> float:
    """Return the relative time for each sample of transforms of a length.

    Measured with MKL and blocks in the cache (`benchmarks/transform_lengths.py`): 4.4 to 5.9 ns for
    a sample with 16 as a factor, 6.3 with 8, 6.9 with 4, and up to 9 else. Rows of a multiple of
    4096 bytes share few lines of the cache.
    """
    cost = {0: 1.0, 8: 1.2, 4: 1.3, 12: 1.3}.get(length % 16, 1.6)
    return cost * (1.5 if length * COMPLEX_BYTES % 4096 == 0 else 1.0)


def block_cost(count: int, samples: int) -> float:
    """Return the relative time of an even number of blocks of some complex samples on two threads.

    That of transforms larger than the cache is up to 1.6 times as long for each sample. It was
    measured with what goes with the transforms, as packing and multiplication.
    """
    excess = min(0.27 * math.log2(max(samples / CACHE_SAMPLES, 1)), 0.6)
    pairs = count // 2
    return 2 * (pairs + pairs % 2) * samples * (1 + excess)
