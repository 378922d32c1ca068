"""Preprocessing for blind estimation: luma of one contrast, noise level, kernel size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from unblur.model.context import Context
from unblur.model.kernel import check_kernel_size
from unblur.numerics.colour import to_luma
from unblur.numerics.inpaint import fill
from unblur.numerics.noise import estimate_noise
from unblur.numerics.statistics import CONTRAST, contrast_of
from unblur_classic.map.kernel_size import estimate_kernel_size
from unblur_classic.map.params import BlindParams


@dataclass(frozen=True)
class EstimationInput:
    """Normalised input of a blind estimation.

    Attributes
    ----------
    y, valid : (H, W)
        Luma, scaled to a standard deviation of `CONTRAST`, and 1 at valid pixels, else 0.
    size : int
        Extent of the kernel, in pixels.
    noise : float
        Standard deviation of the noise in `y`.
    """

    y: Tensor
    valid: Tensor
    size: int
    noise: float


def preprocess(
    blurred: Tensor,
    context: Context,
    mask: Tensor | None,
    params: BlindParams,
    overrides: Mapping[str, Any] | None = None,
) -> EstimationInput:
    """Return the luma of an image at `CONTRAST`, its mask, its noise level and the kernel size.

    `overrides` are params of the estimates by which a size of auto is found.

    Raises
    ------
    ImageError
        If the image is too small for the kernel, or constant.
    """
    context.checkpoint()
    luma = median_filter(to_luma(blurred)[0], params.median)
    valid = torch.ones_like(luma) if mask is None else mask
    gain = gain_of(luma, valid)
    noise = context.noise if context.noise is not None else estimate_noise(luma[None], mask)
    context = context.with_(noise=gain * noise)
    y = gain * fill(luma, valid)
    size = params.size
    if size == "auto":
        size = estimate_kernel_size(y[None], context, overrides)
    check_kernel_size(size, y.shape)
    return EstimationInput(y, valid, size, gain * noise)


def gain_of(luma: Tensor, valid: Tensor) -> float:
    """Return the factor that scales the contrast of an image to `CONTRAST`."""
    return CONTRAST / contrast_of(luma[valid > 0])


def median_filter(x: Tensor, size: int) -> Tensor:
    """Return the median filter of (H, W), which removes salt-and-pepper noise.

    Parameters
    ----------
    x : (H, W)
        At least `size` pixels along both axes; mirrored beyond its border.
    size : int
        Odd extent of the window, in pixels; 1 changes nothing.
    """
    radius = size // 2
    padded = functional.pad(x[None, None], [radius] * 4, mode="reflect")[0, 0]
    windows = padded.unfold(0, size, 1).unfold(1, size, 1)
    return windows.flatten(2).median(2).values
