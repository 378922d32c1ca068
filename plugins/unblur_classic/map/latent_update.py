"""The latent image for a kernel not known well yet: half-quadratic splitting over priors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unblur.model.stages import Prior
from unblur.numerics.fourier import fft, inverse_fft, psf_to_otf
from unblur.numerics.half_quadratic import split_gradients
from unblur.numerics.operators import gradient_adjoint, laplacian_otf
from unblur.numerics.solvers import continuation

FIRST, LAST, GROWTH = 2.0, 50.0, 3.0
"""Penalties: the first relative to the weight, the last absolute if no other is given, and their
growth."""


@dataclass(frozen=True)
class WeightedPrior:
    """A prior and its weight against the squared residual.

    A prior with a method `shrink_gradient` is met in the gradient, any other in the image,
    through its `proximal`.
    """

    prior: Prior
    weight: float

    @property
    def on_gradient(self) -> bool:
        """Whether the prior is split off in the gradient domain."""
        return hasattr(self.prior, "shrink_gradient")

    def lightened(self, factor: float) -> WeightedPrior:
        """Return the same prior at `factor` times the weight."""
        return WeightedPrior(self.prior, self.weight * factor)


def latent_image(
    scene: Tensor,
    kernel: Tensor,
    priors: Sequence[WeightedPrior],
    guess: Tensor | None = None,
    last: float = LAST,
) -> tuple[Tensor, Tensor]:
    """Return about `argmin_x |k * x - scene|^2 + sum_j weight_j prior_j(x)`, and its blur.

    Parameters
    ----------
    scene : (..., *domain)
        Blurred scenes on a periodic grid, each by itself.
    kernel : (..., n, n)
        Current kernel of each.
    priors : sequence of WeightedPrior
        At least one.
    guess : (..., *domain), optional
        A latent image from an earlier turn, at which priors on the image begin; the scene
        itself if left out.
    last : float
        Penalty up to which the gradients are tied to their sparse variables. A small one leaves
        latent images that are sharp, but not of few edges alone.

    Returns
    -------
    latent, blurred : (..., *domain)
        The minimiser found, and its convolution with the kernel.

    Notes
    -----
    Each prior gets a variable of its own, `g_j = grad x` or `u_j = x`, tied to `x` by a
    penalty. Given those, `x` is one division in Fourier space (Li et al., Eqs. 7 to 9, with as
    many priors as there are).

    For gradients the penalty grows threefold from step to step. A prior on the image, which may
    be a network, is met once, at the guess: its penalty stays at the first one, and what Li et
    al. do by letting it grow within a turn, the turns do as the weights fall.

    References
    ----------
    L. Li et al., "Learning a discriminative prior for blind image deblurring", CVPR 2018.
    """
    domain = scene.shape[-2:]
    otf = psf_to_otf(kernel, domain)
    power = otf.abs().square()
    laplacian = laplacian_otf(domain, scene)
    given = otf.conj() * fft(scene, 2)
    slopes_split = [p for p in priors if p.on_gradient]
    image_split = [p for p in priors if not p.on_gradient]
    for p in image_split:
        tie = FIRST * p.weight
        near = (scene if guess is None else guess).reshape(-1, *domain)
        u = p.prior.proximal(near, p.weight / (2 * tie)).reshape(scene.shape)
        given, power = given + tie * fft(u, 2), power + tie
    ties = len(slopes_split) * laplacian

    def pull(gradients: Tensor, penalty: float | Tensor) -> Tensor:
        total = torch.zeros_like(scene)
        for p in slopes_split:
            step = p.weight / (2 * penalty)
            total = total + gradient_adjoint(p.prior.shrink_gradient(gradients, step))  # type: ignore[attr-defined]
        return total

    penalties = _penalties(slopes_split, last)
    latent, spectrum = split_gradients(scene, given, power, ties, penalties, pull)
    return latent, inverse_fft(otf * spectrum, domain)


def _penalties(on_gradient: Sequence[WeightedPrior], last: float) -> Iterable[float]:
    """Return those of the priors on the gradient, a single 0 where there are none."""
    if not on_gradient:
        return [0.0]
    return continuation(FIRST * max(p.weight for p in on_gradient), last, GROWTH)
