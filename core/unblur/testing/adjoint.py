"""The law of linear operators: the adjoint satisfies its definition."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from unblur.testing.law import LawBroken


def check_adjoint(
    forward: Callable[[Tensor], Tensor],
    adjoint: Callable[[Tensor], Tensor],
    domain: Sequence[int],
    *,
    seed: int = 0,
) -> None:
    """Raise `LawBroken` unless `<forward(x), y> = <x, adjoint(y)>` in float64.

    Parameters
    ----------
    forward, adjoint : callable
        Linear maps between tensors; `forward` takes a tensor of shape `domain`.
    domain : sequence of int
        Shape of the input of `forward`.
    seed : int
        Seed of the random tensors.

    Example
    -------
    >>> check_adjoint(lambda x: 2 * x[1:], lambda y: 2 * torch.cat([y[:1] * 0, y]), (5,))
    """
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(tuple(domain), generator=draw, dtype=torch.float64)
    image = forward(x)
    y = torch.randn(image.shape, generator=draw, dtype=torch.float64)
    back = adjoint(y)
    if back.shape != x.shape:
        raise LawBroken(f"the adjoint returns {tuple(back.shape)}, the domain is {tuple(x.shape)}.")
    left, right = float((image * y).sum()), float((x * back).sum())
    scale = float(image.norm() * y.norm())
    if abs(left - right) > 1e-9 * max(scale, 1.0):
        raise LawBroken(f"<forward(x), y> is {left:.12g} and <x, adjoint(y)> is {right:.12g}.")
