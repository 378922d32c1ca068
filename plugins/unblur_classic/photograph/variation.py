"""How a blur varies over an image: kernels of its parts, and whether a camera predicts them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log

import torch
from torch import Tensor

from unblur.accel.parallel import map_on_threads, one_thread
from unblur.model.context import Context
from unblur.model.kernel import KernelField
from unblur.model.params import PriorChoice
from unblur.numerics.camera import CameraBasis, PoseGrid, project_kernels
from unblur.numerics.camera.projection import shift_towards
from unblur.numerics.kernel_ops import pad_to, recentre
from unblur.numerics.pyramid import PyramidLevel, odd, rescale_kernel, shrink_image
from unblur.numerics.regions import Window, spans
from unblur_classic.camera_shake.model import Patch, half_overlapping
from unblur_classic.map.alternating import Alternation
from unblur_classic.map.latent_update import weighted_priors
from unblur_classic.map.preprocessing import EstimationInput
from unblur_classic.map.scoring import normalized_sparsity
from unblur_classic.map.search.hypotheses import SearchParams
from unblur_classic.map.search.kernel_search import FoundKernel
from unblur_classic.map.search.search_track import (
    UNBLURRED_EXTENT,
    support_extent,
    textured_window,
)

MIN_SPREAD = 0.06
"""Smallest spread of the kernels of the parts that is worth a comparison, dimensionless."""
MAX_PREDICTION_ERROR = 1.0
"""Error of a camera's predictions of the kernels, relative to that of their mean, below which they
are evidence of a rotation, dimensionless (`benchmarks/results/blur-variation.md`)."""
MAX_ROTATION = math.radians(3.0)
"""Largest rotation of the camera to either side, in radians."""
PARTS = 2
"""Extent of the image divided by that of a part, along each axis, dimensionless."""
MIN_PART = 8
"""Smallest side of a part, in extents of the kernel, dimensionless."""
POSE_STEP, FITS = 3.0, 2
"""Displacement of a corner of the image between neighbouring angles of the camera that predicts
the kernels, in pixels at the level of the search, and number of its fits, dimensionless."""
MARGIN, PADDING = 1.3, 2
"""Extent of the kernels of the parts: factor on the support of the kernel of the whole image, and
pixels added to that."""
WINDOW = 384
"""Largest edge of the window of a part, in pixels."""
SHIFT, ALIGNMENTS = 2, 3
"""Largest shift of a kernel towards the common one, in pixels, and the number of alignments,
dimensionless."""
PRIORS = (PriorChoice(prior="l0-gradient", weight=4e-3),)


class PartParams(SearchParams):
    """Params of the alternation in a part: those of a search, with the thresholds of `map`."""

    iterations, threshold, min_component_mass = 5, 0.02, 0.03


@dataclass(frozen=True)
class Variation:
    """How the kernels of parts of an image differ.

    Attributes
    ----------
    spread : float
        Sum of squared differences of the kernels from their mean, each shifted to fit it best,
        relative to the sum of their squares, in [0, 1].
    prediction_error : float
        Squared error of what a rotating camera predicts, relative to that of the mean, see
        `prediction_error`; infinite where the kernels hardly differ.
    """

    spread: float
    prediction_error: float

    @property
    def is_clear(self) -> bool:
        """Whether the kernels differ, and do so as a rotation of the camera makes them."""
        return self.spread >= MIN_SPREAD and self.prediction_error < MAX_PREDICTION_ERROR

    def __str__(self) -> str:
        differ = f"the kernels of parts of the image differ by {self.spread:.0%}"
        if math.isinf(self.prediction_error):
            return differ
        error = f"with {self.prediction_error:.2f} times the error of their mean"
        return f"{differ}, a rotating camera predicts them {error}"


def measure_variation(
    given: EstimationInput, found: FoundKernel, context: Context
) -> Variation | None:
    """Measure how the kernels of nine overlapping parts of an image differ.

    Parameters
    ----------
    given : EstimationInput
        The image.
    found : FoundKernel
        What a search on the whole of it found. In each part the alternation goes on from its
        kernel, at its level.
    context : Context
        Cancellation.

    Returns
    -------
    Variation, optional
        None if the image is too small, or the search found no blur.
    """
    extent = support_extent(found.kernel)
    if extent <= UNBLURRED_EXTENT:
        return None
    image, valid = (shrink_image(x, found.ratio) for x in (given.y, given.valid))
    if min(image.shape) < PARTS * MIN_PART * extent:
        return None
    size = odd(ceil(MARGIN * extent) + PADDING)
    start = rescale_kernel(found.kernel, size, 1.0)
    priors = weighted_priors(PRIORS)

    def estimate(part: Patch) -> Tensor:
        alternation = Alternation(
            priors, PartParams(found.hypothesis.ridge), given.noise, lambda _: context.checkpoint()
        )
        alternation.start(start, found.ratio)
        values = (x[part.rows, part.columns] for x in (image, valid))
        alternation.run_level(PyramidLevel(found.ratio, size), *textured_window(*values, WINDOW))
        return alternation.kernel

    parts = half_overlapping(tuple(image.shape), [ceil(n / PARTS) for n in image.shape])
    kernels = torch.stack(map_on_threads(estimate, parts, context.device))
    with one_thread():
        spread = spread_of_kernels(kernels)
    if spread < MIN_SPREAD:
        return Variation(spread, math.inf)
    middles = [part.middle for part in parts]
    return Variation(spread, prediction_error(kernels, middles, image.shape, context))


def prediction_error(
    kernels: Tensor,
    positions: Sequence[tuple[float, float]],
    shape: Sequence[int],
    context: Context,
) -> float:
    """Return how well a rotating camera predicts kernels, relative to their mean.

    Each kernel is predicted from all others: by the camera whose kernels are nearest to them
    (`project_kernels`), and by their mean. Kernels that are estimated in parts of an image differ
    by their errors too, and the poses of a camera can imitate these; it predicts what it was
    not fitted to only where it did move so.

    Parameters
    ----------
    kernels : (R, n, n)
        Kernels of sum 1; their shifts do not matter.
    positions : sequence of (row, column)
        Where they hold, in pixels.
    shape : (rows, columns)
        Extent of the image, in pixels.
    context : Context
        Cancellation, before each kernel, and the device.

    Returns
    -------
    float
        Sum of squared errors of the camera's predictions relative to that of the means; below 1
        where the camera predicts better.

    Example
    -------
    >>> from unblur.numerics.camera import CameraBasis, PoseGrid
    >>> positions = [(r, c) for r in (0, 100, 200) for c in (0, 100, 200)]
    >>> grid = PoseGrid.over((201, 201), 15, MAX_ROTATION)
    >>> poses = torch.zeros(len(grid.angles), 15, 15)
    >>> poses[:, 7, 7] = 1 / len(grid.angles)
    >>> kernels = CameraBasis.at(grid, positions, poses).forward(poses)
    >>> prediction_error(kernels, positions, (201, 201), Context()) < 0.5
    True
    """
    given = _centred(kernels)
    grid = PoseGrid.over(shape, given.shape[-1], MAX_ROTATION, step=POSE_STEP)

    def squared_errors(held_out: int) -> Tensor:
        context.checkpoint()
        rest = [index for index in range(len(given)) if index != held_out]
        basis = CameraBasis.at(grid, [positions[index] for index in rest], given)
        poses = project_kernels(given[rest], basis, n_fits=FITS)
        by_camera = CameraBasis.at(grid, [positions[held_out]], given).forward(poses)
        by_mean = _aligned(given[rest]).mean(0, keepdim=True)
        errors = []
        for predicted in (by_camera, by_mean):
            moved = shift_towards(given[held_out : held_out + 1], predicted, SHIFT)
            errors.append((moved - predicted).square().sum())
        return torch.stack(errors)

    errors = torch.stack(map_on_threads(squared_errors, range(len(given)), context.device)).sum(0)
    return float(errors[0] / errors[1].clamp_min(1e-12))


def spread_of_kernels(kernels: Tensor) -> float:
    """Return how much kernels (R, n, n) of sum 1 differ from a common one, in [0, 1].

    See `measure_variation`.

    Example
    -------
    >>> kernel = torch.zeros(5, 5)
    >>> kernel[1, 1:4] = 1 / 3
    >>> round(spread_of_kernels(torch.stack([kernel, kernel.roll(1, 0)])), 6)
    0.0
    """
    moved = _aligned(_centred(kernels))
    return float((moved - moved.mean(0)).square().sum() / moved.square().sum())


def _centred(kernels: Tensor) -> Tensor:
    """Return kernels (R, n, n) with their centre of mass in the middle, with room for shifts."""
    size = kernels.shape[-1] + 2 * SHIFT
    return torch.stack([recentre(pad_to(k, (size, size)), by="subpixel-mass") for k in kernels])


def _aligned(kernels: Tensor) -> Tensor:
    """Return kernels (R, n, n), each shifted to fit their mean best."""
    moved = kernels
    for _ in range(ALIGNMENTS):
        common = moved.mean(0, keepdim=True)
        moved = shift_towards(moved, common.expand_as(moved), SHIFT)
    return moved


def gain_of_field(given: EstimationInput, field: KernelField, kernel: Tensor) -> float:
    """Return how much sharper the quarters are with the kernels of a field than with one.

    Parameters
    ----------
    given : EstimationInput
        The image.
    field : KernelField
        Kernels over the image; in each quarter that of the nearest position is used.
    kernel : (n, n)
        The one kernel.

    Returns
    -------
    float
        Mean over the quarters of the logarithm of the normalised sparsity with the one kernel
        relative to that with the field; positive where the field restores sharper edges.
    """

    def gain(part: Window) -> float:
        row, column = (
            min(range(len(centres)), key=lambda i: abs(centres[i] - (s.start + s.stop - 1) / 2))
            for centres, s in zip((field.rows, field.columns), part, strict=True)
        )
        window = textured_window(given.y[part], given.valid[part], WINDOW)
        local = field.kernels[row][column].tensor(device=given.y.device)
        scores = [normalized_sparsity(*window, k, given.black) for k in (kernel, local)]
        return log(scores[0] / scores[1]) if all(s > 0 for s in scores) else 0.0

    parts = image_parts(given.y.shape)
    return sum(map(gain, parts)) / len(parts)


def image_parts(shape: tuple[int, ...]) -> list[Window]:
    """Return the quarters of an image of a shape."""
    rows, columns = (spans(n, n // PARTS, PARTS) for n in shape)
    return [(row, column) for row in rows for column in columns]
