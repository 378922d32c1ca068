"""A kernel for every part of an image whose blur varies from place to place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from unblur.engine.intake.layout import Layout
from unblur.engine.kernels.estimate import Read, information, region_edge
from unblur.engine.steps.sequence import run_until_kernel
from unblur.engine.tiles.tiling import Tile, Tiling
from unblur.errors import ImageError
from unblur.model.context import Context
from unblur.model.kernel import Kernel, KernelField
from unblur.model.stages import Stage
from unblur.numerics.camera import (
    CameraBasis,
    PoseGrid,
    camera_field,
    project_kernels,
    zero_mean_rotation,
)
from unblur.numerics.kernel_ops import (
    Float,
    largest_shape,
    max_cross_correlation,
    pad_to,
    recentre,
)

Place = tuple[int, int]
Grid = dict[Place, Float]
Motion = Literal["free", "camera"]

LEAST_AGREEMENT = 0.8
"""Agreement of a kernel with its neighbours, relative to the grid's median, to be kept."""

MOST_CELLS = 16
"""Cells along an axis, at most: a blur that varies faster is not seen across a large image."""

LEAST_TEXTURE = 0.05
"""Gradient energy, relative to the median cell, below which a cell is not estimated on."""


@dataclass(frozen=True)
class Cells:
    """The grid on which kernels are estimated.

    Attributes
    ----------
    tiles : dict of (row, column) to Tile
        The window of each cell.
    rows, columns : tuple of float
        Centres of the windows in image pixels.
    """

    tiles: dict[Place, Tile]
    rows: tuple[float, ...]
    columns: tuple[float, ...]


def local_kernels(
    layout: Layout,
    stages: Sequence[Stage],
    read: Read,
    context: Context,
    edge: int | None = None,
    motion: Motion = "free",
) -> tuple[KernelField, str]:
    """Estimate a kernel for each cell of a grid over the image.

    Cells are of about `edge` pixels (by default as large as the kernel step needs) and the
    kernel of each is estimated by itself, in the plane in the middle of a stack. The
    kernels are then made to fit each other: blind estimates are fixed up to a shift only, so
    each is moved to have its centre of mass at its centre, which keeps neighbouring parts of the
    sharp image in place. A kernel that does not agree with those around it is an outlier (see
    `consistent`). Its cell, as one without texture, takes the mean of the kernels nearest to it.

    With `motion` "camera" the kernels that are left are replaced by the ones nearest to them that
    a shaking camera can make (see `camera_kernels`), for the whole image.

    Raises
    ------
    ImageError
        If no cell has any texture.
    """
    grid = cells(layout, edge or region_edge(stages))
    found: Grid = {}
    texture = {
        place: information(*read(tile), layout.volumetric) for place, tile in grid.tiles.items()
    }
    threshold = LEAST_TEXTURE * float(np.median(list(texture.values())))
    telling = [place for place, energy in texture.items() if energy > threshold]
    for place in context.track(telling, "kernels"):
        seen, mask = read(grid.tiles[place])
        chain = run_until_kernel(seen, stages, context.silent(), mask)
        if chain.kernel is not None:
            found[place] = chain.kernel.weights.astype(np.float64)
    if not found:
        raise ImageError(
            "no part of the image has any texture, so there is no blur to be found; give the "
            "kernels (psf=... or --psf FILE)."
        )
    rows, columns = len(grid.rows), len(grid.columns)
    kept = consistent(_centred(found))
    where = (
        f"{rows}x{columns} cells, {len(found) - len(kept)} of them rejected as outliers, "
        f"{rows * columns - len(found)} without texture"
    )
    if motion == "camera":
        field, turn = camera_kernels(kept, grid, layout.spatial[-2:])
        return field, f"{where}; as a camera that turns by {turn:.1f} degrees makes them"
    complete = _completed(kept, rows, columns)
    field = KernelField(
        tuple(tuple(_kernel(complete[i, j]) for j in range(columns)) for i in range(rows)),
        grid.rows,
        grid.columns,
    )
    return field, where


