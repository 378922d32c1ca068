"""Padding and doubling of feature maps, with derivatives that are the same on every run.

The library's own kernels for both add up derivatives in no fixed order on a GPU. Slices and
sums do not.
"""

from __future__ import annotations

import torch
from torch import Tensor


def reflected(x: Tensor) -> Tensor:
    """Return (B, C, H, W) with one pixel mirrored beyond each border: (B, C, H + 2, W + 2)."""
    x = torch.cat([x[..., 1:2, :], x, x[..., -2:-1, :]], -2)
    return torch.cat([x[..., 1:2], x, x[..., -2:-1]], -1)


def doubled(x: Tensor) -> Tensor:
    """Return (B, C, H, W) bilinearly at twice the size: (B, C, 2 H, 2 W)."""
    return _doubled(_doubled(x, -1), -2)


def _doubled(x: Tensor, dim: int) -> Tensor:
    last = x.shape[dim] - 1
    before = torch.cat([x.narrow(dim, 0, 1), x.narrow(dim, 0, last)], dim)
    after = torch.cat([x.narrow(dim, 1, last), x.narrow(dim, last, 1)], dim)
    pair = torch.stack([torch.lerp(x, before, 0.25), torch.lerp(x, after, 0.25)], dim)
    after_dim = x.ndim + dim
    return pair.flatten(after_dim, after_dim + 1)
