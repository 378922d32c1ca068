"""Preprocessing for blind estimation: luma of one contrast, and its noise level."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor
from torch.nn import functional

from unblur.model.context import Context
from unblur.numerics.colour import to_luma
from unblur.numerics.inpaint import fill
from unblur.numerics.noise import estimate_noise
from unblur.numerics.statistics import CONTRAST, contrast_of
from unblur.numerics.tone_curve import stored_values

CLIPPED = 0.995
"""Value of a channel from which it counts as clipped where no saturation level is known,
white = 1."""
ROUNDING = 1e-6
"""Distance below the saturation level at which a value has reached it, white = 1."""
MAX_CLIPPED = 0.1
"""Largest share of clipped pixels that are left out of an estimate; more are a bright surface, as
paper, of which the value is true, dimensionless."""


@dataclass(frozen=True)
class EstimationInput:
    """Normalised input of a blind estimation.

    Attributes
    ----------
    y, valid : (H, W)
        Luma, scaled to a standard deviation of `CONTRAST`, and 1 at valid pixels, else 0.
    noise : float
        Standard deviation of the noise in `y`.
    gain : float
        Factor by which the luma was scaled, dimensionless.
    black : float
        The value of no light in `y`: 0, or minus infinity where the image has negative values.
    """

    y: Tensor
    valid: Tensor
    noise: float
    gain: float = 1.0
    black: float = 0.0


def preprocess(
    blurred: Tensor, context: Context, mask: Tensor | None = None, median: int = 1
) -> EstimationInput:
    """Return the luma of an image at `CONTRAST`, its valid pixels and its noise level.

    Parameters
    ----------
    blurred : (C, H, W)
        Finite everywhere, white = 1.
    context : Context
        Cancellation, and the standard deviation of the noise where it is known.
    mask : (H, W), optional
        1 at valid pixels, else 0.
    median : int
        Odd extent of the median filter that is applied first, in pixels.

    Raises
    ------
    ImageError
        If the image is constant.
    """
    context.checkpoint()
    luma = median_filter(to_luma(blurred)[0], median)
    valid = torch.ones_like(luma) if mask is None else mask
    gain = gain_of(luma, valid)
    noise = context.noise if context.noise is not None else estimate_noise(luma[None], mask)
    # Rounded, so that last bits, in which the threads of others may differ, do not matter.
    level = float(f"{gain * noise:.3g}")
    has_black = context.value_range[0] >= 0 and float(luma.min()) >= 0
    y = gain * fill(luma, valid)
    return EstimationInput(y, valid, level, gain, 0.0 if has_black else -inf)


def unclipped_pixels(blurred: Tensor, context: Context, mask: Tensor | None) -> Tensor | None:
    """Return the valid pixels of an image less the clipped ones, for which no convolution holds.

    Parameters
    ----------
    blurred : (C, H, W)
        White = 1.
    context : Context
        The saturation level where it is known, and the tone curve.
    mask : (H, W), optional
        1 at valid pixels, else 0.

    Returns
    -------
    (H, W) or None
        1 at valid pixels, else 0; the mask as it is, or none, where no other pixel is clipped or
        more than `MAX_CLIPPED` are, or where no saturation level is known and some are brighter
        than white, as stars in an image of floats.
    """
    if context.saturation_level is None and float(blurred.max()) > 1 + ROUNDING:
        return mask
    valid = 1 - clipped_pixels(blurred, context).to(blurred)
    if not 0 < float((valid == 0).float().mean()) <= MAX_CLIPPED:
        return mask
    return valid if mask is None else valid * mask


def clipped_pixels(blurred: Tensor, context: Context) -> Tensor:
    """Return where a channel of an image (C, H, W) is clipped, (H, W) of bool."""
    if context.saturation_level is not None:
        return (blurred >= context.saturation_level - ROUNDING).any(0)
    return (stored_values(blurred, context.tone_curve) >= CLIPPED).any(0)


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
