"""One tile from input to output: read, deblurred, written; in any thread or process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from unblur.accel.malloc import retain_memory
from unblur.accel.memory import is_out_of_memory, release
from unblur.engine.intake.image_statistics import Light
from unblur.engine.steps.block import BlockProcessor
from unblur.engine.tiles.region_reader import RegionReader, overlaps
from unblur.engine.tiles.tiling import Box, Tile, Tiling, split_tile
from unblur.errors import UnblurError
from unblur.model.context import resolve_device

Array = NDArray[Any]

SMALLEST_INTERIOR = 32
"""Smallest edge of the interior of half a tile, in pixels."""


_GPU = threading.Lock()


class Target(Protocol):
    """Destination of the regions of a result: a `RegionWriter`, or an array in memory."""

    def write(self, region: Box, values: Array) -> None:
        """Store `values` at `region`."""


@dataclass(eq=False)
class InMemory:
    """An array as a target."""

    values: Array

    def write(self, region: Box, values: Array) -> None:
        """Store `values` at `region`."""
        self.values[region] = values


class DeferredTarget:
    """A target that leaves the writing to the process that distributes the tiles."""

    def write(self, region: Box, values: Array) -> None:
        """Do nothing: the regions are returned in `TileResult.deferred`."""


@dataclass
class TileResult:
    """The result of a finished tile.

    Attributes
    ----------
    number : int
        Number of the tile.
    seconds : list of float
        Time spent in each step.
    warnings : list of str
        Warnings of the steps.
    nonfinite : int
        Number of values that were not finite or could not be read.
    light : Light
        Sums of the values before and after.
    unreadable : list of str
        Pieces of the input that could not be read, each with its cause.
    limit : int or None
        Largest number of pixels of an interior that fits into memory, once one did not.
    deferred : list of (region, values)
        Regions still to be written, if the target is `DeferredTarget`.
    """

    number: int
    seconds: list[float] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    nonfinite: int = 0
    light: Light = field(default_factory=Light)
    unreadable: list[str] = field(default_factory=list)
    limit: int | None = None
    deferred: list[tuple[Box, Array]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class TileTask:
    """Processing of the tiles of one image; can be pickled if its target can.

    Parameters
    ----------
    reader : RegionReader
        Reads the image.
    processor : BlockProcessor
        With kernels and statistics of the whole image.
    tiling : Tiling
        The tiles.
    target : Target
        Destination of the result's regions, along the image's own axes.
    limit : int, optional
        Largest number of pixels of an interior that fits into memory, once one did not.
    halos : sequence, optional
        For each step the pixels around a tile that it is given, see
        `BlockProcessor.remaining_halos`; the whole halo without.
    """

    reader: RegionReader
    processor: BlockProcessor
    tiling: Tiling
    target: Target
    limit: int | None = None
    halos: Sequence[Sequence[int]] = ()

    def __call__(self, tile: Tile, device: str | None = None) -> TileResult:
        """Read, deblur and write a tile, on the processor's device if none is given."""
        processor = self.processor if device is None else self.processor.on(device)
        result = TileResult(tile.number, [0.0] * len(processor.stages), limit=self.limit)
        pieces = [tile]
        while pieces:
            piece = pieces.pop()
            pixels = _pixels(piece.interior)
            if result.limit is not None and pixels > result.limit and _divisible(piece):
                pieces += split_tile(piece, self.tiling.halo, self.tiling.layout.spatial)
                continue
            try:
                self._run(piece, processor, result)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if not _divisible(piece):
                    raise UnblurError(
                        f"{tile}: memory runs out even on a tile of {_size(piece.interior)} "
                        "pixels; free some, use fewer workers, another device or a smaller kernel."
                    ) from error
                result.limit = -(-pixels // 2)
                pieces.append(piece)
                release(processor.context.device)
                result.warnings.append(
                    f"memory ran out on a tile of {_size(piece.interior)} pixels; it was halved."
                )
        return result

    def _run(self, tile: Tile, processor: BlockProcessor, result: TileResult) -> None:
        part = self.reader.read(tile.region(tile.padded))
        interior = self.reader.bounds(tile.region(tile.interior))
        values = np.empty([span.stop - span.start for span in interior], part.values.dtype)
        origin = (tile.padded[-2].start, tile.padded[-1].start)
        cut_axes = tile.cut_axes(self.tiling.halo)
        spanned_axes = tile.spanned_axes(self.tiling.layout.spatial)
        for index in _blocks(tile):
            gaps = None if part.unreadable is None else part.unreadable[(index[0], *index[2:])]
            made = processor.run(
                part.values[index], tile.crop, origin, gaps, cut_axes, self.halos, spanned_axes
            )
            values[index] = made.values
            result.nonfinite += made.nonfinite
            result.light += made.light
            result.warnings += made.steps.warnings
            for step, seconds in enumerate(made.steps.seconds):
                result.seconds[step] += seconds
        for piece, cause in part.failures:
            if overlaps(piece, interior):
                result.unreadable.append(f"input {self.reader.name(piece)}: {cause}")
        self._deliver(interior, values, result)

    def _deliver(self, interior: Box, values: Array, result: TileResult) -> None:
        """Write values (T, C, Z, Y, X) to the target, along the image's own axes."""
        region = self.reader.to_image_axes(interior)
        own = values.reshape([span.stop - span.start for span in region])
        if isinstance(self.target, DeferredTarget):
            result.deferred.append((region, own))
        else:
            self.target.write(region, own)

    def portable(self) -> TileTask:
        """Return the task without callbacks, for another process."""
        return replace(self, processor=self.processor.portable())

    def within(self, limit: int | None) -> TileTask:
        """Return the task for tiles of at most `limit` pixels."""
        if limit is None or (self.limit is not None and self.limit <= limit):
            return self
        return replace(self, limit=limit)


class PortableTask:
    """A task in its present state, without callbacks, for other processes.

    Parameters
    ----------
    current : callable
        Returns the task in its present state.
    """

    def __init__(self, current: Callable[[], TileTask]) -> None:
        self._current = current
        self._limit: int | None = None
        self._portable: TileTask | None = None

    def halve(self, tile: Tile) -> None:
        """Split tiles of this size in halves from now on."""
        pixels = _pixels(tile.interior)
        now = self._current().within(self._limit).limit
        self._limit = min(pixels, now or pixels) // 2

    def task(self) -> TileTask:
        """Return the task."""
        task = self._current().within(self._limit)
        if self._portable is None or self._portable.limit != task.limit:
            self._portable = task.portable()
        return self._portable


def run_in_worker(task: TileTask, tile: Tile, device: str, threads: int) -> TileResult:
    """Process one tile in this worker process, one at a time on a GPU."""
    own = resolve_device(device)
    if torch.device(own).type == "cpu":
        torch.set_num_threads(threads)
        retain_memory()
        return task(tile, own)
    with _GPU:
        return task(tile, own)


def _blocks(tile: Tile) -> Iterator[tuple[Any, ...]]:
    """Yield the index of each block of a tile into its values (T, C, Z, Y, X)."""
    for t in range(tile.t_slice.stop - tile.t_slice.start):
        if tile.z_slice is None:
            yield (t,)
        else:
            yield from ((t, slice(None), z) for z in range(tile.z_slice.stop - tile.z_slice.start))


def _pixels(box: Box) -> int:
    return int(np.prod([part.stop - part.start for part in box]))


def _divisible(tile: Tile) -> bool:
    longest: int = max(part.stop - part.start for part in tile.interior)
    return longest >= 2 * SMALLEST_INTERIOR


def _size(box: Box) -> str:
    return "x".join(str(part.stop - part.start) for part in box)
