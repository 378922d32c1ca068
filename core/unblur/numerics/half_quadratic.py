"""Half-quadratic splitting of priors on the gradient, and the L0-regularised latent image."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from unblur.numerics.fourier import fft, inverse_fft
from unblur.numerics.operators import gradient, gradient_adjoint, laplacian_otf

STABILISER = 1e-8
"""Constant added to the denominator of the L0-regularised image, in units of the kernel's power
spectrum, whose value at frequency 0 is 1."""


def split_gradients(
    latent: Tensor,
    observed: Tensor,
    power: Tensor,
    laplacian: Tensor | float,
    penalties: Iterable[float | Tensor],
    pull: Callable[[Tensor, float | Tensor], Tensor],
    stabiliser: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Alternate between sparse gradients and the image, at growing penalties.

    Minimises about `|k * x - y|^2 + sum_j prior_j(g_j) + penalty sum_j |g_j - grad x|^2` in turn
    over the auxiliary gradients `g_j` and the image `x`, whose minimiser is one division in
    Fourier space::

        x = F^-1 [(conj(K) Y + penalty F(sum_j D^T g_j)) / (|K|^2 + penalty n |D|^2)]

    Parameters
    ----------
    latent : (..., *domain)
        Image to start from.
    observed : complex tensor
        `conj(K) Y`, the adjoint blur of the observation, on the grid of `fft`.
    power : tensor
        `|K|^2`, the squared transfer function.
    laplacian : tensor
        `n |D|^2`: `laplacian_otf` times the number of priors.
    penalties : iterable of float or tensor
        One per iteration, in units of the squared residual; at least one.
    pull : callable
        Maps the gradients (ndim, ..., *domain) and the penalty to `sum_j D^T g_j`
        (..., *domain), where `g_j` minimises `prior_j(g_j) + penalty |g_j - grad x|^2`.
    stabiliser : float
        Constant added to the denominator.

    Returns
    -------
    latent, spectrum : tensor
        The last image and its `fft`.

    References
    ----------
    D. Geman, C. Yang, "Nonlinear image recovery with half-quadratic regularization", IEEE TIP
    4(7), 1995.
    """
    domain = latent.shape[-2:]
    for penalty in penalties:
        back = fft(pull(gradient(latent), penalty), 2)
        denominator = power + penalty * laplacian
        if stabiliser:
            denominator = denominator + stabiliser
        # A division of complex numbers by real ones takes six times as long as this product.
        spectrum = (observed + penalty * back) * denominator.reciprocal()
        latent = inverse_fft(spectrum, domain)
    return latent, spectrum


def keep_long(gradients: Tensor, least: float | Tensor) -> Tensor:
    """Return the gradients (ndim, ...), 0 where their squared length is below `least`."""
    parts = gradients.detach()
    squared = parts[0] * parts[0]
    for part in parts[1:]:
        squared += part * part
    # 1 and 0 of the images' own type: `torch.where` takes eight times as long.
    return gradients * squared.ge_(least)


def l0_deconvolve(
    y: Tensor, otf: Tensor, weight: Tensor, penalties: Iterable[float | Tensor]
) -> Tensor:
    """Return about `argmin_x |k * x - y|^2 + weight |grad x|_0` for periodic scenes.

    Parameters
    ----------
    y : (..., H, W)
        Blurred scene, periodic.
    otf : complex tensor
        Transfer function of the kernel on the grid of `y`; broadcasts against `fft(y, 2)`.
    weight : tensor
        Weight of a pixel with a gradient, relative to the squared residual; broadcasts against
        `y`. A larger weight leaves fewer edges.
    penalties : iterable of float or tensor
        Penalty of each iteration; gradients whose squared length is below `weight / penalty`
        become 0. See `split_gradients`.

    References
    ----------
    L. Xu, S. Zheng, J. Jia, "Unnatural L0 sparse representation for natural image deblurring",
    CVPR 2013.
    """

    def pull(gradients: Tensor, penalty: float | Tensor) -> Tensor:
        return gradient_adjoint(keep_long(gradients, weight / penalty))

    power = otf.real.square() + otf.imag.square()
    return split_gradients(
        y * torch.ones_like(weight),
        otf.conj() * fft(y, 2),
        power,
        laplacian_otf(y.shape[-2:], y),
        penalties,
        pull,
        STABILISER,
    )[0]
