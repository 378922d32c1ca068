"""Latent images that keep clear edges alone: image quotients with thresholds in between."""

from __future__ import annotations

from torch import Tensor

from unblur.numerics.fourier import fast_length, fft, inverse_fft, psf_to_otf
from unblur.numerics.operators import extend_periodic, gradient, gradient_adjoint, laplacian_otf

FIRST, GROWTH, QUOTIENTS = 2.0, 3.0, 7
"""The first penalty relative to the weight, its growth, and how many quotients are taken."""


def cartoons(y: Tensor, kernel: Tensor, prices: Tensor) -> Tensor:
    """Return the latent images of few edges, one per price, cut to the window of `y`.

    About `argmin_x |k * x - y|^2 + price |grad x|_0`, by half-quadratic splitting: gradients
    too short for the present penalty become 0, and the image nearest to those left and to the
    observation is a quotient (Schuler Eq. 5).

    Parameters
    ----------
    y : (B, 1, h, w)
        Blurred image, of contrast `CONTRAST`.
    kernel : (B, n, n)
        Kernels, of sum 1.
    prices : (L,) or (B, L)
        What one pixel's edge costs; more leaves fewer.

    Returns
    -------
    (B, L, h, w)

    References
    ----------
    L. Xu, S. Zheng, J. Jia, "Unnatural L0 sparse representation for natural image deblurring",
    CVPR 2013.
    """
    lead = kernel.shape[-1] // 2
    domain = [fast_length(n + kernel.shape[-1]) for n in y.shape[-2:]]
    mean = y.mean((-2, -1), keepdim=True)
    scene = extend_periodic(y - mean, domain, (lead, lead))
    otf = psf_to_otf(kernel, domain)[:, None]
    power = otf.real.square() + otf.imag.square()
    laplacian = laplacian_otf(domain, y)
    given = otf.conj() * fft(scene, 2)
    price = prices[..., None, None]
    latent = scene.expand(-1, prices.shape[-1], -1, -1)
    for number in range(QUOTIENTS):
        penalty = FIRST * GROWTH**number * price
        slopes = gradient(latent)
        slopes = slopes * (slopes.square().sum(0) >= price / penalty)
        pull = fft(gradient_adjoint(slopes), 2)
        latent = inverse_fft(
            (given + penalty * pull) / (power + penalty * laplacian + 1e-8), domain
        )
    return latent[..., lead : lead + y.shape[-2], lead : lead + y.shape[-1]] + mean
