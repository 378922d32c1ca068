"""The latent image for a kernel not known well yet: half-quadratic splitting over priors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unblur.fourier import fft, inverse_fft, psf_to_otf
from unblur.operators import gradient, gradient_adjoint, laplacian_otf
from unblur.solvers import continuation
from unblur.stages import Prior

FIRST, LAST, GROWTH = 2.0, 1e5, 3.0
"""Penalties: the first relative to the largest weight, the last absolute, and their growth."""


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
    scene: Tensor, kernel: Tensor, priors: Sequence[WeightedPrior]
) -> tuple[Tensor, Tensor]:
    """Return about `argmin_x |k * x - scene|^2 + sum_j weight_j prior_j(x)`, and its blur.

    Parameters
    ----------
    scene : (*domain)
        Blurred scene on a periodic grid.
    kernel : (n, n)
        Current kernel.
    priors : sequence of WeightedPrior
        At least one.

    Returns
    -------
    latent, blurred : (*domain)
        The minimiser found, and its convolution with the kernel.

    Notes
    -----
    Each prior gets a variable of its own, `g_j = grad x` or `u_j = x`, tied to `x` by a
    penalty that grows threefold from step to step. Given those, `x` is one division in
    Fourier space (Li et al., Eqs. 7 to 9, with as many priors as there are).

    References
    ----------
    L. Li et al., "Learning a discriminative prior for blind image deblurring", CVPR 2018.
    """
    domain = scene.shape
    otf = psf_to_otf(kernel, domain)
    power = otf.abs().square()
    laplacian = laplacian_otf(domain, scene)
    given = otf.conj() * fft(scene, 2)
    slopes_split = [p for p in priors if p.on_gradient]
    image_split = [p for p in priors if not p.on_gradient]
    ties = len(slopes_split) * laplacian + len(image_split)
    latent, spectrum = scene, given
    for penalty in continuation(FIRST * max(p.weight for p in priors), LAST, GROWTH):
        pull = torch.zeros_like(scene)
        slopes = gradient(latent)
        for p in slopes_split:
            step = p.weight / (2 * penalty)
            pull = pull + gradient_adjoint(p.prior.shrink_gradient(slopes, step))  # type: ignore[attr-defined]
        for p in image_split:
            pull = pull + p.prior.proximal(latent[None], p.weight / (2 * penalty))[0]
        spectrum = (given + penalty * fft(pull, 2)) / (power + penalty * ties)
        latent = inverse_fft(spectrum, domain)
    return latent, inverse_fft(otf * spectrum, domain)
