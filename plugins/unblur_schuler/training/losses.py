"""What the training makes small."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from unblur.numerics.operators import gradient
from unblur_schuler.quotient import tile_window


def dissimilarity(kernel: Tensor, truth: Tensor, reach: int = 2) -> Tensor:
    """Return 1 less the normalised correlation of kernels at the best small shift.

    Parameters
    ----------
    kernel, truth : (1, n, n), (1, m, m)
        Both with an odd extent and the centre in the middle.
    reach : int
        Largest shift along each axis, in pixels.
    """
    margin = reach + max((truth.shape[-1] - kernel.shape[-1]) // 2, 0)
    spare = max((kernel.shape[-1] - truth.shape[-1]) // 2, 0)
    ours = functional.pad(kernel, (margin,) * 4)[None]
    theirs = functional.pad(truth, (spare,) * 4)[None]
    agreement = functional.conv2d(ours, theirs).max()
    loss: Tensor = 1 - agreement / (kernel.norm() * truth.norm())
    return loss


def edge_loss(features: Tensor, sharp: Tensor) -> Tensor:
    """Return half of 1 less the correlation of features with a scene's clear edges.

    Parameters
    ----------
    features : (B, N, h, w)
        The first along rows, the second along columns; further ones are free.
    sharp : (B, 1, h, w)
        The scene, whose derivatives are squashed by tanh at twice their root mean square.
    """
    slopes = gradient(sharp)[:, :, 0].transpose(0, 1)
    edges = torch.tanh(slopes / (2 * slopes.square().mean().sqrt() + 1e-6))
    window = tile_window(*sharp.shape[-2:]).to(sharp)
    found, wanted = features[:, :2] * window, edges * window
    loss: Tensor = 0.5 * (1 - (found * wanted).sum() / (found.norm() * wanted.norm() + 1e-12))
    return loss
