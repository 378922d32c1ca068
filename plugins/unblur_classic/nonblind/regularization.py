"""How strongly to regularise: the noise and the contrast that a prior's weight follows from.

The noise says how far the data may be trusted, the contrast how large the sharp image's own
variations are. A weight made of their ratio does not change when the image is scaled, so that
a dim microscope image is treated as a bright photograph is.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import torch
from pydantic import Field
from torch import Tensor

from unblur.model.context import Context
from unblur.numerics.noise import estimate_noise

Amount = TypeVar("Amount", float, Tensor)

Auto = Annotated[float, Field(gt=0)] | Literal["auto"]
"""Type of a param that is a positive number, or follows from the image."""

Noise = Annotated[
    Auto, Field(description="Standard deviation of the noise, white = 1; auto estimates it.")
]
"""Type of the param that states the noise."""

Mismatch = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="What the kernel leaves unexplained, as a fraction of the image's contrast; "
        "adds to the noise. 0.01 or less for a kernel known exactly.",
    ),
]
"""Type of the param that allows for an inexact kernel."""

MISMATCH = 0.03
"""What a carefully measured kernel still leaves unexplained."""

GRADIENT = 0.55
"""Root mean square of a sharp photograph's gradient, as a fraction of its contrast."""

QUIET = 1 / 40
"""Noise, as a fraction of the contrast, down to which the halo of a stage keeps its promise."""

FLOOR = 2e-3
"""Least noise, as a fraction of the contrast, so that no division is by nothing."""


def relative_noise(
    blurred: Tensor,
    setting: Auto,
    context: Context,
    mask: Tensor | None = None,
    mismatch: float = MISMATCH,
) -> Tensor:
    """Return noise and mismatch of each channel together, as a fraction of its contrast.

    Parameters
    ----------
    blurred : (C, *spatial)
        White = 1.
    setting : float or "auto"
        A stage's param: standard deviation of the noise with white = 1; "auto" takes the
        context's, or else an estimate from the image.
    context : Context
        May state noise and contrast, for tiles of a larger image.
    mask : (*spatial), optional
        1 where a pixel counts.
    mismatch : float
        What the kernel leaves unexplained, as a fraction of the contrast.

    Returns
    -------
    (C, 1, ...)
        Of as many axes as `blurred`, at least `FLOOR`; 1 or more without any contrast.
    """
    ndim = blurred.ndim - 1
    stated = context.noise if setting == "auto" else setting
    if stated is None:
        noise = blurred.new_tensor([estimate_noise(channel, mask) for channel in blurred])
    else:
        noise = blurred.new_full((len(blurred),), stated)
    spread = contrast(blurred, context, mask)
    ratio = torch.where(spread > 0, noise / spread, 1.0)
    ratio = (ratio**2 + mismatch**2).sqrt().clamp_min(FLOOR)
    return ratio.reshape([-1] + [1] * ndim)


def contrast(blurred: Tensor, context: Context, mask: Tensor | None = None) -> Tensor:
    """Return the standard deviation of each channel's trusted pixels, (C,), or the context's."""
    if context.contrast is not None:
        return blurred.new_full((len(blurred),), context.contrast)
    flat = blurred.flatten(1)
    weight = torch.ones_like(flat[0]) if mask is None else mask.flatten()
    total = weight.sum().clamp_min(1)
    mean = (flat * weight).sum(1, keepdim=True) / total
    return (((flat - mean) ** 2 * weight).sum(1) / total).sqrt()


def quadratic_weight(noise: Amount) -> Amount:
    """Return the weight of the squared gradient that goes with a relative noise."""
    return (noise / GRADIENT) ** 2
