"""L0-regularised latent images, which keep clear edges alone."""

from __future__ import annotations

from torch import Tensor

from unblur.numerics.fourier import fast_length, psf_to_otf
from unblur.numerics.half_quadratic import l0_deconvolve
from unblur.numerics.operators import extend_periodic

FIRST_PENALTY, PENALTY_GROWTH, ITERATIONS = 2.0, 3.0, 7
"""First penalty relative to the L0 weight, its factor per iteration, and number of iterations."""


def l0_latent_images(y: Tensor, kernel: Tensor, weights: Tensor) -> Tensor:
    """Return the L0-regularised latent images, one per weight, cropped to the extent of `y`.

    About `argmin_x |k * x - y|^2 + weight |grad x|_0`, by half-quadratic splitting.

    Parameters
    ----------
    y : (B, 1, h, w)
        Blurred image, of standard deviation `CONTRAST`.
    kernel : (B, n, n)
        Kernels, of sum 1.
    weights : (L,) or (B, L)
        Weights of a pixel with a gradient, relative to the squared residual; a larger weight
        leaves fewer edges.

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
    weight = weights[..., None, None]
    penalties = [FIRST_PENALTY * PENALTY_GROWTH**n * weight for n in range(ITERATIONS)]
    latent = l0_deconvolve(scene, psf_to_otf(kernel, domain)[:, None], weight, penalties)
    return latent[..., lead : lead + y.shape[-2], lead : lead + y.shape[-1]] + mean
