"""Noise of JPEG compression, from the steps at the borders of its blocks of 8 x 8 pixels."""

from __future__ import annotations

import math

from torch import Tensor

from unblur.numerics.statistics import MAD_TO_STD

BLOCK = 8
"""Edge of the blocks, in pixels."""
MIN_RATIO = 1.4
"""Smallest variance of the steps at the borders of blocks, relative to those elsewhere, at which
an image has blocks, dimensionless; 0.9 to 1.1 for images without, 2.5 to 9 for qualities of 75 to
90."""
MAX_NOISE = 0.05
"""Largest noise of compression, white = 1; what is larger is the scene's."""
MIN_EXTENT = 4 * BLOCK
"""Smallest extent of an image that shows its blocks, in pixels."""


def estimate_block_noise(x: Tensor) -> float:
    """Return the standard deviation of the errors of JPEG compression, 0 where there are no blocks.

    Parameters
    ----------
    x : (..., H, W) float tensor
        Finite, white = 1. Leading axes are estimated together.

    Returns
    -------
    float
        In units of white.

    Notes
    -----
    The coarse steps of the compression make an error that is smooth within a block and independent
    in the next one, so that the difference of two pixels across the border has twice its variance
    more than one within. `estimate_noise` does not see it, and a deconvolution makes ripples of it.
    The position of the blocks may be any. Both axes must have them: a scene that repeats itself
    after 8 pixels mostly does so along one.

    Example
    -------
    >>> import torch
    >>> draw = torch.Generator().manual_seed(0)
    >>> blocks = torch.randn(16, 16, generator=draw).kron(torch.ones(8, 8))
    >>> noise = 0.002 * torch.randn(128, 128, generator=draw)
    >>> round(estimate_block_noise(0.5 + 0.01 * blocks + noise), 2)
    0.01
    >>> estimate_block_noise(0.5 + noise)
    0.0
    """
    if x.ndim < 2 or min(x.shape[-2:]) < MIN_EXTENT:
        return 0.0
    excess = [_excess_variance(steps) for steps in (_steps(x), _steps(x.mT))]
    noise = math.sqrt(sum(excess) / 4)
    return noise if min(excess) > 0 and noise <= MAX_NOISE else 0.0


def _steps(x: Tensor) -> Tensor:
    """Return the differences of neighbours along the last axis, less the mean slope beside them."""
    d = x.diff(dim=-1)
    return d[..., 1:-1] - (d[..., :-2] + d[..., 2:]) / 2


def _excess_variance(steps: Tensor) -> float:
    """Return the variance of the steps at every 8th position beyond that of the others, or 0."""
    phases = [steps[..., start::BLOCK].abs().flatten() for start in range(BLOCK)]
    variances = [(MAD_TO_STD * float(p.median())) ** 2 for p in phases]
    largest = max(variances)
    others = (sum(variances) - largest) / (BLOCK - 1)
    return largest - others if largest > MIN_RATIO * others else 0.0
