"""What Richardson-Lucy assumes of an image's values: background, read noise, significance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from unblur.model.context import Context
from unblur.numerics.boundaries import fill_and_extend
from unblur.numerics.noise import estimate_noise
from unblur.numerics.operators import Blur
from unblur_classic.nonblind.richardson_lucy.image_quotient import MIN_PREDICTION
from unblur_classic.nonblind.richardson_lucy.params import RichardsonLucyParams
from unblur_classic.nonblind.richardson_lucy.poisson.detector_maps import detector_values
from unblur_classic.nonblind.richardson_lucy.poisson.significance import damping_weight
from unblur_classic.point_sources.detection import background_map

MIN_NOISE = 1e-6
"""Smallest standard deviation of the noise of a sky, white = 1."""
PEDESTAL = 1.0
"""Light that is added to scene and image without their background, in standard deviations of the
sky's noise. With 0.5 and 2, stars of 6000 counts had 0.7 % less and more flux
(`benchmarks/star_flux.py`)."""


@dataclass(frozen=True, eq=False)
class CountsModel:
    """The data of the iterations, which are Poisson-distributed around `blurred scene + level`.

    Without a weight the background is part of the level. With a weight the data are what exceeds
    the background, plus a small pedestal that is part of the scene and its lower bound: dark parts
    of the scene are then changed as fast as bright ones, and the flux of a star does not depend
    on how bright the sky is.

    Attributes
    ----------
    background : float or (C, *spatial)
        Of the image or of each pixel, white = 1.
    data : (C, *spatial)
        White = 1; not negative without a weight.
    level : float or (C, *spatial) or (*spatial)
        Light that the data hold besides that of the scene: background and read noise, or the
        pedestal.
    weight : (C, *domain), optional
        How much a pixel of the scene is changed, in [0, 1].
    relative_gain : (*spatial), optional
        Photons of each pixel for one unit, relative to the largest; 1 if left out.
    """

    background: float | Tensor
    data: Tensor
    level: float | Tensor
    weight: Tensor | None = None
    relative_gain: Tensor | None = None

    @classmethod
    def of(
        cls,
        params: RichardsonLucyParams,
        blurred: Tensor,
        kernel: Tensor,
        context: Context,
        mask: Tensor | None,
    ) -> Self:
        """Measure what the params leave to the image (C, *spatial), white = 1."""
        background = measure_background(params, blurred, mask)
        gain = detector_values("gain", params.gain, context.gain, context, blurred)
        relative = gain / gain.max() if isinstance(gain, Tensor) else None
        offset = read_noise_offset(params, context, blurred, gain)
        if not params.min_significance:
            data = (blurred + offset).clamp_min_(0)
            return cls(background, data, background + offset, None, relative)
        variance = sky_variance(blurred, context, mask)
        if isinstance(gain, Tensor) or gain:
            counted = torch.as_tensor((background + offset) / (gain * context.span))
            variance = torch.maximum(variance, counted.to(variance))
        excess = blurred - background
        pedestal = PEDESTAL * variance.sqrt().expand(blurred.shape)
        weight = damping_weight(excess, variance, kernel, params.min_significance, mask)
        return cls(background, excess + pedestal, pedestal, weight, relative)

    def first_scene(self, blur: Blur) -> Tensor:
        """Return the first scene without a pedestal, (C, *domain), positive."""
        excess = (self.data - self.level).clamp_min_(MIN_PREDICTION)
        scene = fill_and_extend(blur, excess)
        return scene if self.weight is None else (scene * self.weight).clamp_min_(MIN_PREDICTION)

    def lower_bound(self, blur: Blur) -> tuple[Tensor | None, float | Tensor]:
        """Return the pedestal (C, *domain) if there is one, and the part of the level beside it."""
        if self.weight is None or not isinstance(self.level, Tensor):
            return None, self.level
        pedestal = blur.extend(self.level)
        return pedestal, self.level - blur.with_mask(None).forward(pedestal)

    def observed(self, blur: Blur) -> Blur:
        """Return the blur with the photons of its pixels as their weights."""
        if self.relative_gain is None:
            return blur
        weights = self.relative_gain if blur.mask is None else self.relative_gain * blur.mask
        return blur.with_mask(weights)

    def sharp(self, blurred: Tensor, scene: Tensor, blur: Blur) -> Tensor:
        """Return the image of a scene (C, *domain), with the noise of dark parts as it was.

        The residual is added as far as the light of a pixel is below the noise.
        """
        result = blur.crop(scene) + self.background
        if self.weight is not None:
            excess, predicted = blurred - self.background, blur.forward(scene)
            residual = (excess if blur.mask is None else excess * blur.mask) - predicted
            variance = torch.as_tensor(self.level / PEDESTAL).square()
            result += variance / (variance + predicted.square()) * residual
        return result


def read_noise_offset(
    params: RichardsonLucyParams, context: Context, like: Tensor, gain: float | Tensor
) -> float | Tensor:
    """Return the light whose photon noise equals the read noise, white = 1; 0 where unknown.

    That of `r` electrons squared are `r` photons, and white is `gain * span` of them.
    """
    noise = detector_values("read_noise", params.read_noise, context.read_noise, context, like)
    if not isinstance(gain, Tensor) and not gain:
        return 0.0
    return noise**2 / (gain * context.span)


def measure_background(
    params: RichardsonLucyParams, blurred: Tensor, mask: Tensor | None
) -> float | Tensor:
    """Return one background for all channels, which preserves colours, or that of each pixel.

    The map is (C, *spatial), non-negative.
    """
    if params.background == "map":
        valid = np.ones(blurred.shape[1:], bool) if mask is None else mask.cpu().numpy() > 0
        levels = [background_map(c, valid) for c in blurred.double().cpu().numpy()]
        return blurred.new_tensor(np.array(levels)).clamp_min_(0)
    if params.background != "auto":
        return params.background
    inside = blurred if mask is None else blurred[:, mask > 0]
    return max(float(np.percentile(inside.cpu(), 1)), 0.0) if inside.numel() else 0.0


def sky_variance(blurred: Tensor, context: Context, mask: Tensor | None) -> Tensor:
    """Return the variance of the noise of each channel, (C, 1, ...), white = 1.

    That of the context, if it is set, else measured where the image is flat.
    """
    if context.noise is not None:
        levels = [context.noise] * len(blurred)
    else:
        levels = [estimate_noise(channel, mask) for channel in blurred]
    shape = [-1] + [1] * (blurred.ndim - 1)
    return blurred.new_tensor(levels).clamp_min(MIN_NOISE).square().reshape(shape)
