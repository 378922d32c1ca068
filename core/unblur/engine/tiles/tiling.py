"""Division of an image into tiles, and windows spread over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, prod

import numpy as np

from unblur.engine.intake.image_statistics import Block, mean_gradient_energy
from unblur.model.block_layout import Layout

Box = tuple[slice, ...]

MOST_WINDOWS = 64
"""Largest number of windows that are inspected where more do not change the choice,
dimensionless."""

WHOLE_PIXELS = 4_000_000
"""Largest number of pixels of a block that is inspected whole, dimensionless."""


@dataclass(frozen=True)
class Tile:
    """One tile of a block, or of several blocks at once, in pixels of the image.

    Attributes
    ----------
    number : int
        Its position in the order of processing.
    t_slice : slice
        Indices along T.
    z_slice : slice or None
        Indices along Z of its planes; `None` for tiles of a volume.
    interior : tuple of slice
        The region that is written, along a block's spatial axes.
    padded : tuple of slice
        The region that is read: the interior with its halo, clipped to the image.
    """

    number: int
    t_slice: slice
    z_slice: slice | None
    interior: Box
    padded: Box

    @property
    def crop(self) -> Box:
        """The interior within the padded region."""
        return tuple(
            slice(i.start - p.start, i.stop - p.start)
            for i, p in zip(self.interior, self.padded, strict=True)
        )

    def cut_axes(self, halo: Sequence[int]) -> tuple[bool, ...]:
        """Return for each spatial axis whether the whole halo is read on both sides."""
        return tuple(
            i.start - p.start >= h and p.stop - i.stop >= h and h > 0
            for i, p, h in zip(self.interior, self.padded, halo, strict=True)
        )

    def spanned_axes(self, spatial: Sequence[int]) -> tuple[bool, ...]:
        """Return for each spatial axis whether all of the image, of extent `spatial`, is read."""
        return tuple(p.stop - p.start == n for p, n in zip(self.padded, spatial, strict=True))

    def region(self, box: Box) -> Box:
        """Return `box` as a region of the TCZYX view, all channels included."""
        planes = () if self.z_slice is None else (self.z_slice,)
        return (self.t_slice, slice(None), *planes, *box)

    def __str__(self) -> str:
        parts = [
            f"{name} {_span(span)}"
            for name, span in (("time", self.t_slice), ("plane", self.z_slice))
            if span is not None and span != slice(0, 1)
        ]
        return "tile " + ", ".join([*parts, f"[{', '.join(map(_span, self.interior))}]"])


Read = Callable[[Tile], Block]
"""Reads a window: values (C, *spatial), white = 1, and the mask of valid pixels."""


def largest_padded(
    size: Sequence[int], halo: Sequence[int], spatial: Sequence[int]
) -> tuple[int, ...]:
    """Return the largest extent of a tile with its halo along each spatial axis of a block.

    The first and the last tile have a halo on one side, and there may be no others.
    """
    return tuple(
        min(s + min(ceil(n / s) - 1, 2) * h, n) for s, h, n in zip(size, halo, spatial, strict=True)
    )


@dataclass(frozen=True)
class Tiling:
    """All tiles of an image. Nothing is listed: a tile is computed from its number.

    Parameters
    ----------
    layout : Layout
        The blocks that are divided.
    size : tuple of int
        Extent of an interior along each spatial axis of a block; the last ones may be smaller.
    halo : tuple of int
        Pixels around an interior, as `depth` in dask.
    tz_group : (int, int)
        Number of indices along T, and along Z of planes, in one tile, so that it fills whole
        chunks of the output.
    """

    layout: Layout
    size: tuple[int, ...]
    halo: tuple[int, ...]
    tz_group: tuple[int, int] = (1, 1)

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of tiles along each spatial axis of a block."""
        return self._shape[2:]

    @cached_property
    def _shape(self) -> tuple[int, ...]:
        """Number of tiles along T, along Z of planes, and along each spatial axis of a block."""
        extents = (self.layout.shape[0], self._depths, *self.layout.spatial)
        sizes = (*self.tz_group, *self.size)
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
        t_slice = _part(corner[0], self.tz_group[0], self.layout.shape[0])
        z_slice = _part(corner[1], self.tz_group[1], self._depths)
        spans = list(zip(corner[2:], self.size, self.halo, self.layout.spatial, strict=True))
        interior = tuple(_part(index, size, extent) for index, size, _, extent in spans)
        padded = tuple(
            slice(max(part.start - halo, 0), min(part.stop + halo, extent))
            for part, (_, _, halo, extent) in zip(interior, spans, strict=True)
        )
        return Tile(number, t_slice, None if self.layout.volumetric else z_slice, interior, padded)

    def __iter__(self) -> Iterator[Tile]:
        return (self[number] for number in range(len(self)))

    @property
    def padded_size(self) -> tuple[int, ...]:
        """Largest extent of a padded tile along each spatial axis."""
        return largest_padded(self.size, self.halo, self.layout.spatial)

    @property
    def halo_redundancy(self) -> float:
        """Pixels read per pixel written, for a tile inside the image."""
        return prod(self.padded_size) / prod(
            min(s, n) for s, n in zip(self.size, self.layout.spatial, strict=True)
        )


