"""Terms of the training loss: error of the kernel, and error of the features."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from unblur.numerics.operators import gradient
from unblur_schuler.quotient import tile_window


def kernel_loss(kernel: Tensor, truth: Tensor, max_shift: int = 2) -> Tensor:
    """Return 1 minus the normalised correlation of kernels at the best small shift.

    Parameters
    ----------
    kernel, truth : (1, n, n), (1, m, m)
        Estimated and true kernel, of odd extent and centred.
    max_shift : int
        Largest shift along each axis, in pixels.
    """
    margin = max_shift + max((truth.shape[-1] - kernel.shape[-1]) // 2, 0)
    spare = max((kernel.shape[-1] - truth.shape[-1]) // 2, 0)
    image = functional.pad(kernel, (margin,) * 4)[None]
    template = functional.pad(truth, (spare,) * 4)[None]
    correlation = functional.conv2d(image, template).max()
    loss: Tensor = 1 - correlation / (kernel.norm() * truth.norm())
    return loss


def edge_loss(features: Tensor, sharp: Tensor) -> Tensor:
    """Return half of 1 minus the normalised correlation of features with a scene's clear edges.

    Parameters
    ----------
    features : (B, N, h, w)
        Features; the first is compared along rows, the second along columns.
    sharp : (B, 1, h, w)
        Scene. Its gradients are compressed by tanh at twice their root mean square.
    """
    gradients = gradient(sharp)[:, :, 0].transpose(0, 1)
    edges = torch.tanh(gradients / (2 * gradients.square().mean().sqrt() + 1e-6))
    window = tile_window(*sharp.shape[-2:]).to(sharp)
    found, target = features[:, :2] * window, edges * window
    loss: Tensor = 0.5 * (1 - (found * target).sum() / (found.norm() * target.norm() + 1e-12))
    return loss
