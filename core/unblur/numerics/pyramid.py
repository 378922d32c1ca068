"""Coarse to fine: the sizes of image and kernel from scale to scale, and the way between them."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log

import torch
from torch import Tensor
from torch.nn import functional

RATIO = 0.5**0.5
"""Of one scale's size to the next finer one's."""


@dataclass(frozen=True)
class PyramidLevel:
    """One level of a pyramid.

    Attributes
    ----------
    ratio : float
        Size of the image relative to the full one, at most 1.
    size : int
        Extent of the kernel along both axes, odd but at full size as asked for.
    """

    ratio: float
    size: int


def pyramid_levels(size: int, coarsest: int = 5, ratio: float = RATIO) -> list[PyramidLevel]:
    """Return the scales for a kernel of `size` pixels, the coarsest first, the full one last.

    The kernel of the coarsest scale measures about `coarsest` pixels.

    Example
    -------
    >>> [(round(s.ratio, 2), s.size) for s in pyramid_levels(13)]
    [(0.5, 7), (0.71, 11), (1.0, 13)]
    """
    count = max(floor(log(coarsest / size) / log(ratio)), 0)
    levels = [ratio**n for n in range(count, 0, -1)]
    return [
        *(PyramidLevel(r, max(odd(ceil(size * r)), 3)) for r in levels),
        PyramidLevel(1.0, size),
    ]


def odd(n: int) -> int:
    """Return the smallest odd number that is not below `n`."""
    return n + 1 - n % 2


def shrink_image(x: Tensor, ratio: float) -> Tensor:
    """Return (..., H, W) at `ratio` of its size, each pixel an average of those it covers."""
    if ratio == 1:
        return x
    size = [max(1, round(n * ratio)) for n in x.shape[-2:]]
    batch = x.reshape(1, -1, *x.shape[-2:])
    small: Tensor = functional.interpolate(
        batch, size=size, mode="bilinear", antialias=True, align_corners=False
    )
    return small.reshape(*x.shape[:-2], *size)


def rescale_kernel(kernel: Tensor, size: int, ratio: float) -> Tensor:
    """Return kernels as they are on a grid whose pixels are `1 / ratio` as large, of sum 1.

    Parameters
    ----------
    kernel : (..., n, n)
        Centre at `n // 2`, which stays the centre.
    size : int
        Edge of the new support, in pixels; samples beyond it are dropped.
    ratio : float
        Factor of the scale. Below 1, mass is distributed over the larger pixels; above 1, the
        kernel is interpolated linearly.
    """
    n = kernel.shape[-1]
    new = torch.arange(size, dtype=kernel.dtype, device=kernel.device)[:, None] - size // 2
    old = torch.arange(n, dtype=kernel.dtype, device=kernel.device) - n // 2
    distance = new - old * ratio if ratio < 1 else new / ratio - old
    share = (1 - distance.abs()).clamp_min(0)
    result = share @ kernel @ share.T
    return result / result.sum((-2, -1), keepdim=True)


def resize_kernel(kernel: Tensor, size: int) -> Tensor:
    """Return a kernel (n, n) stretched to (size, size), non-negative, of sum 1.

    The scale is `size / n`, for a scene that is stretched by the same ratio; elsewhere
    `rescale_kernel` keeps the scale exactly.
    """
    stretched = functional.interpolate(
        kernel[None, None], size=(size, size), mode="bilinear", align_corners=False
    )[0, 0].clamp_min(0)
    return stretched / stretched.sum()
