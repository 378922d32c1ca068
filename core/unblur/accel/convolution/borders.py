"""Reflection padding with deterministic derivatives."""

from __future__ import annotations

import torch
from torch import Tensor


def reflected(x: Tensor) -> Tensor:
    """Return (B, C, H, W) with one pixel mirrored beyond each border: (B, C, H + 2, W + 2).

    torch's own padding sums derivatives in no fixed order on a GPU; slices and concatenations
    are deterministic.
    """
    x = torch.cat([x[..., 1:2, :], x, x[..., -2:-1, :]], -2)
    return torch.cat([x[..., 1:2], x, x[..., -2:-1]], -1)
