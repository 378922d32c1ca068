"""A kernel for every part of an image whose blur varies over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from unblur.engine.intake.image_statistics import mean_gradient_energy
from unblur.engine.steps.sequence import run_until_kernel
from unblur.engine.tiles.tiling import Read, Tile, Tiling
from unblur.errors import ImageError
from unblur.model.block_layout import Layout
from unblur.model.choices import Choices, merge_choices
from unblur.model.confidence import mean_confidence
from unblur.model.context import Context
from unblur.model.kernel import Kernel, KernelField
from unblur.model.stages import Estimate, KernelEstimator, Stage
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
from unblur.plugins.returned import prepare_for_windows

Cell = tuple[int, int]
Grid = dict[Cell, Float]
Motion = Literal["free", "camera"]

KERNEL_SIZES = 8
"""Smallest edge of a window that a kernel is estimated on, in kernel sizes."""

LEAST_CORRELATION = 0.8
"""Smallest correlation of a kernel with its neighbours at which it is kept, relative to the
grid's median, dimensionless."""

MOST_WINDOWS = 16
"""Largest number of windows along an axis, dimensionless. Blur that varies faster does not occur
across a large image."""

LEAST_TEXTURE = 0.05
"""Smallest gradient energy of a window that a kernel is estimated on, relative to the median of
all windows, dimensionless."""


@dataclass(frozen=True)
class WindowGrid:
    """The grid of windows on which kernels are estimated.

    Attributes
    ----------
    tiles : dict of (row, column) to Tile
        The window of each cell of the grid.
    rows, columns : tuple of float
        Centres of the windows in image pixels.
    """

    tiles: dict[Cell, Tile]
    rows: tuple[float, ...]
    columns: tuple[float, ...]


def window_edge(stages: Sequence[Stage]) -> int:
    """Return the edge in pixels of the windows that the kernel step of `stages` runs on."""
    estimator = next(stage for stage in stages if isinstance(stage, KernelEstimator))
    size = getattr(estimator.params, "size", 0)
    least = KERNEL_SIZES * size if isinstance(size, int) else 0
    return max(estimator.region, least)


def local_kernels(
    layout: Layout,
    stages: Sequence[Stage],
    read: Read,
    context: Context,
    edge: int | None = None,
    motion: Motion = "free",
    on_seconds: Callable[[Sequence[float]], None] = lambda _: None,
) -> tuple[Estimate, str]:
    """Estimate a kernel for each window of a grid over the image.

    Windows are of about `edge` pixels (by default as large as the kernel step needs) and the
    kernel of each is estimated separately, in the plane in the middle of a stack. The kernels
    are then aligned: blind estimates are fixed up to a shift only, so each is moved to have its
    centre of mass at its centre, which keeps neighbouring parts of the sharp image in place. A
    kernel that does not correlate with those around it is an outlier (see `reject_outliers`).
    Its cell, and one without texture, takes the mean of the nearest kernels.

    `on_seconds` receives the time spent in each step on each window.

    With `motion` "camera" the remaining kernels are replaced by the nearest ones that camera
    shake can cause (see `camera_kernels`), for the whole image.

    Returns
    -------
    estimate : Estimate
        The kernels, with the mean confidence of those that were not rejected, as far as they
        have one.
    region : str
        Description of how many windows were used, for the report.

    Raises
    ------
    ImageError
        If no window has any texture.
    """
    grid = window_grid(layout, edge or window_edge(stages))
    found: Grid = {}
    confidences: dict[Cell, float | None] = {}
    choices: dict[Cell, Choices] = {}
    texture = {cell: mean_gradient_energy(*read(tile)) for cell, tile in grid.tiles.items()}
    threshold = LEAST_TEXTURE * float(np.median(list(texture.values())))
    textured = [cell for cell, energy in texture.items() if energy > threshold]
    silent = context.silent()
    stages = prepare_for_windows(stages)
    for cell in context.track(textured, "kernels"):
        blurred, mask = read(grid.tiles[cell])
        result = run_until_kernel(blurred, stages, silent, mask)
        on_seconds(result.seconds)
        if result.estimate is not None:
            found[cell] = result.estimate.kernel.weights.astype(np.float64)
            confidences[cell] = result.estimate.confidence
            choices[cell] = result.estimate.choices
    if not found:
        raise ImageError(
            "no part of the image has any texture, so its blur cannot be estimated; give the "
            "kernels (psf=... or --psf FILE)."
        )
    rows, columns = len(grid.rows), len(grid.columns)
    kept = reject_outliers(_aligned(found))
    region = (
        f"{rows}x{columns} windows, {len(found) - len(kept)} of them rejected as outliers, "
        f"{rows * columns - len(found)} without texture"
    )
    confidence = mean_confidence(c for c in map(confidences.get, kept) if c is not None)
    chosen = merge_choices(choices[cell] for cell in kept)
    if motion == "camera":
        field, rotation = camera_kernels(kept, grid, layout.spatial[-2:])
        region += f"; as caused by a camera that rotates by {rotation:.1f} degrees"
        return Estimate(field, confidence=confidence, choices=chosen), region
    complete = _fill_gaps(kept, rows, columns)
    field = KernelField(
        tuple(tuple(_kernel(complete[i, j]) for j in range(columns)) for i in range(rows)),
        grid.rows,
        grid.columns,
    )
    return Estimate(field, confidence=confidence, choices=chosen), region


