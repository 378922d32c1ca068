"""Where an image exceeds its background by more than the noise."""

from __future__ import annotations

import torch
from torch import Tensor

from unblur.numerics.operators import Blur

RAMP = 0.8
"""Significance up to which the weight is 0, as a fraction of the threshold, dimensionless."""

MIN_KNOWN = 1e-5
"""Smallest sum of `K2'(1 / variance)` at a pixel, relative to the largest, below which its valid
surroundings say nothing about it, dimensionless."""


def damping_weight(
    excess: Tensor, variance: Tensor, kernel: Tensor, threshold: float, mask: Tensor | None = None
) -> Tensor:
    """Return 0 where the noise explains an image, and 1 where something exceeds it.

    Parameters
    ----------
    excess : (C, *spatial)
        Image without its background.
    variance : (C, 1, ...) or (C, *spatial)
        Variance of its noise, positive.
    kernel : (*k)
        Blur kernel, sum 1.
    threshold : float
        Significance from which the weight is 1, in standard deviations, positive.
    mask : (*spatial), optional
        1 = valid pixel.

    Returns
    -------
    (C, *domain)
        In [0, 1], of the scene; see `Blur`.

    Notes
    -----
    The significance `s` of a pixel is that of a point source there: the excess under the kernel,
    each pixel by its variance, over the standard deviation of this sum::

        s = K'(excess / variance) / sqrt(K2'(1 / variance))

    where `K2` is the convolution with the square of the kernel. The weight rises smoothly from 0
    at `RAMP` of the threshold to 1 at the threshold.

    References
    ----------
    P. B. Stetson, "DAOPHOT: a computer program for crowded-field stellar photometry", PASP 99,
    1987: significance. R. L. White, "Image restoration using the damped Richardson-Lucy method",
    The Restoration of HST Images and Spectra II, 1994: iterations damped where the prediction
    agrees with the data, by the likelihood of a pixel alone.
    """
    shape = excess.shape[1:]
    information = (1 / variance).expand(excess.shape)
    blur, square = Blur(kernel, shape, mask), Blur(kernel.square(), shape, mask)
    signal, power = blur.adjoint(excess * information), square.adjoint(information)
    known = power > MIN_KNOWN * power.amax()
    significance = torch.where(known, signal * power.clamp_min(1e-30).rsqrt(), 0)
    u = ((significance / threshold - RAMP) / (1 - RAMP)).clamp(0, 1)
    return u.square() * (3 - 2 * u)
