"""A dask array in, a dask array out: nothing is deblurred until it is asked for."""

from __future__ import annotations

from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.engine.steps.block import Recipe
from unblur.engine.tiles.tiling import Tiling


def deblurred_lazily(source: Any, recipe: Recipe, tiling: Tiling) -> Any:
    """Return the deblurred image as a dask array of the tiling's chunks.

    Parameters
    ----------
    source : dask array
        The image as TCZYX.
    recipe : Recipe
        With kernels and levels.
    tiling : Tiling
        Tiles; their cores become the chunks. One that is smaller than the halo is enlarged to
        it, since a tile sees its direct neighbours only.
    """
    import dask.array as da

    recipe = recipe.portable()
    spatial = len(tiling.size)
    chunks: dict[int, Any] = {0: 1, 1: -1}
    if spatial == 2:
        chunks[2] = 1
    depth = dict.fromkeys(range(5), 0)
    for axis, (size, halo, extent) in enumerate(
        zip(tiling.size, tiling.halo, tiling.layout.spatial, strict=True), start=5 - spatial
    ):
        chunks[axis] = _even_chunks(extent, size, halo)
        depth[axis] = halo if len(chunks[axis]) > 1 else 0
    tiles = source.rechunk(chunks)
    map_overlap: Any = da.map_overlap
    return map_overlap(
        _deblur_chunk,
        tiles,
        depth=depth,
        boundary="none",  # at the image's border the stages themselves know of no more scene
        trim=True,
        allow_rechunk=False,
        meta=np.empty((0,) * 5, source.dtype),
        recipe=recipe,
        starts=_starts(tiles.chunks, depth),
        planes=spatial == 2,
    )


def _deblur_chunk(
    block: NDArray[Any],
    recipe: Recipe,
    starts: tuple[tuple[int, ...], ...],
    planes: bool,
    block_info: Any = None,
) -> NDArray[Any]:
    """Deblur one chunk with its overlap; `block_info` is given by dask."""
    origin = (0, 0)
    if block_info:
        row, column = block_info[0]["chunk-location"][-2:]
        origin = (starts[0][row], starts[1][column])
    made = recipe.run(block[0, :, 0] if planes else block[0], origin=origin)
    return made.values[None, :, None] if planes else made.values[None]


def _starts(
    chunks: tuple[tuple[int, ...], ...], depth: dict[int, int]
) -> tuple[tuple[int, ...], ...]:
    """Return the first row (column) that each chunk with its overlap sees."""
    found = []
    for axis in (3, 4):
        edges = np.concatenate([[0], np.cumsum(chunks[axis])[:-1]])
        found.append(tuple(int(max(e - depth[axis], 0)) for e in edges))
    return tuple(found)


def _even_chunks(extent: int, size: int, halo: int) -> tuple[int, ...]:
    """Return chunks of nearly one length of at most `size`, but none smaller than the halo."""
    count = max(min(ceil(extent / size), extent // max(halo, 1)), 1)
    edges = [extent * n // count for n in range(count + 1)]
    return tuple(b - a for a, b in pairwise(edges))
