"""Kernel-error augmentation: kernels with errors like those of blind estimates."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, map_coordinates
from torch import Tensor
from torch.nn import functional

from unblur.model.kernel import Kernel
from unblur.training.images import uniform

WARP, GAIN, SOFTNESS, THRESHOLD = 0.8, 0.7, 1.0, 0.15
"""Root mean square displacement of the weights in pixels, root mean square log of their gain,
standard deviation of the smoothing in pixels, and fraction of the peak below which weights are set
to 0, all of the largest error that is drawn."""
KNOTS = 4
"""Number of places along each axis where the errors are drawn; in between they are interpolated, a
count."""


def perturb_kernel(kernel: Kernel, generator: torch.Generator) -> Kernel:
    """Return a kernel of the same extent with errors like those of a blind estimate.

    The weights are displaced, multiplied by smooth random gains, blurred and thresholded; the
    strength of the errors is drawn uniformly between none and the largest.

    Parameters
    ----------
    kernel : Kernel
        True kernel, (h, w).
    generator : torch.Generator
        Source of the errors.

    Example
    -------
    >>> from unblur.numerics.metrics import kernel_similarity
    >>> kernel = Kernel(np.eye(15))
    >>> wrong = perturb_kernel(kernel, torch.Generator().manual_seed(0))
    >>> 0.5 < kernel_similarity(wrong.weights, kernel.weights) < 1
    True
    """
    strength = uniform(generator)
    true = kernel.tensor(dtype=torch.float32)
    *flow, gain = strength * _smooth(3, true.shape, generator)
    # The mean displacement is removed: a shift of the whole kernel is not an error of its shape.
    moved = [WARP * (along - (true * along).sum() / true.sum()) for along in flow]
    softness = SOFTNESS * strength * uniform(generator)
    wrong = gaussian_filter((true * (GAIN * gain).exp()).numpy(), softness, mode="constant")
    places = np.indices(wrong.shape) - torch.stack(moved).numpy()
    wrong = map_coordinates(wrong, places, order=1)
    threshold = THRESHOLD * strength * uniform(generator) * wrong.max()
    return Kernel(np.where(wrong < threshold, 0, wrong))


def _smooth(count: int, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Return smooth random fields (count, h, w) of about unit variance."""
    knots = torch.randn(1, count, KNOTS, KNOTS, generator=generator)
    return functional.interpolate(knots, tuple(shape), mode="bicubic", align_corners=True)[0]
