"""Latent update: half-quadratic splitting over the priors, for the current kernel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unblur.model.params import PriorChoice
from unblur.model.stages import Prior
from unblur.numerics.fourier import fft, inverse_fft, psf_to_otf
from unblur.numerics.half_quadratic import split_gradients
from unblur.numerics.operators import gradient_adjoint, laplacian_otf
from unblur.numerics.solvers import continuation
from unblur.plugins.manager import registry

FIRST_PENALTY, LAST_PENALTY, PENALTY_GROWTH = 2.0, 50.0, 3.0
"""Penalties of the splitting: the first relative to the weight, the last relative to the squared
residual, and the growth per iteration, dimensionless."""


@dataclass(frozen=True)
class WeightedPrior:
    """A prior and its weight relative to the squared residual.

    A prior with a method `shrink_gradient` is split off in the gradient domain, any other in the
    image domain by its `proximal`.
    """

    prior: Prior
    weight: float

    @property
    def on_gradient(self) -> bool:
        """Whether the prior is split off in the gradient domain."""
        return hasattr(self.prior, "shrink_gradient")

    def scaled(self, factor: float) -> WeightedPrior:
        """Return the prior with `factor` times the weight."""
        return WeightedPrior(self.prior, self.weight * factor)


def update_latent(
    scene: Tensor,
    kernel: Tensor,
    priors: Sequence[WeightedPrior],
    previous: Tensor | None = None,
    last_penalty: float = LAST_PENALTY,
) -> tuple[Tensor, Tensor]:
    """Return about `argmin_x |k * x - scene|^2 + sum_j weight_j prior_j(x)`, and its blur.

    Parameters
    ----------
    scene : (..., *domain)
        Blurred scenes on a periodic grid, independent of each other.
    kernel : (..., n, n)
        Current kernel of each.
    priors : sequence of WeightedPrior
        At least one.
    previous : (..., *domain), optional
        Latent image of the previous iteration, at which the priors on the image are evaluated;
        the scene if left out.
    last_penalty : float
        Last penalty of the splitting of the gradients. With a small one the latent images are
        sharp, but not piecewise constant.

    Returns
    -------
    latent, blurred : (..., *domain)
        The minimiser and its convolution with the kernel.

    Notes
    -----
    Each prior has an auxiliary variable, `g_j = grad x` or `u_j = x`, coupled to `x` by a
    penalty. For given variables, `x` is one division in Fourier space (Li et al., Eqs. 7 to 9,
    for any number of priors).

    For gradients the penalty grows threefold from iteration to iteration. A prior on the image,
    which may be a network, is evaluated once, at `previous`: its penalty stays at the first
    value. Where Li et al. increase it within an update, here the updates follow one another at
    decreasing weights.

    References
    ----------
    L. Li et al., "Learning a discriminative prior for blind image deblurring", CVPR 2018.
    """
    domain = scene.shape[-2:]
    otf = psf_to_otf(kernel, domain)
    power = otf.real.square() + otf.imag.square()
    laplacian = laplacian_otf(domain, scene)
    numerator = otf.conj() * fft(scene, 2)
    gradient_priors = [p for p in priors if p.on_gradient]
    image_priors = [p for p in priors if not p.on_gradient]
    for p in image_priors:
        penalty = FIRST_PENALTY * p.weight
        point = (scene if previous is None else previous).reshape(-1, *domain)
        u = p.prior.proximal(point, p.weight / (2 * penalty)).reshape(scene.shape)
        numerator, power = numerator + penalty * fft(u, 2), power + penalty
    laplacians = len(gradient_priors) * laplacian

    def pull(gradients: Tensor, penalty: float | Tensor) -> Tensor:
        parts = [
            p.prior.shrink_gradient(gradients, p.weight / (2 * penalty))  # type: ignore[attr-defined]
            for p in gradient_priors
        ]
        if not parts:
            return torch.zeros_like(scene)
        return gradient_adjoint(sum(parts[1:], start=parts[0]))

    penalties = _penalties(gradient_priors, last_penalty)
    latent, spectrum = split_gradients(scene, numerator, power, laplacians, penalties, pull)
    return latent, inverse_fft(otf * spectrum, domain)


def _penalties(priors: Sequence[WeightedPrior], last: float) -> Iterable[float]:
    """Return the penalties of the priors on the gradient, or a single 0 if there are none."""
    if not priors:
        return [0.0]
    return continuation(FIRST_PENALTY * max(p.weight for p in priors), last, PENALTY_GROWTH)


def weighted_priors(choices: Iterable[PriorChoice]) -> list[WeightedPrior]:
    """Return the priors of the params, constructed."""
    return [
        WeightedPrior(registry().stage("prior", c.prior)(dict(c.params)), c.weight)  # type: ignore[arg-type]
        for c in choices
    ]
