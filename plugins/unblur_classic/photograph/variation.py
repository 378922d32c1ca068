"""How much a blur varies over an image: kernels of its quarters, and what they gain."""

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
from unblur.numerics.camera import (
    CameraBasis,
    PoseGrid,
    camera_field,
    project_kernels,
    zero_mean_rotation,
)
from unblur.numerics.camera.projection import shift_towards
from unblur.numerics.kernel_ops import pad_to, recentre
from unblur.numerics.pyramid import PyramidLevel, odd, rescale_kernel, shrink_image
from unblur.numerics.regions import Window, spans
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

MIN_SPREAD, MIN_CAMERA_GAIN = 0.06, 0.01
"""Smallest spread of the kernels of the quarters, and smallest gain by those of a camera, that are
evidence of a rotation, dimensionless. On crops of five photographs and the sample photograph, a
rotation of 1 or 2 degrees exceeded both in 9 of 10 cases, and one kernel in none of 6."""
MAX_ROTATION = math.radians(3.0)
"""Largest rotation of the camera to either side, in radians."""
PARTS = 2
"""Number of parts of the image along each axis, dimensionless."""
MIN_PART = 8
"""Smallest side of a part, in extents of the kernel, dimensionless."""
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
    """How the kernels of the quarters of an image differ.

    Attributes
    ----------
    spread : float
        Sum of squared differences of the kernels from their mean, each shifted to fit it best,
        relative to the sum of their squares, in [0, 1].
    gain : float
        What the quarters gain in sharpness, at the level of the search, by the kernels of a
        rotating camera that are nearest to these, see `gain_of_field`; 0 where the kernels hardly
        differ.
    """

    spread: float
    gain: float

    @property
    def is_clear(self) -> bool:
        """Whether the kernels differ, and do so as a rotation of the camera makes them."""
        return self.spread >= MIN_SPREAD and self.gain >= MIN_CAMERA_GAIN


def measure_variation(
    given: EstimationInput, found: FoundKernel, context: Context
) -> Variation | None:
    """Measure how the kernels of the quarters of an image differ.

    Parameters
    ----------
    given : EstimationInput
        The image.
    found : FoundKernel
        What a search on the whole of it found. In each quarter the alternation goes on from its
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

    def estimate(part: Window) -> Tensor:
        alternation = Alternation(
            priors, PartParams(found.hypothesis.ridge), given.noise, lambda _: context.checkpoint()
        )
        alternation.start(start, found.ratio)
        window = textured_window(image[part], valid[part], WINDOW)
        alternation.run_level(PyramidLevel(found.ratio, size), *window)
        return alternation.kernel

    kernels = map_on_threads(estimate, image_parts(image.shape), context.device)
    with one_thread():
        spread = spread_of_kernels(torch.stack(kernels))
        if spread < MIN_SPREAD:
            return Variation(spread, 0.0)
        context.checkpoint()
        shrunk = EstimationInput(image, valid, given.noise)
        return Variation(spread, gain_of_field(shrunk, nearest_field(kernels, shrunk), start))


def nearest_field(kernels: Sequence[Tensor], given: EstimationInput) -> KernelField:
    """Return the kernels of a rotating camera that are nearest to those (n, n) of the quarters."""
    size = kernels[0].shape[-1] + 2 * SHIFT
    centred = [recentre(pad_to(k, (size, size)), by="subpixel-mass") for k in kernels]
    shape = (int(given.y.shape[0]), int(given.y.shape[1]))
    grid = PoseGrid.over(shape, size, MAX_ROTATION)
    parts = image_parts(shape)
    middles = [tuple((span.start + span.stop - 1) / 2 for span in part) for part in parts]
    basis = CameraBasis.at(grid, middles, given.y)
    weights = project_kernels(torch.stack(centred).to(given.y), basis)
    return camera_field(*zero_mean_rotation(grid, weights))


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
    size = kernels.shape[-1] + 2 * SHIFT
    moved = torch.stack([recentre(pad_to(k, (size, size)), by="subpixel-mass") for k in kernels])
    for _ in range(ALIGNMENTS):
        common = moved.mean(0, keepdim=True)
        moved = shift_towards(moved, common.expand_as(moved), SHIFT)
    return float((moved - moved.mean(0)).square().sum() / moved.square().sum())


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
        scores = [normalized_sparsity(*window, k) for k in (kernel, local)]
        return log(scores[0] / scores[1]) if all(s > 0 for s in scores) else 0.0

    parts = image_parts(given.y.shape)
    return sum(map(gain, parts)) / len(parts)


def image_parts(shape: tuple[int, ...]) -> list[Window]:
    """Return the quarters of an image of a shape."""
    rows, columns = (spans(n, n // PARTS, PARTS) for n in shape)
    return [(row, column) for row in rows for column in columns]
