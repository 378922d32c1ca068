"""Blind kernel estimation by maximum a posteriori, from coarse to fine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from unblur.accel.malloc import no_malloc_trim
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.model.params import PriorChoice
from unblur.model.stages import Estimate
from unblur.numerics.kernel_ops import recentre
from unblur.numerics.pyramid import PyramidLevel, pyramid_levels
from unblur.plugins.manager import registry
from unblur_classic.map.alternating import WAYS, alternate, first_kernel
from unblur_classic.map.kernel_size import estimate_kernel_size
from unblur_classic.map.latent_update import WeightedPrior
from unblur_classic.map.multi_start import depths_of, searched
from unblur_classic.map.params import BlindParams
from unblur_classic.map.preprocessing import Prepared, prepared
from unblur_classic.map.scoring import Judge

LEAST = 0.01
"""Share of the peak below which a sample is left out of the result."""


class MapEstimator(stages.KernelEstimator):
    """The kernel and latent image that are most probable together, found in turns.

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
    From a coarse pyramid level, at which the kernel measures about 5 pixels, to the full size,
    latent image and kernel are estimated alternately. The kernel is a non-negative least-squares
    fit on gradients, at first on those above a threshold alone; small components of the kernel
    are removed. In the last iterations all gradients are used, with `whiten` at equal power of all
    frequencies (`kernel_update.NormalEquations`), and the priors' weights decrease. Unobserved
    pixels, beyond the border or under the mask, are filled with the prediction from the latest
    latent image.

    The weights are meant for images with little noise. With more noise, of the context or
    estimated, they decrease less, or increase, and the ridge increases
    (`alternating.Limits`).

    On pages of text the minimum found depends on the weights and on the initial kernel. With
    several `weight_factors` or `n_starts` the estimation is repeated, and with `restarts` repeated
    from the best kernel, until its score is at or below the prior's `stop_score` or all are tried.
    The image restored with each kernel is scored by the first prior with a `blur_score`, else by
    `unblur_classic.map.scoring`.

    Colour images are estimated on their luma. Salt-and-pepper noise fits no kernel; `median`
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
    summary = "Coarse-to-fine MAP with any priors; for one shaken photograph."
    cites = "J. Pan et al., L0-Regularized Intensity and Gradient Prior, IEEE TPAMI 39(2), 2017"

    class Params(BlindParams):
        """Settings of MAP estimation."""

        iterations: int = Field(5, ge=1, le=100, description="Turns at every scale.")
        refinements: int = Field(
            10, ge=0, le=100, description="Further turns at full size, with falling weights."
        )
        ridge: float = Field(
            0.5, ge=0, le=100, description="Weight of the squared kernel; more is smoother."
        )
        whiten: bool = Field(
            True,
            description="Whether all frequencies of the kernel count alike in the further turns; "
            "pages of text, which lack some, do better without.",
        )
        threshold: float = Field(
            0.02,
            ge=0,
            lt=1,
            description="Share of its peak below which a sample of the kernel is dropped on the "
            "way; more drops the ghosts that lines of text make.",
        )
        min_component_mass: float = Field(
            0.03,
            ge=0,
            lt=1,
            description="Share of the kernel below which a piece of it that touches no other "
            "is dropped on the way.",
        )
        weight_factors: tuple[Annotated[float, Field(gt=0, le=100)], ...] = Field(
            (1.0,),
            min_length=1,
            description="Factors on the weights of all priors. Of several, each is tried, and "
            "the kernel is kept whose restored image is the most plausible.",
        )
        n_starts: int = Field(
            1,
            ge=1,
            le=len(WAYS),
            description="Directions of the first kernel, each tried with each of the factors.",
        )
        restarts: int = Field(
            0,
            ge=0,
            le=20,
            description="How often at most to descend again, with each of the factors, from the "
            "best kernel found; ends when nothing is gained.",
        )

    def estimate(self, blurred: Tensor, context: Context, mask: Tensor | None = None) -> Estimate:
        """Return the kernel, without the latent image, a cartoon; see `KernelEstimator`."""
        p = self.params
        given = prepared(blurred, context, mask, p, self._size_params)
        with no_malloc_trim():
            kernel = self._searched(given, context)
        return Estimate.of(Kernel(recentre(kernel, grow=True).cpu().numpy()))

    def kernel_size(self, blurred: Tensor, context: Context) -> int:
        """Return the estimated extent of the kernel; see `KernelEstimator.kernel_size`."""
        return estimate_kernel_size(blurred, context, self._size_params)

    @property
    def _size_params(self) -> dict[str, Any]:
        """Params that the estimates of a kernel size share with this one."""
        p = self.params
        return {"threshold": p.threshold, "min_component_mass": p.min_component_mass}

    def _searched(self, given: Prepared, context: Context) -> Tensor:
        """Return the best kernel of all descents."""
        p, levels, priors = self.params, pyramid_levels(given.size), weighted(self.params.priors)
        tick = context.ticker(self.name, self._turns(len(levels)))

        def descend(factor: float, first: Tensor, onward: list[PyramidLevel]) -> Tensor:
            lighter = [prior.lightened(factor) for prior in priors]
            kernel = alternate(given, onward, lighter, p, lambda _: tick(), first)
            return torch.where(kernel < LEAST * kernel.max(), 0, kernel)

        judge = Judge(given.y, given.trusted, context, [prior.prior for prior in priors])
        firsts = [first_kernel(levels[0].size, given.y, way) for way in WAYS[: p.n_starts]]
        return searched(descend, judge, firsts, p.weight_factors, levels, p.restarts)

    def _turns(self, count: int) -> int:
        """Return how many turns a search over `count` scales takes at most."""
        p = self.params
        depths = [count] * p.n_starts + depths_of(count) * p.restarts
        turns = sum(p.iterations * depth + p.refinements for depth in depths)
        return int(turns * len(p.weight_factors))


def weighted(choices: Iterable[PriorChoice]) -> list[WeightedPrior]:
    """Return the priors that params choose, built."""
    return [
        WeightedPrior(registry().stage("prior", c.prior)(dict(c.params)), c.weight)  # type: ignore[arg-type]
        for c in choices
    ]
