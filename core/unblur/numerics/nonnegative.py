"""Removal of negative values that keeps the light of their surroundings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def clip_negative(x: Tensor, radius: Sequence[int]) -> Tensor:
    """Return `x` with negative values at 0, and their light taken from positive ones around them.

    Clipping alone adds light: a linear filter surrounds a bright point by rings below 0, which
    cancel a part of its peak. The light of a pixel `q` below 0 is shared by the positive pixels `p`
    in the box of `radius` around it, in proportion to their values::

        z(p) = x+(p) max(1 - sum_q x-(q) / sum_r x+(r), 0)

    with `q` over the box around `p`, and `r` over that around `q`. The sum of `z` is that of `x`
    unless the light within a box is negative as a whole.

    Parameters
    ----------
    x : (C, *spatial) tensor
        Values of any scale.
    radius : sequence of int
        Half the box without its middle, along each spatial axis, in pixels.

    Returns
    -------
    (C, *spatial) tensor
        At least 0; NaN stays NaN and is left out of the sums.

    Example
    -------
    >>> clip_negative(torch.tensor([[0.0, -1.0, 4.0, -1.0, 0.0]]), [1])
    tensor([[0., 0., 2., 0., 0.]])
    """
    positive = x.clamp_min(0)
    present = positive.nan_to_num(0)
    negative = (-x).clamp_min(0).nan_to_num(0)
    if not bool(negative.any()):
        return positive
    around = box_sum(present, radius)
    share = torch.where(around > 0, negative / around.clamp_min(torch.finfo(x.dtype).tiny), 0)
    return positive * (1 - box_sum(share, radius)).clamp_min(0)


def box_sum(x: Tensor, radius: Sequence[int]) -> Tensor:
    """Return the sums of `x` (C, *spatial) over the box of `radius` around each pixel."""
    for axis, half in enumerate(radius, start=x.ndim - len(radius)):
        if half == 0:
            continue
        lines = x.movedim(axis, -1)
        flat = lines.reshape(-1, 1, lines.shape[-1])
        width = 2 * half + 1
        sums = width * torch.nn.functional.avg_pool1d(flat, width, stride=1, padding=half)
        x = sums.reshape(lines.shape).movedim(-1, axis)
    return x
