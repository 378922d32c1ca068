"""Blind estimation of the size of a kernel, from an estimate at half the image's size."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unblur.model.context import Context
from unblur.model.stages import KernelEstimator
from unblur.numerics.colour import to_luma
from unblur.numerics.pyramid import odd, shrink_image
from unblur.plugins.manager import registry

FIRST_SIZE = 21
"""Kernel size of the first estimate, in pixels at half size."""
FILLED = 0.7
"""Extent of the core above which the next estimate uses a larger kernel, as a fraction of the
kernel size, dimensionless."""
CORE_THRESHOLD = 0.25
"""Threshold of the core of a kernel, as a fraction of the mean of its largest samples,
dimensionless."""
LARGEST_SAMPLES = 5
"""Number of samples in that mean. The largest alone may be an outlier where a camera rested."""
ESTIMATE_PARAMS = {"iterations": 4, "refinements": 4, "ridge": 1.0}
"""Params of the estimates. The core is measured more reliably with a larger ridge than the one
that gives the best kernel."""


def estimate_kernel_size(
    image: Tensor, context: Context, overrides: Mapping[str, Any] | None = None
) -> int:
    """Return an odd extent in pixels that holds the blur kernel of an image.

    Parameters
    ----------
    image : (C, H, W) float32
        Finite everywhere, white = 1. Its luma is used.
    context : Context
        Device, cancellation, and the standard deviation of the noise where it is known.
    overrides : mapping, optional
        Further params of `map` for the estimates, such as its priors.

    Returns
    -------
    int
        At most half the image's smaller side.

    Notes
    -----
    `map` estimates a kernel at half the image's size, which takes under a second for 255 x 255
    pixels. The kernel size is doubled and the estimate repeated as long as the core fills more
    than 0.7 of it. The core, the samples above a quarter of the mean of the five largest, is
    measured more reliably than the low-valued ends of the kernel. The size returned is the core
    with a margin fitted to Levin's 32 images, where it is 1.1 to 1.6 times the kernel's support.
    """
    small = shrink_image(to_luma(image), 0.5)
    most = min(small.shape[-2:]) // 2
    noise = None if context.noise is None else context.noise / 2
    silent = context.silent().with_(noise=noise)
    size = FIRST_SIZE
    while True:
        size = min(size, most)
        if size < 3:
            return max(odd(min(image.shape[-2:]) // 2) - 2, 1)
        params = {"size": size, **ESTIMATE_PARAMS, **(overrides or {})}
        stage = cast(KernelEstimator, registry().stage("kernel", "map")(params))
        core = _core_extent(stage.estimate(small, silent).kernel.weights)
        if core <= FILLED * size or size == most:
            break
        size = 2 * size - 1
    needed = odd(ceil(max(1.8 * core + 7, 2.4 * core)))
    largest = min(image.shape[-2:]) // 2
    return min(needed, largest - 1 + largest % 2)


def _core_extent(kernel: NDArray[np.float32]) -> int:
    """Return the larger side of the box around the samples above `CORE_THRESHOLD`."""
    largest = np.sort(kernel, axis=None)[-LARGEST_SAMPLES:]
    core = np.argwhere(kernel > CORE_THRESHOLD * largest.mean())
    return int((core.max(0) - core.min(0)).max()) + 1
