"""Regularisation weights from the noise and the contrast of an image.

The noise is the uncertainty of the data, the contrast the scale of the sharp image's own
variations. A weight that depends on their ratio alone is invariant under scaling of the image, so
that a dim microscope image is treated like a bright photograph.
"""

from __future__ import annotations

from math import hypot
from typing import Annotated, Literal, TypeVar

import torch
from pydantic import Field
from torch import Tensor

from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.inverse_filters import tile_radius
from unblur.numerics.noise import estimate_noise

Amount = TypeVar("Amount", float, Tensor)

Auto = Annotated[float, Field(gt=0)] | Literal["auto"]
"""Type of a param that is a positive number, or derived from the image."""

Noise = Annotated[
    Auto, Field(description="Standard deviation of the noise, white = 1; auto estimates it.")
]
"""Type of the param of the noise."""

ModelError = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="Error of the model `kernel * image`, as a fraction of the image's contrast; "
        "it is added to the noise. 0.01 or less for a kernel known exactly.",
    ),
]
"""Type of the param of the error of an inexact kernel."""

DEFAULT_MODEL_ERROR = 0.03
"""Model error of a carefully measured kernel, as a fraction of the contrast."""


class RegularizedParams(stages.Params):
    """Params of deconvolvers whose regularisation weight follows from noise and contrast."""

    noise: Noise = "auto"
    model_error: ModelError = DEFAULT_MODEL_ERROR
    weight: Auto = Field(
        "auto",
        description="Weight of the prior against the squared residual; auto derives it from "
        "noise, model_error and contrast.",
    )


GRADIENT_RMS = 0.55
"""Root mean square of a sharp photograph's gradient, as a fraction of its contrast."""

HALO_DESIGN_NOISE = 1 / 40
"""Smallest noise for which the halo of a stage suffices, as a fraction of the contrast."""

MIN_RELATIVE_NOISE = 2e-3
"""Lower bound on the noise, as a fraction of the contrast; keeps quotients finite."""


TILE_ERROR = 2e-5
"""Root mean square of the error at the border of a tile's interior for which halos are made,
white = 1; single pixels have many times as much (`benchmarks/tile_halos.py`)."""


def limit_tile_halo(
    largest: tuple[int, ...], kernel: Kernel, params: RegularizedParams, context: Context
) -> tuple[int, ...]:
    """Return the halo of tiles of a plane by its noise and contrast, `largest` at most.

    The stage's weight is that of `quadratic_weight` in effect, and it solves for the scene beyond
    a tile's border. Where noise or contrast is unknown, the weight is given, or the image is a
    volume, the halo is `largest`.
    """
    noise = context.noise if params.noise == "auto" else params.noise
    if kernel.ndim != 2 or params.weight != "auto" or not context.contrast or noise is None:
        return largest
    ratio = noise / context.contrast
    weight = quadratic_weight(max(hypot(ratio, params.model_error), MIN_RELATIVE_NOISE))
    radius = tile_radius(kernel, weight, ratio, GRADIENT_RMS, TILE_ERROR / context.contrast)
    return tuple(
        min(max(r, n), most) for r, n, most in zip(radius, kernel.shape, largest, strict=True)
    )


def relative_noise(
    blurred: Tensor,
    setting: Auto,
    context: Context,
    mask: Tensor | None = None,
    model_error: float = DEFAULT_MODEL_ERROR,
) -> Tensor:
    """Return the root sum of squares of noise and model error, relative to each channel's contrast.

    Parameters
    ----------
    blurred : (C, *spatial)
        Image, white = 1.
    setting : float or "auto"
        A stage's param: standard deviation of the noise, white = 1; "auto" is the context's, or
        else an estimate from the image.
    context : Context
        Its noise and contrast, if set, replace the image's: for tiles of a larger image.
    mask : (*spatial), optional
        1 at valid pixels.
    model_error : float
        Error of the model, as a fraction of the contrast.

    Returns
    -------
    (C, 1, ...)
        With as many axes as `blurred`, at least `MIN_RELATIVE_NOISE`; 1 or more where the
        contrast is 0.
    """
    ndim = blurred.ndim - 1
    noise_level = context.noise if setting == "auto" else setting
    if noise_level is None:
        noise = blurred.new_tensor([estimate_noise(channel, mask) for channel in blurred])
    else:
        noise = blurred.new_full((len(blurred),), noise_level)
    unit = measure_contrast(blurred, context, mask)
    ratio = torch.where(unit > 0, noise / unit, 1.0)
    ratio = (ratio**2 + model_error**2).sqrt().clamp_min(MIN_RELATIVE_NOISE)
    return ratio.reshape([-1] + [1] * ndim)


def measure_contrast(blurred: Tensor, context: Context, mask: Tensor | None = None) -> Tensor:
    """Return the standard deviation of each channel's valid pixels, (C,), or the context's."""
    if context.contrast is not None:
        return blurred.new_full((len(blurred),), context.contrast)
    flat = blurred.flatten(1)
    weight = torch.ones_like(flat[0]) if mask is None else mask.flatten()
    total = weight.sum().clamp_min(1)
    mean = (flat * weight).sum(1, keepdim=True) / total
    return (((flat - mean) ** 2 * weight).sum(1) / total).sqrt()


def quadratic_weight(noise: Amount) -> Amount:
    """Return the weight of the squared gradient for a noise relative to the contrast."""
    return (noise / GRADIENT_RMS) ** 2
