"""Where the tiles of an image lie: what each one yields and what it has to see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, prod

from unblur.engine.intake.layout import Layout

Box = tuple[slice, ...]


@dataclass(frozen=True)
class Tile:
    """One tile of a block, or of several blocks at once, in pixels of the image.

    Attributes
    ----------
    number : int
        Its place in the order of work.
    times : slice
        Indices along T.
    depths : slice or None
        Indices along Z of its planes; `None` for tiles of a volume.
    core : tuple of slice
        The region that it yields, along a block's spatial axes.
    outer : tuple of slice
        The region that it sees: the core with its halo, as far as the image goes.
    """

    number: int
    times: slice
    depths: slice | None
    core: Box
    outer: Box

    @property
    def inner(self) -> Box:
        """Where the core lies within what the tile sees."""
        return tuple(
            slice(c.start - o.start, c.stop - o.start)
            for c, o in zip(self.core, self.outer, strict=True)
        )

    def region(self, box: Box) -> Box:
        """Return `box` as a region of the TCZYX view, all channels included."""
        planes = () if self.depths is None else (self.depths,)
        return (self.times, slice(None), *planes, *box)

    def __str__(self) -> str:
        parts = [
            f"{name} {_span(span)}"
            for name, span in (("time", self.times), ("plane", self.depths))
            if span is not None and span != slice(0, 1)
        ]
        return "tile " + ", ".join([*parts, f"[{', '.join(map(_span, self.core))}]"])


@dataclass(frozen=True)
class Tiling:
    """All tiles of an image. Nothing is listed: a tile is computed from its number.

    Parameters
    ----------
    layout : Layout
        The blocks that are cut.
    size : tuple of int
        Extent of a core along each spatial axis of a block; the last ones may be smaller.
    halo : tuple of int
        Pixels to see on each side of a core.
    together : (int, int)
        Indices along T, and along Z of planes, that one tile comprises, so that it fills whole
        chunks of the output.
    """

    layout: Layout
    size: tuple[int, ...]
    halo: tuple[int, ...]
    together: tuple[int, int] = (1, 1)

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of tiles along each spatial axis of a block."""
        return self._shape[2:]

    @cached_property
    def _shape(self) -> tuple[int, ...]:
        """Number of tiles along T, along Z of planes, and along each spatial axis of a block."""
        extents = (self.layout.shape[0], self._depths, *self.layout.spatial)
        sizes = (*self.together, *self.size)
        return tuple(ceil(n / s) for n, s in zip(extents, sizes, strict=True))

    @property
    def _depths(self) -> int:
        return 1 if self.layout.volumetric else self.layout.shape[2]

    def __len__(self) -> int:
        return prod(self._shape)

    def __getitem__(self, number: int) -> Tile:
        if not 0 <= number < len(self):
            raise IndexError(f"tile {number} of {len(self)}")
        place, corner = number, []
        for count in reversed(self._shape):
            place, index = divmod(place, count)
            corner.append(index)
        corner.reverse()
        times = _part(corner[0], self.together[0], self.layout.shape[0])
        depths = _part(corner[1], self.together[1], self._depths)
        spans = list(zip(corner[2:], self.size, self.halo, self.layout.spatial, strict=True))
        core = tuple(_part(index, size, extent) for index, size, _, extent in spans)
        outer = tuple(
            slice(max(part.start - halo, 0), min(part.stop + halo, extent))
            for part, (_, _, halo, extent) in zip(core, spans, strict=True)
        )
        return Tile(number, times, None if self.layout.volumetric else depths, core, outer)

    def __iter__(self) -> Iterator[Tile]:
        return (self[number] for number in range(len(self)))

    @property
    def seen(self) -> tuple[int, ...]:
        """Largest extent that a tile sees along each spatial axis."""
        return tuple(
            min(s + 2 * h, n)
            for s, h, n in zip(self.size, self.halo, self.layout.spatial, strict=True)
        )

    @property
    def overhead(self) -> float:
        """Pixels seen per pixel yielded, for a tile inside the image."""
        return prod(self.seen) / prod(
            min(s, n) for s, n in zip(self.size, self.layout.spatial, strict=True)
        )


def halves(tile: Tile, halo: Sequence[int], extent: Sequence[int]) -> list[Tile]:
    """Return the two tiles that a tile falls into along the longest axis of its core."""
    lengths = [c.stop - c.start for c in tile.core]
    axis = lengths.index(max(lengths))
    middle = tile.core[axis].start + lengths[axis] // 2
    pieces = []
    for start, stop in ((tile.core[axis].start, middle), (middle, tile.core[axis].stop)):
        core, outer = list(tile.core), list(tile.outer)
        core[axis] = slice(start, stop)
        outer[axis] = slice(max(start - halo[axis], 0), min(stop + halo[axis], extent[axis]))
        pieces.append(replace(tile, core=tuple(core), outer=tuple(outer)))
    return pieces


def even_size(extent: int, largest: int, grain: int = 1) -> int:
    """Return the size of the fewest tiles of at most `largest` pixels that divide an extent evenly.

    It is a multiple of `grain` unless one tile covers the extent.
    """
    if extent <= largest:
        return extent
    largest = max(largest // grain * grain, grain)
    count = ceil(extent / largest)
    return ceil(ceil(extent / count) / grain) * grain


def _part(index: int, size: int, extent: int) -> slice:
    return slice(index * size, min((index + 1) * size, extent))


def _span(part: slice) -> str:
    return f"{part.start}:{part.stop}"
