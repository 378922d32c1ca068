"""Kernels as a blind estimate gets them wrong, to learn what a kernel's error does to an image."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, map_coordinates
from torch import Tensor
from torch.nn import functional

from unblur.model.kernel import Kernel
from unblur.training.images import uniform

WARP, GAIN, SOFTNESS, FAINTNESS = 0.8, 0.7, 1.0, 0.15
"""Of the strongest error: pixels by which light is misplaced and factor e^x by which its weight
is, both root mean square, the standard deviation of the smoothing, and the share of the peak
below which light is lost."""
KNOTS = 4
"""Places along each axis where the errors are drawn; in between they are interpolated."""


def mistaken(kernel: Kernel, generator: torch.Generator) -> Kernel:
    """Return a kernel as a blind estimate might have it, of the same extent.

    Light lies a little beside where it should, smoothed, too strong here and too weak there,
    and faint parts are missing; how much so is drawn, from hardly to grossly.

    Parameters
    ----------
    kernel : Kernel
        The true one, (h, w).
    generator : torch.Generator
        Source of the errors.

    Example
    -------
    >>> from unblur.numerics.metrics import kernel_similarity
    >>> kernel = Kernel(np.eye(15))
    >>> wrong = mistaken(kernel, torch.Generator().manual_seed(0))
    >>> 0.5 < kernel_similarity(wrong.weights, kernel.weights) < 1
    True
    """
    strength = uniform(generator)
    true = kernel.tensor(dtype=torch.float32)
    *flow, gain = strength * _smooth(3, true.shape, generator)
    # On average light stays where it is: what is misplaced as a whole is no error of a kernel.
    moved = [WARP * (along - (true * along).sum() / true.sum()) for along in flow]
    softness = SOFTNESS * strength * uniform(generator)
    wrong = gaussian_filter((true * (GAIN * gain).exp()).numpy(), softness, mode="constant")
    places = np.indices(wrong.shape) - torch.stack(moved).numpy()
    wrong = map_coordinates(wrong, places, order=1)
    faint = FAINTNESS * strength * uniform(generator) * wrong.max()
    return Kernel(np.where(wrong < faint, 0, wrong))


def _smooth(count: int, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Return smooth random fields (count, h, w) of about unit variance."""
    knots = torch.randn(1, count, KNOTS, KNOTS, generator=generator)
    return functional.interpolate(knots, tuple(shape), mode="bicubic", align_corners=True)[0]
