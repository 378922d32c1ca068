"""The edges that tell most about a kernel: strong ones, of every direction."""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

PER_DIRECTION = 2
"""Pixels wanted in each quarter of the directions, per pixel of the kernel's extent."""


def threshold_for(slopes: Tensor, size: int) -> float:
    """Return the gradient length above which every direction keeps enough pixels.

    Parameters
    ----------
    slopes : (2, H, W)
        Gradient of an image, rows first.
    size : int
        Extent of the kernel sought, in pixels.

    Returns
    -------
    float
        The least, over four ranges of direction, of the length that leaves
        `PER_DIRECTION * size` pixels.

    References
    ----------
    S. Cho, S. Lee, "Fast motion deblurring", ACM TOG 28(5), 2009, section 4.
    """
    length = slopes.square().sum(0).sqrt()
    direction = torch.atan(slopes[0] / (slopes[1] + 1e-20))
    quarter = ((direction + pi / 2) / (pi / 4)).long().clamp(0, 3)
    wanted = PER_DIRECTION * size
    lengths = []
    for q in range(4):
        group = length[quarter == q]
        if group.numel():
            lengths.append(float(group.topk(min(wanted, group.numel())).values[-1]))
    return min(lengths)


def salient(slopes: Tensor, threshold: float) -> Tensor:
    """Return the gradient with all that is shorter than `threshold` set to 0, never all of it."""
    length = slopes.square().sum(0)
    return slopes * (length >= min(threshold**2, 0.5 * float(length.max())))
