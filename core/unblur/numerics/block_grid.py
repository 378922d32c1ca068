"""Division of a filtered image into blocks whose Fourier transforms are fast."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Self

from unblur.numerics.fourier import fast_length

Slices = tuple[slice, ...]

BLOCK_COUNTS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32, 40, 48, 64, 96, 128)
"""Numbers of blocks along an axis that are tried, dimensionless."""
COMPLEX_BYTES = 8
"""Size of a complex sample in bytes."""
FEWEST_BATCHES = 4
"""Number of batches along an axis into which transforms are divided for several threads, if there
are so many, dimensionless. It does not depend on the threads, so that results do not."""
CACHE_SAMPLES = 2**16
"""Size of a core's second-level cache, in complex samples."""
LANES = 8
"""Factor of the lengths of compiled transforms along the last two axes, dimensionless."""
COMPILED_SAMPLES = 2**17
"""Size of a block above which its compiled transforms take longer for each sample, in samples."""
FEWEST_PAIRS = 8
"""Number of pairs of blocks below which threads lack work, dimensionless."""
PAIR_SAMPLES = 3000
"""What it takes to filter a pair of blocks of any size, in samples of compiled transforms."""


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
        cls,
        extent: Sequence[int],
        support: Sequence[int],
        zero_margin: bool = False,
        compiled: bool = False,
    ) -> Self:
        """Return the grid with the fastest transforms for a result of `extent`.

        With `zero_margin`, see `BlockFilter`, a single block along an axis may wrap around.
        `compiled` tells whether the transforms are those of `unblur.accel.fourier`.
        """
        return cls(*_cheapest(tuple(extent), tuple(support), zero_margin, compiled))

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
def _cheapest(
    extent: tuple[int, ...], support: tuple[int, ...], zero_margin: bool, compiled: bool
) -> Any:
    """Return the fields of the cheapest `BlockGrid`."""
    choices = []
    for axis, (n, k) in enumerate(zip(extent, support, strict=True)):
        candidates = partial(_candidates, compiled, len(extent) - axis)
        smallest = [-(-n // count) + k - 1 for count in BLOCK_COUNTS if count <= n]
        lengths = {length for size in smallest for length in candidates(size)}
        blocks = [(length, length - k + 1, False) for length in sorted(lengths)]
        if zero_margin:
            single = min(candidates(n), key=lambda length: length * length_cost(length))
            blocks.append((single, single, True))
        choices.append(blocks)
    best: tuple[float, Any] = (math.inf, None)
    for chosen in itertools.product(*choices):
        counts = [-(-n // step) for n, (_, step, _) in zip(extent, chosen, strict=True)]
        lengths_of, steps, wraps = zip(*chosen, strict=True)
        blocks_in_all, samples = math.prod(counts), math.prod(lengths_of)
        weight = 1.0 if compiled else sum(map(length_cost, lengths_of))
        cost_of_blocks = partial(compiled_cost, len(extent) > 2) if compiled else block_cost
        for paired, count in enumerate(counts):
            if wraps[paired]:
                continue
            even = count + count % 2
            cost = weight * cost_of_blocks(blocks_in_all // count * even, samples)
            if cost < best[0]:
                rounded = (*counts[:paired], even, *counts[paired + 1 :])
                best = cost, (rounded, lengths_of, steps, paired, wraps)
    return best[1]


def _candidates(compiled: bool, from_last: int, size: int) -> set[int]:
    """Return lengths of at least `size` along an axis, counted from the last one, 1."""
    if not compiled:
        return candidate_lengths(size)
    factor = LANES if from_last <= 2 else 1
    return {factor * fast_length(-(-size // factor))}


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


def compiled_cost(is_volume: bool, count: int, samples: int) -> float:
    """Return the relative time of an even number of blocks with compiled transforms.

    Measured (`benchmarks/transform_lengths.py`): 2 ns for a real sample of a plane, there and back,
    3 ns at 512 x 512; of a volume 2 ns, 3 ns at 48 x 96 x 96, and 4 to 12 ns where a block does not
    fit into the last cache.
    """
    octaves = math.log2(max(samples / COMPILED_SAMPLES, 1))
    excess = min(0.15 * octaves, 0.5) if is_volume else 0.5 * octaves
    pairs = count // 2
    return 2 * max(pairs + pairs % 2, FEWEST_PAIRS) * (samples * (1 + excess) + PAIR_SAMPLES)
