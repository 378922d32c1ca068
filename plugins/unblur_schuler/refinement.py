"""The last turns: cartoons with ever more edges, which tell the faint parts of a kernel."""

from __future__ import annotations

import torch
from torch import Tensor

from unblur.operators import gradient
from unblur_schuler.cartoon import CONTRAST, cartoons
from unblur_schuler.descent import OnStep, recentred, summed

FIRST, LAST = 1e-2, 1e-4
"""Prices of an edge in the first and in the last turn."""
RIDGE = 0.1
"""The beta_k of Eq. 4, relative to the mean power of the features."""
FAINT = 0.04
"""Share of the peak below which a value becomes 0 after each turn."""


def refined(y: Tensor, kernel: Tensor, turns: int, on_step: OnStep | None = None) -> Tensor:
    """Return kernels with what the network's few clear edges could not tell.

    In each turn the latent image is a cartoon for the kernel so far, at a lower price of an
    edge than in the turn before, and the kernel is the quotient of the gradients (Eq. 4).

    Parameters
    ----------
    y : (B, 1, H, W)
        Blurred image.
    kernel : (B, n, n)
        Kernels to start from, of sum 1.
    turns : int
        How many.
    on_step : callable, optional
        Called after every turn.
    """
    y = y * (CONTRAST / y.std((-2, -1), keepdim=True).clamp_min(1e-6))
    for price in torch.logspace(0, 1, turns, base=LAST / FIRST).mul(FIRST).tolist():

        def slopes(
            tile: Tensor, kernel: Tensor = kernel, price: float = price
        ) -> tuple[Tensor, Tensor]:
            latent = cartoons(tile, kernel, (price,))
            sharp, blurred = (gradient(x)[:, :, 0].transpose(0, 1) for x in (latent, tile))
            return sharp, blurred

        raw = summed(y, slopes).kernel(kernel.shape[-1], RIDGE)
        peak = raw.amax((-2, -1), keepdim=True)
        kept = torch.where(raw < FAINT * peak, 0, raw)
        kernel = recentred(kept / kept.sum((-2, -1), keepdim=True))
        if on_step is not None:
            on_step()
    return kernel


def slopes(y: Tensor, kernel: Tensor, price: float) -> tuple[Tensor, Tensor]:
    """Return the gradients of the cartoon and of the image, (B, 2, h, w) each."""
    latent = cartoons(y, kernel, (price,))
    sharp, blurred = (gradient(x)[:, :, 0].transpose(0, 1) for x in (latent, y))
    return sharp, blurred
