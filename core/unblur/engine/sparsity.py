"""Which of several kernels fits a piece of an image: the one that makes it sparsest."""

from __future__ import annotations

import torch
from torch import Tensor

from unblur.fourier import apply_otf, psf_to_otf
from unblur.kernels import Kernel
from unblur.operators import laplacian_otf, taper

SMOOTHNESS = 1e-2
"""Weight of the squared gradient in the quick deconvolution."""

LARGEST_PIECE = 256
"""Edge in pixels of the middle of a piece that is looked at."""


def sparsity(blurred: Tensor, kernel: Kernel, mask: Tensor | None = None) -> float:
    """Return how far from sparse the gradients of a piece are once `kernel` is undone.

    The measure is `|g|_1 / |g|_2`, per root of the number of values, of the gradients `g` of a
    Wiener-filtered piece, mean over channels: between 0 (one edge) and 1 (edges everywhere).
    Blur raises it, since it spreads edges, and so does the ringing that a wrong kernel leaves;
    other measures of sparsity favour blur.

    Parameters
    ----------
    blurred : (C, *spatial)
        The piece, white = 1; larger than the kernel.
    kernel : Kernel
        With as many axes as the piece has spatial ones.
    mask : (*spatial), optional
        1 where a pixel may be trusted.

    References
    ----------
    D. Krishnan, T. Tay, R. Fergus, "Blind deconvolution using a normalized sparsity measure",
    CVPR 2011.
    """
    count = kernel.ndim
    middle = _middle(blurred.shape[1:])
    piece = blurred[(slice(None), *middle)]
    weights = kernel.tensor().to(piece)
    otf = psf_to_otf(weights, piece.shape[1:])
    damped = otf.abs() ** 2 + SMOOTHNESS * laplacian_otf(piece.shape[1:], piece) + 1e-9
    sharp = apply_otf(taper(piece, weights), otf.conj() / damped, count)
    inner = tuple(slice(n, -n or None) for n in kernel.shape)
    trusted = torch.ones_like(piece[0]) if mask is None else mask[middle]
    return _ratio(sharp[(slice(None), *inner)], trusted[inner])


def _ratio(sharp: Tensor, trusted: Tensor) -> float:
    slopes = []
    for axis in range(1, sharp.ndim):
        kept = trusted.narrow(axis - 1, 0, sharp.shape[axis] - 1)
        slopes.append((sharp.diff(dim=axis) * kept).flatten(1))
    gradients = torch.cat(slopes, 1)
    size = max(gradients.shape[1], 1)
    ratio = gradients.abs().sum(1) / gradients.norm(dim=1).clamp_min(1e-12) / size**0.5
    return float(ratio.mean())


def _middle(shape: torch.Size) -> tuple[slice, ...]:
    """Return the middle of a piece, whole along the axes that are short enough."""
    spans = []
    for n in shape:
        margin = max(n - LARGEST_PIECE, 0) // 2
        spans.append(slice(margin, n - margin))
    return tuple(spans)
