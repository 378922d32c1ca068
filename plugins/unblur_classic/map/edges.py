"""Salient edges: the strongest gradients, of all directions, for the kernel update."""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

from unblur.numerics.half_quadratic import keep_long

PER_DIRECTION = 2
"""Number of gradients in each of four ranges of direction, per pixel of the kernel's extent."""


def salient_threshold(gradients: Tensor, size: int) -> float:
    """Return the gradient length above which each range of directions has the wanted pixels.

    Parameters
    ----------
    gradients : (2, H, W)
        Gradient of an image, rows first.
    size : int
        Extent of the kernel to be estimated, in pixels.

    Returns
    -------
    float
        The smallest, over four ranges of direction, of the length that
        `PER_DIRECTION * size` pixels reach.

    References
    ----------
    S. Cho, S. Lee, "Fast motion deblurring", ACM TOG 28(5), 2009, section 4.
    """
    length = gradients.square().sum(0).sqrt()
    direction = torch.atan(gradients[0] / (gradients[1] + 1e-20))
    quarter = ((direction + pi / 2) / (pi / 4)).long().clamp(0, 3)
    wanted = PER_DIRECTION * size
    lengths = []
    for q in range(4):
        group = length[quarter == q]
        if group.numel():
            lengths.append(float(group.topk(min(wanted, group.numel())).values[-1]))
    return min(lengths)


def keep_salient(gradients: Tensor, threshold: float) -> Tensor:
    """Return the gradients, 0 where shorter than `threshold`, but never all of them."""
    longest = float(gradients.square().sum(0).max())
    return keep_long(gradients, min(threshold**2, 0.5 * longest))
