"""The proximal map of `|x|^p`, which shrinks gradients towards sparse ones."""

from __future__ import annotations

import torch
from torch import Tensor

NEWTON_STEPS = 4
"""Number of Newton steps, dimensionless.

They reach single precision from any start above the threshold, for exponents in (0, 1).
"""

BLOCK = 1 << 15
"""Values that a processor shrinks at a time, so that all steps find them in its cache,
dimensionless."""


def shrink(x: Tensor, weight: float, exponent: float, ramp: float = 0.0) -> Tensor:
    """Return `argmin_u weight |u|^exponent + (u - x)^2 / 2`, elementwise.

    Parameters
    ----------
    x : tensor
        Any shape, without a derivative.
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
    if exponent == 1:
        return torch.sign(x) * (x.abs() - weight).clamp_min(0)
    if weight == 0:
        return x
    least = (2 * weight * (1 - exponent)) ** (1 / (2 - exponent))
    x = x.contiguous()
    shrunk = torch.empty_like(x)
    block = BLOCK if x.device.type == "cpu" else max(x.numel(), 1)
    parts = (torch.split(flat, block) for flat in (x.view(-1), shrunk.view(-1)))
    for values, out in zip(*parts, strict=True):
        _shrink_block(values, weight, exponent, least, ramp, out)
    return shrunk


def _shrink_block(
    x: Tensor, weight: float, exponent: float, least: float, ramp: float, out: Tensor
) -> None:
    """Write the shrunk values of a block into `out`, by Newton's method in place."""
    threshold = least + weight * exponent * least ** (exponent - 1)
    size = x.abs()
    start = size.clamp_min(threshold)
    u = start.clone()
    slope, curvature, step = (torch.empty_like(x) for _ in range(3))
    for _ in range(NEWTON_STEPS):
        torch.pow(u, exponent - 1, out=slope).mul_(weight * exponent)
        torch.mul(slope, exponent - 1, out=curvature).div_(u).add_(1)
        torch.sub(u, start, out=step).add_(slope).div_(curvature)
        u.sub_(step).clamp_min_(least)
    if ramp:
        u.mul_(torch.sub(u, least, out=step).div_(ramp * least).clamp_max_(1))
    torch.where(size > threshold, torch.copysign(u, x), u.new_zeros(()), out=out)
