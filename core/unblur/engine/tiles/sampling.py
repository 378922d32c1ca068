"""Windows spread over an image, by which the whole of it is judged."""

from __future__ import annotations

from math import prod

import numpy as np

from unblur.engine.intake.layout import Layout
from unblur.engine.tiles.tiling import Tile, Tiling

MANY = 64
"""How many windows are looked at where more would not change the answer."""

ONE_PIECE = 4_000_000
"""Pixels up to which a block is one window."""


def windows(layout: Layout, edge: int, limit: int = MANY) -> list[Tile]:
    """Return at most `limit` windows of about `edge` pixels, spread evenly over all blocks.

    The windows of a small image cover it; the same windows are returned on every call.
    """
    size = tuple(_even(extent, edge) for extent in layout.spatial)
    if layout.volumetric:
        size = (layout.spatial[0], *size[1:])
    tiling = Tiling(layout, size, (0,) * len(size))
    chosen = np.unique(np.linspace(0, len(tiling) - 1, min(len(tiling), limit)).round())
    return [tiling[int(number)] for number in chosen]


def pieces(layout: Layout, edge: int, limit: int) -> list[Tile]:
    """Return windows as above, but each block whole if all blocks together are small."""
    if prod(layout.spatial) <= ONE_PIECE and layout.count <= limit:
        return list(Tiling(layout, layout.spatial, (0,) * len(layout.spatial)))
    return windows(layout, edge, limit)


def _even(extent: int, edge: int) -> int:
    return -(-extent // max(extent // edge, 1))
