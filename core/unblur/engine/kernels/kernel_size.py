"""How large a frame the blur of an image needs, by a quick look at half its size."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unblur.model.context import Context
from unblur.numerics.colour import to_luma
from unblur.numerics.pyramid import odd, shrink_image
from unblur.plugins.manager import registry

FIRST_FRAME = 21
"""Frame of the first look, in pixels at half size."""
FULL = 0.7
"""Share of the frame beyond which a kernel calls for a larger one."""
LIT = 0.25
"""Share of the brightest samples' mean from which a sample belongs to the core of a kernel."""
BRIGHTEST = 5
"""How many samples those are: one alone, where a camera rested, says little of the others."""
QUICK = {"iterations": 4, "refinements": 4, "ridge": 1.0}
"""Params of the looks. A core is safer to measure with more of a ridge than a kernel wants."""


def estimate_extent(image: Tensor, context: Context, look: Mapping[str, Any] | None = None) -> int:
    """Return the extent in pixels of a frame that holds the blur kernel of an image, odd.

    Parameters
    ----------
    image : (C, H, W)
        Finite everywhere, white = 1. Luma is looked at.
    context : Context
        Device, cancellation, and the noise where it is known.
    look : mapping, optional
        Further params of `map` for the looks, such as its priors.

    Returns
    -------
    int
        At most half the image's smaller side.

    Raises
    ------
    UsageError
        If the estimator `map` is not installed.

    Notes
    -----
    The estimator `map` looks at the image at half its size, which takes under a second for
    255 x 255 pixels, with a frame that is doubled as long as the kernel found fills it. The
    bright core of that kernel, at least a quarter of what its five brightest samples have in the
    mean, is safer to measure than its faint ends; the frame is the core and a margin that was
    fitted to Levin's 32 images, where it is 1.1 to 1.6 times as large as the kernel's support.
    """
    small = shrink_image(to_luma(image), 0.5)
    most = min(small.shape[-2:]) // 2
    noise = None if context.noise is None else context.noise / 2
    silent = context.with_(on_progress=lambda _: None, noise=noise)
    frame = FIRST_FRAME
    while True:
        frame = min(frame, most)
        if frame < 3:
            return max(odd(min(image.shape[-2:]) // 2) - 2, 1)
        stage: Any = registry().stage("kernel", "map")({"size": frame, **QUICK, **(look or {})})
        core = _core_extent(stage.estimate(small, silent).kernel.weights)
        if core <= FULL * frame or frame == most:
            break
        frame = 2 * frame - 1
    needed = odd(ceil(max(1.8 * core + 7, 2.4 * core)))
    largest = min(image.shape[-2:]) // 2
    return min(needed, largest - 1 + largest % 2)


def _core_extent(kernel: NDArray[np.float32]) -> int:
    """Return the larger side of the box around the samples above `LIT` of the brightest."""
    brightest = np.sort(kernel, axis=None)[-BRIGHTEST:]
    lit = np.argwhere(kernel > LIT * brightest.mean())
    return int((lit.max(0) - lit.min(0)).max()) + 1