def camera_kernels(
    kernels: Grid, grid: WindowGrid, shape: Sequence[int]
) -> tuple[KernelField, float]:
    """Return the field of the camera motion that fits local kernels best, and its rotation range.

    Parameters
    ----------
    kernels : dict of (row, column) to array
        Kernels of one shape, their centres of mass in the middle; cells may be missing.
    grid : WindowGrid
        Their positions.
    shape : (rows, columns)
        Shape of the image.

    Returns
    -------
    field : KernelField
        The kernels, on a grid of their own.
    rotation : float
        Difference of the largest and the smallest angle, in degrees.

    References
    ----------
    C. J. Schuler et al., "Learning to deblur", IEEE TPAMI 38(7), 2016, section 6.3, Eq. 9.
    """
    size = max(largest_shape(weights.shape for weights in kernels.values()))
    local = torch.stack([pad_to(torch.from_numpy(w), (size, size)) for w in kernels.values()])
    poses = PoseGrid.over(shape, size)
    positions = [(grid.rows[i], grid.columns[j]) for i, j in kernels]
    weights = project_kernels(local, CameraBasis.at(poses, positions, local))
    used = np.flatnonzero(weights.sum((1, 2)).numpy() > 0)
    rotation = np.rad2deg(poses.angles[used[-1]] - poses.angles[used[0]])
    return camera_field(*zero_mean_rotation(poses, weights)), float(rotation)


def window_grid(layout: Layout, edge: int) -> WindowGrid:
    """Return a grid over a block: cells of at least `edge` pixels, at most 16 along each axis.

    A larger cell is represented by a window of `edge` pixels in its middle.
    """
    rows, columns = (_windows(extent, edge) for extent in layout.spatial[-2:])
    depth = tuple(slice(0, n) for n in layout.spatial[:-2])
    middle = Tiling(layout, layout.spatial, (0,) * len(layout.spatial))[layout.count // 2]
    boxes = {
        (i, j): (*depth, row, column)
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
    }
    tiles = {cell: replace(middle, interior=box, padded=box) for cell, box in boxes.items()}
    return WindowGrid(tiles, tuple(map(_middle, rows)), tuple(map(_middle, columns)))


def _windows(extent: int, edge: int) -> list[slice]:
    count = min(max(extent // edge, 1), MOST_WINDOWS)
    width = extent / count
    half = min(width, max(edge, width / 2)) / 2
    middles = [(i + 0.5) * width for i in range(count)]
    return [slice(round(m - half), round(m + half)) for m in middles]


def _middle(span: slice) -> float:
    return float(span.start + span.stop - 1) / 2


def reject_outliers(kernels: Grid) -> Grid:
    """Return the kernels that correlate with those around them.

    The score of a kernel is the median of its largest correlations, over shifts, with its
    neighbours. The kernel of the smallest score is dropped as long as that is less than
    `LEAST_CORRELATION` of the grid's median, and the others are scored again without it, so that
    an outlier does not cost its neighbours their cell.
    """
    scores = {
        cell: {
            other: max_cross_correlation(weights, kernels[other])[0]
            for other in _neighbours(cell, kernels)
        }
        for cell, weights in kernels.items()
    }
    kept = dict(kernels)
    while True:
        medians = {cell: _median_score(scores[cell], kept) for cell in kept}
        worst = min(medians, key=medians.__getitem__)
        if medians[worst] >= LEAST_CORRELATION * float(np.median(list(medians.values()))):
            return kept
        del kept[worst]


def _median_score(scores: dict[Cell, float], kept: Grid) -> float:
    """Return the median score with the neighbours that are kept; 1 where there is none."""
    left = [score for cell, score in scores.items() if cell in kept]
    return float(np.median(left)) if left else 1.0


def _neighbours(cell: Cell, kernels: Grid) -> list[Cell]:
    row, column = cell
    near = [(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
    return [other for other in near if other in kernels]


def _aligned(kernels: Grid) -> Grid:
    """Return kernels of one shape, each with its centre of mass at its centre."""
    shape = largest_shape(weights.shape for weights in kernels.values())
    padded = {cell: pad_to(torch.from_numpy(w), shape) for cell, w in kernels.items()}
    return {cell: recentre(k, by="subpixel-mass").numpy() for cell, k in padded.items()}


def _kernel(weights: Float) -> Kernel:
    return Kernel(weights.astype(np.float32))


def _fill_gaps(kernels: Grid, rows: int, columns: int) -> Grid:
    """Return kernels for the whole grid; gaps take a mean of the others, weighted by distance."""
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
