"""One tile from input to output: read, deblurred, written; in whatever thread or process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unblur.engine.steps.block import Recipe
from unblur.engine.tiles.memory import is_out_of_memory, release
from unblur.engine.tiles.reader import Source, meets
from unblur.engine.tiles.tiling import Box, Tile, Tiling, halves
from unblur.errors import UnblurError

Array = NDArray[Any]

SMALLEST_CORE = 32
"""Edge in pixels of the tile that is not halved any more."""


class Target(Protocol):
    """What takes the regions of a result: a `RegionWriter`, or an array in memory."""

    def write(self, region: Box, values: Array) -> None:
        """Store `values` at `region`."""


@dataclass(eq=False)
class InMemory:
    """An array as a target."""

    values: Array

    def write(self, region: Box, values: Array) -> None:
        """Store `values` at `region`."""
        self.values[region] = values


class Returned:
    """A target that leaves the writing to the process which hands out the work."""

    def write(self, region: Box, values: Array) -> None:
        """Do nothing: the regions travel with `Done`."""


@dataclass
class Done:
    """What is to be said of a finished tile.

    Attributes
    ----------
    number : int
        The tile.
    seconds : list of float
        Time spent in each step.
    warnings : list of str
        What the steps said.
    nonfinite : int
        Values that were not finite or could not be read.
    unread : list of str
        Pieces of the input that could not be read, each with its cause.
    limit : int or None
        Pixels of the core that memory sufficed for, where a larger one ran out of it.
    returned : list of (region, values)
        What is still to be written, if the target was `Returned`.
    """

    number: int
    seconds: list[float] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    nonfinite: int = 0
    unread: list[str] = field(default_factory=list)
    limit: int | None = None
    returned: list[tuple[Box, Array]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Work:
    """What is done to each tile; can be pickled if its target can.

    Parameters
    ----------
    source : Source
        The image.
    recipe : Recipe
        With kernels and levels.
    tiling : Tiling
        The tiles.
    target : Target
        Takes the result's regions, with the image's own axes.
    limit : int, optional
        Pixels of the largest core that fits into memory, once one did not.
    """

    source: Source
    recipe: Recipe
    tiling: Tiling
    target: Target
    limit: int | None = None

    def __call__(self, tile: Tile, device: str | None = None) -> Done:
        """Read, deblur and write a tile, on another device than the recipe's if told so."""
        recipe = self.recipe if device is None else self.recipe.on(device)
        done = Done(tile.number, [0.0] * len(recipe.stages), limit=self.limit)
        pieces = [tile]
        while pieces:
            piece = pieces.pop()
            pixels = _pixels(piece.core)
            if done.limit is not None and pixels > done.limit and _divisible(piece):
                pieces += self._halves(piece)
                continue
            try:
                self._run(piece, recipe, done)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if not _divisible(piece):
                    raise UnblurError(
                        f"{tile}: memory runs out even on a tile of {_size(piece.core)} pixels; "
                        "free some, use fewer workers, another device or a smaller kernel."
                    ) from error
                done.limit = -(-pixels // 2)
                pieces.append(piece)
                release(recipe.context.device)
                done.warnings.append(
                    f"memory ran out on a tile of {_size(piece.core)} pixels; it was halved."
                )
        return done

    def _run(self, tile: Tile, recipe: Recipe, done: Done) -> None:
        reading = self.source.read(tile.region(tile.outer))
        core = self.source.bounds(tile.region(tile.core))
        values = np.empty([part.stop - part.start for part in core], reading.values.dtype)
        origin = (tile.outer[-2].start, tile.outer[-1].start)
        for index in _blocks(tile):
            gaps = None if reading.absent is None else reading.absent[(index[0], *index[2:])]
            made = recipe.run(reading.values[index], tile.inner, origin, gaps)
            values[index] = made.values
            done.nonfinite += made.nonfinite
            done.warnings += made.chain.warnings
            for step, seconds in enumerate(made.chain.seconds):
                done.seconds[step] += seconds
        for piece, cause in reading.unread:
            if meets(piece, core):
                done.unread.append(f"input {self.source.name(piece)}: {cause}")
        self._deliver(core, values, done)

    def _deliver(self, core: Box, values: Array, done: Done) -> None:
        """Hand values (T, C, Z, Y, X) to the target, along the image's own axes."""
        place = self.source.own(core)
        own = values.reshape([part.stop - part.start for part in place])
        if isinstance(self.target, Returned):
            done.returned.append((place, own))
        else:
            self.target.write(place, own)

    def _halves(self, tile: Tile) -> list[Tile]:
        return halves(tile, self.tiling.halo, self.tiling.layout.spatial)

    def portable(self) -> Work:
        """Return the work without callbacks, for another process."""
        return replace(self, recipe=self.recipe.portable())

    def within(self, limit: int | None) -> Work:
        """Return the work for tiles of at most `limit` pixels."""
        if limit is None or (self.limit is not None and self.limit <= limit):
            return self
        return replace(self, limit=limit)


def _blocks(tile: Tile) -> Iterator[tuple[Any, ...]]:
    """Yield the index of each block of a tile into its values (T, C, Z, Y, X)."""
    for t in range(tile.times.stop - tile.times.start):
        if tile.depths is None:
            yield (t,)
        else:
            yield from ((t, slice(None), z) for z in range(tile.depths.stop - tile.depths.start))


def _pixels(core: Box) -> int:
    return int(np.prod([part.stop - part.start for part in core]))


def _divisible(tile: Tile) -> bool:
    longest: int = max(part.stop - part.start for part in tile.core)
    return longest >= 2 * SMALLEST_CORE


def _size(core: Box) -> str:
    return "x".join(str(part.stop - part.start) for part in core)
