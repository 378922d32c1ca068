"""The proximal map of `|x|^p`, which shrinks gradients towards sparse ones."""

from __future__ import annotations

import torch
from torch import Tensor

NEWTON_STEPS = 4
"""Number of Newton steps, dimensionless.

They reach single precision from any start above the threshold, for exponents in (0, 1).
"""

ROOTS = {0.5: 2, 2 / 3: 3}
"""Exponents `1 - 1 / m` and their `m`: the m-th root of the minimiser is a root of a polynomial,
which is found without powers in a third of the time, with errors of at most 1e-6."""

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
    descends to it without overshooting. For the exponents 1/2 and 2/3 the same is done for the
    root of a polynomial (`ROOTS`).

    References
    ----------
    The threshold: W. Zuo et al., "A generalized iterated shrinkage algorithm for non-convex
    sparse coding", ICCV 2013, Eq. 10.
    """
    if exponent == 1:
        return torch.sign(x) * (x.abs() - weight).clamp_min(0)
    if weight == 0:
        return x
    x = x.contiguous()
    shrunk = torch.empty_like(x)
    block = BLOCK if x.device.type == "cpu" else max(x.numel(), 1)
    parts = (torch.split(flat, block) for flat in (x.view(-1), shrunk.view(-1)))
    for values, out in zip(*parts, strict=True):
        _shrink_block(values, weight, exponent, ramp, out)
    return shrunk


def least_minimiser(weight: float, exponent: float) -> tuple[float, float]:
    """Return the least minimiser that is not 0, and the size of `x` from which it is reached."""
    least = float((2 * weight * (1 - exponent)) ** (1 / (2 - exponent)))
    return least, float(least + weight * exponent * least ** (exponent - 1))


def _shrink_block(x: Tensor, weight: float, exponent: float, ramp: float, out: Tensor) -> None:
    """Write the shrunk values of a block into `out`, by Newton's method in place."""
    least, threshold = least_minimiser(weight, exponent)
    size = x.abs()
    start = size.clamp_min(threshold)
    if exponent in ROOTS:
        u = _minimiser_by_root(start, weight * exponent, ROOTS[exponent])
    else:
        u = _minimiser(start, weight, exponent)
    u.clamp_min_(least)
    if ramp:
        u.mul_(torch.sub(u, least).div_(ramp * least).clamp_max_(1))
    torch.copysign(u, x, out=out).mul_(size.gt_(threshold))


def _minimiser(start: Tensor, weight: float, exponent: float) -> Tensor:
    """Return the larger root `u` of `u - start + weight p u^(p - 1)`."""
    u = start.clone()
    slope, curvature, step = (torch.empty_like(u) for _ in range(3))
    for _ in range(NEWTON_STEPS):
        torch.pow(u, exponent - 1, out=slope).mul_(weight * exponent)
        torch.mul(slope, exponent - 1, out=curvature).div_(u).add_(1)
        torch.sub(u, start, out=step).add_(slope).div_(curvature)
        u.sub_(step)
    return u


def _minimiser_by_root(start: Tensor, constant: float, m: int) -> Tensor:
    """Return `v^m` for the larger root `v` of `v^(m + 1) - start v + constant`.

    The least `start` is `(m + 1) / m` minimisers for `m = 2` and 2 for `m = 3`; from there `m + 2`
    steps reach single precision.
    """
    v = start.sqrt() if m == 2 else start.pow(1 / m)
    power, slope = torch.reciprocal(start).mul_(constant / m), torch.empty_like(v)
    v.sub_(power)  # The first step, at which v^m is `start`.
    for _ in range(m + 1):
        torch.mul(v, v, out=power)
        if m == 3:
            power.mul_(v)
        torch.mul(power, m + 1, out=slope).sub_(start)
        v.mul_(power).mul_(m).sub_(constant).div_(slope)
    return v * v if m == 2 else v * v * v
