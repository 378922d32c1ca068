"""Refinement of the kernel of a search, at the finest pyramid levels."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

from torch import Tensor

from unblur.numerics.kernel_ops import crop_to_mass, pad_to, recentre
from unblur.numerics.pyramid import PyramidLevel, odd, pyramid_levels, rescale_kernel, shrink_image
from unblur.numerics.statistics import REFERENCE_NOISE
from unblur_classic.map.alternating import Alternation
from unblur_classic.map.latent_update import weighted_priors
from unblur_classic.map.preprocessing import EstimationInput
from unblur_classic.map.search.kernel_search import FoundKernel
from unblur_classic.map.search.search_track import support_extent, textured_window

REFINED_LEVELS = 4
"""Number of finest pyramid levels at which the kernel is refined, dimensionless."""
MIN_WINDOW, WINDOW_SIZES = 512, 12
"""Smallest edge of the window of the image that is used, in pixels, and its edge in extents of the
kernel, dimensionless."""
NOISY, NOISY_WINDOW = 2.0, 768
"""Noise, in units of `REFERENCE_NOISE`, above which the window is larger, dimensionless, and its
smallest edge then, in pixels."""
MARGIN, PADDING = 1.6, 2
"""Extent of the next level's kernel: factor on the support, and pixels added to that. In an array
that is larger than its support a kernel gains false samples."""
FURTHER_MARGIN, MASS_TAIL = 1.25, 0.005
"""Extent of the array in which a refined kernel is refined further, relative to that of the box
that holds its mass, to which `PADDING` is added, and the largest fraction of the mass beyond each
side of that box, dimensionless. Where the array was too small, a part of the kernel is missing."""
FURTHER_SHARE = 0.3
"""Share of the priors' initial weights with which that begins, dimensionless."""
GROWTH = 1.2
"""Largest extent of a level's kernel, in extents that the search found, dimensionless."""


def count_iterations(size: int, params: Any) -> int:
    """Return the number of iterations of the refinement of a kernel of `size` pixels."""
    return int(params.iterations * len(refinement_levels(size)) + 2 * params.refinements)


def refinement_levels(size: int) -> list[PyramidLevel]:
    """Return the levels of the refinement of a kernel of `size` pixels, the coarsest first."""
    return pyramid_levels(size)[-REFINED_LEVELS:]


def refine_kernel(
    found: FoundKernel,
    given: EstimationInput,
    size: int,
    params: Any,
    on_iteration: Callable[[Tensor], None],
) -> Tensor:
    """Return the kernel of a search, refined on the most textured window of the image.

    The kernel's array follows the support from level to level. At full size the refinements are
    done twice, the second time as by `refine_further`.

    Parameters
    ----------
    found : FoundKernel
        The kernel of the search.
    given : EstimationInput
        The image, its valid pixels and noise.
    size : int
        Extent of the kernel, in pixels.
    params : MapEstimator.Params
        Their first weight factor is used. A stated size is the largest extent.
    on_iteration : callable
        Called after every iteration with the kernel at its level.
    """
    levels = refinement_levels(size)
    priors = [p.scaled(params.weight_factors[0]) for p in weighted_priors(params.priors)]
    start = recentre(found.kernel, by="support")
    start = rescale_kernel(start, levels[0].size, levels[0].ratio / found.ratio)
    edge = NOISY_WINDOW if given.noise > NOISY * REFERENCE_NOISE else MIN_WINDOW
    window = textured_window(given.y, given.valid, edge, WINDOW_SIZES * size)
    alternation = Alternation(priors, params, given.noise, on_iteration)
    alternation.start(start, levels[0].ratio)
    largest = _largest_extent(size, min(given.y.shape)) if params.size == "auto" else size
    for level in levels:
        image, valid = (shrink_image(x, level.ratio) for x in window)
        extent = _extent(alternation, level, largest)
        alternation.run_level(PyramidLevel(level.ratio, extent), image, valid)
    alternation.refine()
    return refine_further(alternation.kernel, given, params, on_iteration)


def refine_further(
    kernel: Tensor, given: EstimationInput, params: Any, on_iteration: Callable[[Tensor], None]
) -> Tensor:
    """Return a refined kernel, refined further at full size in an array with room around it.

    The alternation comes to rest near the kernel that it began from, within its array. Begun anew,
    with more weight on the priors, it goes on.

    Parameters
    ----------
    kernel : (n, n)
        The refined kernel.
    given, params, on_iteration
        See `refine_kernel`.
    """
    if not params.refinements:
        return kernel
    kernel = recentre(crop_to_mass(kernel, MASS_TAIL), by="support")
    half = min(given.y.shape) // 2
    largest = half - 1 + half % 2 if params.size == "auto" else params.size
    size = min(odd(ceil(FURTHER_MARGIN * kernel.shape[-1]) + PADDING), largest)
    size = max(size, kernel.shape[-1])
    priors = [p.scaled(params.weight_factors[0]) for p in weighted_priors(params.priors)]
    alternation = Alternation(priors, params, given.noise, on_iteration)
    padded = pad_to(kernel, (size, size))
    alternation.start(padded / padded.sum(), 1.0, FURTHER_SHARE)
    window = textured_window(given.y, given.valid, MIN_WINDOW, WINDOW_SIZES * size)
    alternation.enter_level(PyramidLevel(1.0, size), *window)
    alternation.refine()
    return alternation.kernel


def _largest_extent(size: int, side: int) -> int:
    """Return the largest extent of a kernel of about `size`, in an image of smallest side `side`.

    At most half the image: moved to its centre of mass, the kernel still fits the image.
    """
    half = side // 2
    return max(size, min(odd(ceil(GROWTH * size)), half - 1 + half % 2))


def _extent(alternation: Alternation, level: PyramidLevel, largest: int) -> int:
    """Return the extent of the kernel at a level, in pixels, for a largest one at full size."""
    if alternation.ratio == level.ratio:
        return level.size
    ratio = level.ratio / alternation.ratio
    wanted = odd(ceil(MARGIN * ratio * support_extent(alternation.kernel)) + PADDING)
    return min(wanted, max(odd(ceil(largest * level.ratio)), level.size))
