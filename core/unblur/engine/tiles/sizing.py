"""Sizes of tiles: as large as memory allows, in whole chunks of the output."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import ceil, prod

from unblur.engine.tiles.footprint import Footprint
from unblur.engine.tiles.tiling import Tiling, balanced_size, largest_padded
from unblur.model.block_layout import Layout

LARGEST_TILES = (1024, 2048)
"""Largest edge of a tile at small halos and at others, in pixels; larger ones are no faster and
report progress less often."""

SMALL_HALO = 64
"""Largest halo at which the smaller of those edges is used, in pixels: each tile then reads up to
1.27 times the pixels that it writes, and with halos of up to 113 pixels 1.23 times."""

SMALLEST_TILE = 64
"""Smallest edge of a tile, in pixels; smaller ones are nearly all halo."""

LARGEST_GROUP = 10**8
"""Largest size of a tile that comprises all planes of a chunk of the output, in bytes."""


def largest_fit(
    footprint: Footprint,
    spatial: Sequence[int],
    halo: Sequence[int],
    budget: int,
    on_gpu: bool = False,
    chunk_shape: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """Return the tile that reads the fewest pixels of an image within `budget` bytes of memory.

    Candidates are the whole block or the largest useful edge, and fractions of that down to the
    smallest useful one, each in whole chunks of the output if `chunk_shape` is given. If none
    fits, the one that needs the least memory is returned.
    """
    chunks = [1] * len(spatial) if chunk_shape is None else chunk_shape
    largest = [*spatial[:-2], *[_largest_edge(halo)] * 2]
    sizes = set(product(*map(_candidate_edges, spatial, largest, chunks)))

    def need(size: tuple[int, ...]) -> int:
        return footprint.predict(largest_padded(size, halo, spatial), on_gpu, interior=size)

    def cost(size: tuple[int, ...]) -> tuple[int, ...]:
        return (pixels_read(size, halo, spatial), *(-s for s in sorted(size)), *size)

    for size in sorted(sizes, key=cost):
        if need(size) <= budget:
            return size
    return min(sizes, key=lambda size: (need(size), cost(size)))


def _candidate_edges(extent: int, largest: int, chunk: int) -> set[int]:
    """Return edges of tiles that divide an extent evenly, from the largest to the smallest.

    They are multiples of a chunk's edge, unless that is larger.
    """
    fractions = [largest * share // 4 >> halvings for halvings in range(6) for share in (4, 3)]
    limits = [max(fraction, SMALLEST_TILE) for fraction in fractions]
    return {balanced_size(extent, n, chunk if chunk <= n else 1) for n in limits}


def pixels_read(size: Sequence[int], halo: Sequence[int], spatial: Sequence[int]) -> int:
    """Return the pixels of a block that all its tiles read together, with their halos."""
    return prod(
        min(s + 2 * h, n) if s >= n else n + 2 * h * (ceil(n / s) - 1)
        for s, h, n in zip(size, halo, spatial, strict=True)
    )


def round_down_size(
    size: Sequence[int], spatial: Sequence[int], chunk_shape: Sequence[int]
) -> tuple[int, ...]:
    """Return extents of a tile rounded down to multiples of a chunk's.

    An extent that is the whole image's, or smaller than a chunk's, stays.
    """
    return tuple(
        s if s >= n or chunk > s else s // chunk * chunk
        for s, n, chunk in zip(size, spatial, chunk_shape, strict=True)
    )


def group_blocks(
    chunk_shape: Sequence[int], layout: Layout, size: Sequence[int], itemsize: int
) -> tuple[int, int]:
    """Return the number of times and planes in one tile: a chunk's, if memory allows."""
    group = (min(chunk_shape[0], layout.shape[0]), min(chunk_shape[2], layout.shape[2]))
    if layout.volumetric:
        group = (group[0], 1)
    group_bytes = prod(group) * prod(size) * layout.shape[1] * itemsize
    return group if group_bytes <= LARGEST_GROUP else (1, 1)


def fills_chunks(tiling: Tiling, chunk_shape: Sequence[int]) -> bool:
    """Return whether every tile fills whole chunks, so that processes may write side by side."""
    depth = tiling.size[0] if tiling.layout.volumetric else tiling.tz_group[1]
    size = (tiling.tz_group[0], tiling.layout.shape[1], depth, *tiling.size[-2:])
    return all(
        s % c == 0 or s >= n for s, c, n in zip(size, chunk_shape, tiling.layout.shape, strict=True)
    )


def _largest_edge(halo: Sequence[int]) -> int:
    return LARGEST_TILES[0 if max(halo) <= SMALL_HALO else 1]
