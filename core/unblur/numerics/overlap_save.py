"""Overlap-save convolution in blocks that fit into the cache, at half the time of one transform."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from unblur.accel.fourier.pair_filter import PairFilter
from unblur.accel.jit import has_compiler
from unblur.accel.memory import is_counted
from unblur.accel.parallel import map_on_threads
from unblur.numerics.block_grid import BlockGrid, Slices
from unblur.numerics.fourier import spatial_axes

S = TypeVar("S")
T = TypeVar("T")
Index = tuple[int | slice, ...]
Job = tuple[int, tuple[Slices, Slices]]

BATCH_SAMPLES = {"cpu": 2**18, "cuda": 2**25}
"""Size of a batch of transforms by device, in complex samples."""
COMPILED_FROM = 2**24
"""Number of samples times repetitions from which transforms are compiled, dimensionless. To load
the compiled code takes as long as the transforms of a few times as many save."""


class BlockFilter:
    """Valid convolution with a kernel by overlap-save, for many iterations.

    Each block of the result is computed from the block of the input that the kernel covers, for
    which small transforms suffice that fit into the cache. Filtering with a real kernel does not
    mix the real and the imaginary part of an image, so that two blocks share one complex
    transform; its inverse is as fast, while the inverse of a real transform is slow. The blocks
    are yielded one by one, so that later operations find them in the cache too.

    Where numba is installed (the extra `fast`) and the work is large, transforms are compiled: on a
    CPU, in single precision. They take half the time.

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
    repetitions : int
        Number of images that will be filtered, by which it is decided whether to compile.

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
        repetitions: int = 1,
    ) -> None:
        self._batch = batch
        samples = math.prod(n + k - 1 for n, k in zip(extent, kernel.shape, strict=True))
        is_large = samples * repetitions >= COMPILED_FROM
        is_plain = kernel.dtype == torch.float32 and kernel.device.type == "cpu"
        compiles = is_large and is_plain and kernel.ndim in (2, 3) and has_compiler()
        self._grid = BlockGrid.cheapest(extent, kernel.shape, zero_margin, compiles)
        self._margin = tuple(n - 1 for n in kernel.shape)
        self._axes = spatial_axes(kernel.ndim)
        axes = zip(self._margin, self._grid.wraps, strict=True)
        unneeded = [0 if wraps else margin for margin, wraps in axes]
        self._valid: Any = (..., *(slice(margin, None) for margin in unneeded))
        self._known_starts: dict[Any, list[tuple[int, ...]]] = {}
        self._scratch: deque[list[Tensor]] = deque()
        self._otf: Tensor | None = None
        self._pair_filter: PairFilter | None = None
        if compiles:
            self._pair_filter = PairFilter(kernel, self._grid.lengths, unneeded)
        else:
            grid = kernel.new_zeros(self._grid.lengths)
            grid[tuple(slice(0, n) for n in kernel.shape)] = kernel
            self._otf = torch.fft.fftn(grid)
        self.covered = self._grid.covered
        self.needed = tuple(n + k - 1 for n, k in zip(self.covered, kernel.shape, strict=True))

    def pieces(self, x: Tensor) -> Iterator[tuple[Index, Tensor]]:
        """Filter images (n, *spatial), at least `needed` large; yield blocks of the result.

        Each is preceded by its index into `tiles` of the result, and may be overwritten.
        """
        x = x.contiguous()
        for job in self._jobs(x):
            yield from self._filtered(x, *job)

    def for_each(self, x: Tensor, work: Callable[[Index, Tensor], None]) -> None:
        """Filter images as `pieces` does and call a function with each index and block.

        The calls are shared by as many threads as torch has; every operation in them runs on one.
        """
        x = x.contiguous()

        def process(number: int, pair: tuple[Slices, Slices]) -> None:
            for index, piece in self._filtered(x, number, pair):
                work(index, piece)

        self._on_threads(lambda job: process(*job), self._jobs(x), x)

    def _on_threads(self, process: Callable[[S], T], jobs: Sequence[S], x: Tensor) -> list[T]:
        # One thread computes while allocations are counted: these are the arrays of the others.
        others = min(torch.get_num_threads(), len(jobs)) - 1 if is_counted() else 0
        beside = [x.new_empty(self._scratch_size(x)) for _ in range(others)]
        results = map_on_threads(process, jobs, x.device.type)
        beside.clear()
        return results

    def _position(self, x: Tensor, number: int, block: Slices) -> int:
        """Return the index in the flat input of the first sample that a block depends on."""
        grid = zip(block, self._grid.steps, self._margin, self._grid.wraps, strict=True)
        starts = [part.start * step + wraps * margin for part, step, margin, wraps in grid]
        axes = zip((number, *starts), x.stride(), strict=True)
        return sum(start * stride for start, stride in axes)

    def _scratch_size(self, x: Tensor) -> int:
        """Return the real numbers in the arrays that are needed at the same time for a job."""
        if self._pair_filter is not None:
            return self._pair_filter.work_size + self._pair_filter.out_size
        number, pair = self._jobs(x)[0]
        return 6 * self._patches(x)[block_index(number, pair[0])].numel()

    @property
    def is_compiled(self) -> bool:
        """Whether `map_runs` can be used."""
        return self._pair_filter is not None

    def map_runs(self, x: Tensor, images: Sequence[Tensor], work: Callable[..., T]) -> list[T]:
        """Call a function that filters runs of pairs of blocks itself, by `filter_pair`.

        Parameters
        ----------
        x : (n, *spatial)
            Images, contiguous, at least `needed` large.
        images : sequence of (n or 1, *blocks, *block)
            Views of further images by `tiles`, which are read or written block by block.
        work : callable
            Called with what describes the run: `(source, starts, strides, advance, count, plan,
            margins)`, the flat input, the positions in it of the first pair's blocks, the distances
            of planes, rows and pairs, and their number, and the filter's; then with a tuple for
            each image, `(values, starts, strides)`, and with two arrays for the filter. Calls are
            shared by threads.

        Returns
        -------
        list
            The results of the calls, in an order that does not depend on the threads.
        """
        assert self._pair_filter is not None
        pair_filter, jobs = self._pair_filter, self._jobs(x)
        source, strides = x.view(-1).numpy(), (0, *x.stride())[-3:-1]
        starts = self._starts(x, partial(self._position, x), jobs)
        placed = []
        for image in images:
            found = self._starts(image, partial(tile_position, image), jobs)
            placed.append((flatten_storage(image), found, (0, *image.stride())[-3:-1]))

        def process(n: int) -> T:
            part = jobs[n][1][0][-1]
            where = (source, starts[n], strides, self._grid.steps[-1], part.stop - part.start)
            views = [(values, found[n], distances) for values, found, distances in placed]
            sizes = pair_filter.work_size, pair_filter.out_size
            # Kept for the next run of any thread: memory that a thread frees is unmapped.
            try:
                kept = self._scratch.pop()
            except IndexError:
                kept = [x.new_empty(size) for size in sizes]
            arrays = (array.numpy() for array in kept)
            result = work((*where, pair_filter.plan, pair_filter.margins), *views, *arrays)
            self._scratch.append(kept)
            return result

        return self._on_threads(process, range(len(jobs)), x)

    def _starts(
        self, image: Tensor, position: Callable[[int, Slices], int], jobs: Sequence[Job]
    ) -> list[tuple[int, ...]]:
        """Return where both blocks of each job lie in an array; once for all of its layout."""
        key = (len(jobs), len(image), image.stride(), image.storage_offset())
        if key not in self._known_starts:
            self._known_starts[key] = [
                tuple(position(number, block) for block in pair) for number, pair in jobs
            ]
        return self._known_starts[key]

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
        self, x: Tensor, number: int, pair: tuple[Slices, Slices]
    ) -> Iterator[tuple[Index, Tensor]]:
        if self._pair_filter is not None:
            for first, second in zip(*map(_single, pair), strict=True):
                positions = [self._position(x, number, block) for block in (first, second)]
                found = self._pair_filter.apply(x, *positions)
                for half, piece in zip((first, second), found[self._valid], strict=True):
                    yield block_index(number, half), piece.view((1,) * len(half) + piece.shape)
            return
        patches, (first, second) = self._patches(x), pair
        both = torch.complex(
            patches[block_index(number, first)], patches[block_index(number, second)]
        )
        spectrum = torch.fft.fftn(both, dim=self._axes).mul_(self._otf)
        filtered = torch.fft.ifftn(spectrum, dim=self._axes)[self._valid]
        yield block_index(number, first), filtered.real
        yield block_index(number, second), filtered.imag

    def indices(self, count: int) -> Iterator[Index]:
        """Yield the indices of `pieces` for a number of images."""
        for number, pair in itertools.product(range(count), self._grid.pairs(BATCH_SAMPLES["cpu"])):
            yield from (block_index(number, half) for half in pair)

    def tiles(self, x: Tensor) -> Tensor:
        """Return a view of images (n, *spatial), at least `covered` large, (n, *blocks, *block)."""
        for axis, step in enumerate(self._grid.steps):
            x = x.narrow(1 + axis, 0, self.covered[axis]).unfold(1 + axis, step, step)
        return x


def block_index(number: int, block: Slices) -> Index:
    """Return the index of blocks of an image into `BlockFilter.tiles`."""
    parts: list[int | slice] = [number, *block]
    return tuple(parts)


def _single(block: Slices) -> list[Slices]:
    """Return the indices of each block of a run along the last axis."""
    run = block[-1]
    return [(*block[:-1], slice(n, n + 1)) for n in range(run.start, run.stop)]


def flatten_storage(x: Tensor) -> Any:
    """Return the array in which a tensor is a view, flat, of numpy."""
    size = x.untyped_storage().nbytes() // x.element_size()
    return x.as_strided((size,), (1,), 0).numpy()


def tile_position(tiles: Tensor, number: int, block: Slices) -> int:
    """Return where in the flat array a block of an image lies, of a view by `BlockFilter.tiles`."""
    starts = (number if len(tiles) > 1 else 0, *(part.start for part in block))
    axes = zip(starts, tiles.stride(), strict=False)
    return int(tiles.storage_offset() + sum(start * stride for start, stride in axes))
