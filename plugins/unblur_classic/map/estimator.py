"""Blind kernel estimation by maximum a posteriori, from coarse to fine."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from unblur.accel.malloc import no_malloc_trim
from unblur.accel.parallel import one_thread
from unblur.model import stages
from unblur.model.confidence import is_low
from unblur.model.context import Context
from unblur.model.kernel import Kernel, check_kernel_size
from unblur.model.stages import Estimate
from unblur.numerics.kernel_ops import crop_to_mass, pad_to, recentre
from unblur.numerics.pyramid import PyramidLevel, pyramid_levels
from unblur_classic.map.alternating import (
    INITIAL_DIRECTIONS,
    alternating_minimization,
    initial_kernel,
)
from unblur_classic.map.kernel_size import estimate_kernel_size, fitting_size
from unblur_classic.map.latent_update import weighted_priors
from unblur_classic.map.multi_start import multi_start, restart_levels
from unblur_classic.map.params import BlindParams
from unblur_classic.map.preprocessing import EstimationInput, preprocess, unclipped_pixels
from unblur_classic.map.scoring import KernelScorer
from unblur_classic.map.search.candidates import (
    RESULT_TAIL,
    Candidate,
    best_candidate,
    refined_further,
)
from unblur_classic.map.search.kernel_refinement import (
    count_iterations,
    refine_further,
    refine_kernel,
)
from unblur_classic.map.search.kernel_search import FoundKernel, search_kernel

RESULT_THRESHOLD = 0.01
"""Samples of the result below this fraction of the peak are set to 0, dimensionless."""
RESULT_MARGIN = 1.25
"""Extent of the array of a result whose size is not stated, relative to that of the box that holds
its mass (`RESULT_TAIL`), dimensionless."""


class MapEstimator(stages.KernelEstimator):
    """Joint MAP estimate of kernel and latent image by alternating minimisation.

    Minimises, over the scene `x` and the kernel `k >= 0` of sum 1::

        |M (k * x - y)|^2 + ridge |k|^2 + sum_j weight_j prior_j(x)

    It assumes one kernel for the whole image, edges in several directions, and moderate noise.
    The default prior, the number of gradients, favours sharp edges over blurred ones.

    Parameters
    ----------
    params : Params or mapping, optional
        See `MapEstimator.Params`.

    Notes
    -----
    First a kernel is searched for at coarse pyramid levels, with several hypotheses
    (`search.kernel_search.search_kernel`). From it, or with several starts or factors from a coarse
    level at which the kernel measures about 5 pixels, to the full size, latent image and kernel
    are estimated alternately. The kernel is a non-negative least-squares fit on gradients, at
    first on those above a threshold alone; small components of the kernel are removed. In the
    last iterations all gradients are used, with `whiten` at equal power of all frequencies
    (`kernel_update.NormalEquations`), and the priors' weights decrease. Unobserved pixels, beyond
    the border or under the mask, are filled with the prediction from the latest latent image.
    The kernel of the search is refined twice at full size, and then further as long as the image
    that it restores becomes better (`search.candidates.refined_further`). Its array is cut to its
    mass, or to the extent that the search found where the kernel is doubtful.

    The weights are meant for images with little noise. With more noise, of the context or
    estimated, they decrease less, or increase, and the ridge increases
    (`alternating.WeightLimits`).

    On pages of text the minimum found depends on the weights and on the initial kernel. With
    several `weight_factors` or `n_starts` the estimation is repeated, and with `restarts` repeated
    from the best kernel, until its score is at or below the prior's `stop_score` or all are tried.
    The image restored with each kernel is scored by the first prior with a `blur_score`, else by
    `unblur_classic.map.scoring`.

    The estimate has a confidence, from measures of the search and of the restored image
    (`search.kernel_confidence.Evidence`). It does not depend on the number of threads.

    Colour images are estimated on their luma. Clipped pixels, if they are at most a tenth, are left
    out, also where the run does not mask them, and filled like those beyond the border: for them no
    convolution holds. Salt-and-pepper noise fits no kernel; `median`
    removes it for the estimate, not from the image that is deconvolved afterwards.

    Examples
    --------
    >>> from unblur.model.context import Context
    >>> from unblur.numerics.metrics import kernel_similarity
    >>> from unblur.testing import gaussian, synthetic_scene
    >>> given = synthetic_scene((96, 96), gaussian((9, 9), 1.5))
    >>> estimate = MapEstimator(size=9).estimate(given.blurred, Context())
    >>> kernel_similarity(estimate.kernel.weights, given.kernel.weights) > 0.8
    True

    References
    ----------
    J. Pan, Z. Hu, Z. Su, M.-H. Yang, "L0-regularized intensity and gradient prior for
    deblurring text images and beyond", IEEE TPAMI 39(2), 2017. S. Cho, S. Lee, "Fast motion
    deblurring", ACM TOG 28(5), 2009. L. Li et al., "Learning a discriminative prior for blind
    image deblurring", CVPR 2018, section 4.
    """

    name = "map"
    summary = "Coarse-to-fine MAP with any priors; for a shaken photograph."
    cites = "J. Pan et al., L0-Regularized Intensity and Gradient Prior, IEEE TPAMI 39(2), 2017"

    class Params(BlindParams):
        """Settings of MAP estimation."""

        iterations: int = Field(5, ge=1, le=100, description="Iterations per pyramid level.")
        refinements: int = Field(
            10,
            ge=0,
            le=100,
            description="Further iterations at full size, with decreasing weights, which are "
            "repeated, once or more, for the kernel of a search.",
        )
        ridge: float = Field(
            0.5, ge=0, le=100, description="Weight of the squared kernel; larger is smoother."
        )
        whiten: bool = Field(
            True,
            description="Whether the fit of the kernel is whitened in the refinements, to equal "
            "weights of all frequencies; without is better for pages of text, which lack some.",
        )
        threshold: float = Field(
            0.02,
            ge=0,
            lt=1,
            description="Samples of the kernel below this fraction of its peak are set to 0 after "
            "each iteration; a larger value removes the ghosts of lines of text.",
        )
        min_component_mass: float = Field(
            0.03,
            ge=0,
            lt=1,
            description="Connected components of the kernel with less than this fraction of its "
            "sum are removed after each iteration.",
        )
        weight_factors: tuple[Annotated[float, Field(gt=0, le=100)], ...] = Field(
            (1.0,),
            min_length=1,
            description="Factors on the weights of all priors. If there are several, each is "
            "tried, and the kernel whose restored image has the best score is kept.",
        )
        n_starts: int = Field(
            1,
            ge=1,
            le=len(INITIAL_DIRECTIONS),
            description="Number of initial kernels, each tried with each of the factors.",
        )
        restarts: int = Field(
            0,
            ge=0,
            le=20,
            description="Largest number of restarts from the best kernel, with each of the "
            "factors; they end when the score no longer decreases.",
        )

    def estimate(self, blurred: Tensor, context: Context, mask: Tensor | None = None) -> Estimate:
        """Return the kernel, without the piecewise constant latent image; see `KernelEstimator`."""
        with one_thread():
            valid = unclipped_pixels(blurred, context, mask)
            given = preprocess(blurred, context, valid, self.params.median)
        with no_malloc_trim():
            found = self._search(given, context)
        return self.complete(found, given, context)

    def complete(self, found: FoundKernel, given: EstimationInput, context: Context) -> Estimate:
        """Return the estimate at full size that follows from what a search found.

        Parameters
        ----------
        found : FoundKernel
            Result of `search_kernel` on the same input.
        given : EstimationInput
            The image, its valid pixels and noise.
        context : Context
            Progress and cancellation.
        """
        with no_malloc_trim():
            best = self.find_kernel(found, given, context)
        centred = Kernel(recentre(best.kernel, grow=True).cpu().numpy())
        return Estimate.of(centred, confidence=best.confidence)

    def find_kernel(
        self, found: FoundKernel, given: EstimationInput, context: Context
    ) -> Candidate:
        """Return the best kernel at full size, without its smallest samples; see `complete`."""
        p = self.params
        if p.n_starts == len(p.weight_factors) == 1 and not p.restarts:
            return self._best_refined(found, given, context)
        with one_thread():
            kernel = self._best_of_starts(given, self._size(found, given), context)
            return Candidate.of(found, kernel, given)

    def kernel_size(self, blurred: Tensor, context: Context) -> int:
        """Return the estimated extent of the kernel; see `KernelEstimator.kernel_size`."""
        return estimate_kernel_size(blurred, context)

    def _search(self, given: EstimationInput, context: Context) -> FoundKernel:
        """Search for a kernel, of at most the size of the params if they state one."""
        size = self.params.size
        if size == "auto":
            return search_kernel(given, context)
        check_kernel_size(size, given.y.shape)
        return search_kernel(given, context, size)

    def _size(self, found: FoundKernel, given: EstimationInput) -> int:
        size = self.params.size
        return fitting_size(found.size, given) if size == "auto" else int(size)

    def _best_refined(
        self, found: FoundKernel, given: EstimationInput, context: Context
    ) -> Candidate:
        """Return the best of a search's kernels, refined at the last levels."""
        p = self.params

        def refine(each: FoundKernel) -> Tensor:
            size = self._size(each, given)
            # Refinements of others, on threads of their own, are not counted.
            count = count_iterations(size, p)
            call = context.ticker(self.name, count) if each is found else context.checkpoint
            return _without_smallest(refine_kernel(each, given, size, p, lambda _: call()))

        def refine_again(kernel: Tensor) -> Tensor:
            finer = refine_further(kernel, given, p, lambda _: context.checkpoint())
            return _without_smallest(finer)

        best = best_candidate(found, given, refine, context.device)
        with one_thread():
            best = refined_further(best, given, refine_again)
        if p.size != "auto":
            return best
        return replace(best, kernel=_cut(best, self._size(best.found, given)))

    def _best_of_starts(self, given: EstimationInput, size: int, context: Context) -> Tensor:
        """Return the kernel of the best score over all starts."""
        p = self.params
        levels = pyramid_levels(size)
        priors = weighted_priors(p.priors)
        tick = context.ticker(self.name, self._max_iterations(len(levels)))

        def estimate(factor: float, initial: Tensor, levels: list[PyramidLevel]) -> Tensor:
            scaled = [prior.scaled(factor) for prior in priors]
            return _without_smallest(
                alternating_minimization(given, levels, scaled, p, lambda _: tick(), initial)
            )

        scorer = KernelScorer(given.y, given.valid, context, [prior.prior for prior in priors])
        directions = INITIAL_DIRECTIONS[: p.n_starts]
        initial = [initial_kernel(levels[0].size, given.y, d) for d in directions]
        return multi_start(estimate, scorer, initial, p.weight_factors, levels, p.restarts)

    def _max_iterations(self, n_levels: int) -> int:
        """Return the largest number of iterations over all starts and restarts."""
        p = self.params
        runs = [n_levels] * p.n_starts + restart_levels(n_levels) * p.restarts
        iterations = sum(p.iterations * levels + p.refinements for levels in runs)
        return int(iterations * len(p.weight_factors))


def _cut(best: Candidate, size: int) -> Tensor:
    """Return the kernel in an array that holds its mass, without a margin if it is doubtful.

    The mass of a wrong kernel says little about the extent of the blur. The array is then at least
    of the size that the search found.
    """
    if not is_low(best.confidence):
        return crop_to_mass(best.kernel, RESULT_TAIL, RESULT_MARGIN)
    kept = crop_to_mass(best.kernel, RESULT_TAIL)
    extent = max(size, kept.shape[-1])
    return pad_to(kept, (extent, extent))


def _without_smallest(kernel: Tensor) -> Tensor:
    return torch.where(kernel < RESULT_THRESHOLD * kernel.max(), 0, kernel)