def camera_kernels(kernels: Grid, grid: Cells, shape: Sequence[int]) -> tuple[KernelField, float]:
    """Return the field of the camera's motion that fits local kernels best, and how far it turns.

    Parameters
    ----------
    kernels : dict of (row, column) to array
        Of one shape, their centres of mass in the middle; not every cell needs to have one.
    grid : Cells
        Where they are.
    shape : (rows, columns)
        Of the image.

    Returns
    -------
    field : KernelField
        On a grid of its own.
    turn : float
        Degrees between the first and the last angle.

    References
    ----------
    C. J. Schuler et al., "Learning to deblur", IEEE TPAMI 38(7), 2016, section 6.3, Eq. 9.
    """
    size = max(largest_shape(weights.shape for weights in kernels.values()))
    local = torch.stack([pad_to(torch.from_numpy(w), (size, size)) for w in kernels.values()])
    poses = PoseGrid.over(shape, size)
    places = [(grid.rows[i], grid.columns[j]) for i, j in kernels]
    weights = project_kernels(local, CameraBasis.at(poses, places, local))
    lit = np.flatnonzero(weights.sum((1, 2)).numpy() > 0)
    turn = np.rad2deg(poses.angles[lit[-1]] - poses.angles[lit[0]])
    return camera_field(*zero_mean_rotation(poses, weights)), float(turn)


def cells(layout: Layout, edge: int) -> Cells:
    """Return the grid of cells over a block: at least `edge` pixels wide, at most 16 each way.

    A cell that is larger is represented by a window of `edge` pixels in its middle.
    """
    rows, columns = (_windows(extent, edge) for extent in layout.spatial[-2:])
    depth = tuple(slice(0, n) for n in layout.spatial[:-2])
    middle = Tiling(layout, layout.spatial, (0,) * len(layout.spatial))[layout.count // 2]
    boxes = {
        (i, j): (*depth, row, column)
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
    }
    tiles = {place: replace(middle, core=box, outer=box) for place, box in boxes.items()}
    return Cells(tiles, tuple(map(_middle, rows)), tuple(map(_middle, columns)))


def _windows(extent: int, edge: int) -> list[slice]:
    count = min(max(extent // edge, 1), MOST_CELLS)
    width = extent / count
    half = min(width, max(edge, width / 2)) / 2
    middles = [(i + 0.5) * width for i in range(count)]
    return [slice(round(m - half), round(m + half)) for m in middles]


def _middle(span: slice) -> float:
    return float(span.start + span.stop - 1) / 2


def consistent(kernels: Grid) -> Grid:
    """Return the kernels that agree with those around them.

    The agreement of a kernel is the median of its correlations, over shifts, with its neighbours.
    The least agreeing one is dropped as long as it falls short of `LEAST_AGREEMENT` of the grid's
    median, and the others are judged anew without it: a bad neighbour is no reason to go.
    """
    scores = {
        place: {
            other: max_cross_correlation(weights, kernels[other])[0]
            for other in _around(place, kernels)
        }
        for place, weights in kernels.items()
    }
    kept = dict(kernels)
    while True:
        agreements = {place: _agreement(scores[place], kept) for place in kept}
        worst = min(agreements, key=agreements.__getitem__)
        if agreements[worst] >= LEAST_AGREEMENT * float(np.median(list(agreements.values()))):
            return kept
        del kept[worst]


def _agreement(scores: dict[Place, float], kept: Grid) -> float:
    """Return the median agreement with the neighbours that are left; 1 where there is none."""
    left = [score for place, score in scores.items() if place in kept]
    return float(np.median(left)) if left else 1.0


def _around(place: Place, kernels: Grid) -> list[Place]:
    row, column = place
    near = [(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
    return [other for other in near if other in kernels]


def _centred(kernels: Grid) -> Grid:
    """Return kernels of one shape, each with its centre of mass at its centre."""
    shape = largest_shape(weights.shape for weights in kernels.values())
    padded = {place: pad_to(torch.from_numpy(w), shape) for place, w in kernels.items()}
    return {place: recentre(k, by="subpixel-mass").numpy() for place, k in padded.items()}


def _kernel(weights: Float) -> Kernel:
    return Kernel(weights.astype(np.float32))


def _completed(kernels: Grid, rows: int, columns: int) -> Grid:
    """Return kernels for the whole grid; gaps take the mean of the kernels nearest to them."""
    complete = {}
    for i in range(rows):
        for j in range(columns):
            if (i, j) in kernels:
                complete[i, j] = kernels[i, j]
                continue
            weight = {p: ((p[0] - i) ** 2 + (p[1] - j) ** 2) ** -2.0 for p in kernels}
            total = sum(weight.values())
            mean = np.sum([w / total * kernels[p] for p, w in weight.items()], axis=0)
            complete[i, j] = mean
    return complete