def split_tile(tile: Tile, halo: Sequence[int], extent: Sequence[int]) -> list[Tile]:
    """Return the two halves of a tile along the longest axis of its interior."""
    lengths = [part.stop - part.start for part in tile.interior]
    axis = lengths.index(max(lengths))
    middle = tile.interior[axis].start + lengths[axis] // 2
    halves = []
    for start, stop in ((tile.interior[axis].start, middle), (middle, tile.interior[axis].stop)):
        interior, padded = list(tile.interior), list(tile.padded)
        interior[axis] = slice(start, stop)
        padded[axis] = slice(max(start - halo[axis], 0), min(stop + halo[axis], extent[axis]))
        halves.append(replace(tile, interior=tuple(interior), padded=tuple(padded)))
    return halves


def balanced_size(extent: int, largest: int, multiple: int = 1) -> int:
    """Return the size of the fewest tiles of at most `largest` pixels that divide an extent evenly.

    It is a multiple of `multiple` unless one tile covers the extent.
    """
    if extent <= largest:
        return extent
    largest = max(largest // multiple * multiple, multiple)
    count = ceil(extent / largest)
    return ceil(ceil(extent / count) / multiple) * multiple


def spread_windows(layout: Layout, edge: int, limit: int = MOST_WINDOWS) -> list[Tile]:
    """Return at most `limit` windows of about `edge` pixels, spread evenly over all blocks.

    The windows of a small image cover it; the same windows are returned on every call.
    """
    size = tuple(-(-extent // max(extent // edge, 1)) for extent in layout.spatial)
    if layout.volumetric:
        size = (layout.spatial[0], *size[1:])
    tiling = Tiling(layout, size, (0,) * len(size))
    chosen = np.unique(np.linspace(0, len(tiling) - 1, min(len(tiling), limit)).round())
    return [tiling[int(number)] for number in chosen]


def blocks_or_windows(layout: Layout, edge: int, limit: int) -> list[Tile]:
    """Return all blocks whole if they are small, else windows of about `edge` pixels."""
    if prod(layout.spatial) <= WHOLE_PIXELS and layout.count <= limit:
        return list(Tiling(layout, layout.spatial, (0,) * len(layout.spatial)))
    return spread_windows(layout, edge, limit)


def most_textured_windows(layout: Layout, edge: int, read: Read, count: int) -> list[Tile]:
    """Return the `count` windows with the most gradient energy, in descending order.

    Candidates are spread over the image, so that the choice does not read all of it.
    """
    scored = []
    for window in spread_windows(layout, edge):
        energy = mean_gradient_energy(*read(window))
        if energy > 0:
            scored.append((energy, window.number, window))
    scored.sort(key=lambda entry: (-entry[0], entry[1]))
    return [window for _, _, window in scored[:count]]


def _part(index: int, size: int, extent: int) -> slice:
    return slice(index * size, min((index + 1) * size, extent))


def _span(part: slice) -> str:
    return f"{part.start}:{part.stop}"
