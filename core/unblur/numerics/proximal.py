"""The proximal map of `|x|^p`, which shrinks gradients towards sparse ones."""

from __future__ import annotations

import torch
from torch import Tensor

NEWTON_STEPS = 4
"""Number of Newton steps, dimensionless.

They reach single precision from any start above the threshold, for exponents in (0, 1).
"""


def shrink(x: Tensor, weight: float, exponent: float, ramp: float = 0.0) -> Tensor:
    """Return `argmin_u weight |u|^exponent + (u - x)^2 / 2`, elementwise.

    Parameters
    ----------
    x : tensor
        Any shape.
    weight : float
        Positive; 0 returns `x`.
    exponent : float
        In (0, 1]; at 1 the map is soft thresholding.
    ramp : float
        How far above its least value, relative to it, the minimiser is attenuated, so that the
        map climbs from 0 instead of jumping. Rounding then no longer decides which pixels
        jump, and tiles of an image agree.

    Notes
    -----
    Below a threshold the minimiser is 0. Above it, it is the larger root of
    `u - |x| + weight p u^(p - 1)`, which is convex there, so that Newton's method from `|x|`
    descends to it without overshooting.

    References
    ----------
    The threshold: W. Zuo et al., "A generalized iterated shrinkage algorithm for non-convex
    sparse coding", ICCV 2013, Eq. 10.
    """
    size = x.abs()
    if exponent == 1:
        return torch.sign(x) * (size - weight).clamp_min(0)
    if weight == 0:
        return x
    least = (2 * weight * (1 - exponent)) ** (1 / (2 - exponent))
    threshold = least + weight * exponent * least ** (exponent - 1)
    u = size.clamp_min(threshold)
    start = u
    for _ in range(NEWTON_STEPS):
        slope = weight * exponent * u ** (exponent - 1)
        u = (u - (u - start + slope) / (1 + (exponent - 1) * slope / u)).clamp_min(least)
    if ramp:
        u.mul_(((u - least) / (ramp * least)).clamp_max_(1))
    return torch.where(size > threshold, torch.copysign(u, x), torch.zeros_like(x))
