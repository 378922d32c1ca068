"""Noise, contrast and brightness of a whole image, so that all its tiles use the same values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from unblur.model.context import Context
from unblur.numerics.noise import estimate_noise

Block = tuple[torch.Tensor, torch.Tensor | None]
"""Values (C, *spatial), white = 1, and the mask (*spatial) of valid pixels, if any is not."""


@dataclass(frozen=True)
class ImageStatistics:
    """Noise, contrast and brightness of the channels of a whole image, white = 1.

    Parameters
    ----------
    noise, contrast : tuple of float
        Standard deviation of the noise, and of the values, of each channel.
    brightness : tuple of float
        Mean of the values of each channel.
    """

    noise: tuple[float, ...]
    contrast: tuple[float, ...]
    brightness: tuple[float, ...]

    @classmethod
    def of(cls, blocks: Iterable[Block], noise: float | None) -> ImageStatistics:
        """Measure blocks (C, *spatial) with their masks, spread over the image.

        Noise is the median over blocks, unless it is given; contrast and brightness are those
        of all valid values pooled.
        """
        noises: list[NDArray[np.float64]] = []
        sums: NDArray[np.float64] | float = 0.0
        for block, mask in blocks:
            sums = sums + _moments(block, mask)
            if noise is None:
                noises.append(np.array([estimate_noise(channel, mask) for channel in block]))
        count, total, squares = np.asarray(sums)
        mean = total / np.maximum(count, 1)
        variance = np.maximum(squares / np.maximum(count, 1) - mean**2, 0)
        sigma = np.full(len(mean), noise) if noise is not None else np.median(noises, axis=0)
        return cls(*(tuple(map(float, of)) for of in (sigma, np.sqrt(variance), mean)))

    def contexts(self, context: Context) -> list[Context]:
        """Return the context of each channel."""
        return [
            context.with_(noise=noise, contrast=contrast, brightness=brightness)
            for noise, contrast, brightness in zip(
                self.noise, self.contrast, self.brightness, strict=True
            )
        ]

    def pooled(self, context: Context) -> Context:
        """Return the context for stages that process all channels at once."""
        return context.with_(
            noise=float(np.mean(self.noise)),
            contrast=float(np.mean(self.contrast)),
            brightness=float(np.mean(self.brightness)),
        )


def gradient_energy(
    blurred: torch.Tensor, mask: torch.Tensor | None, volumetric: bool = False
) -> float:
    """Return the mean squared gradient of a block (C, *spatial): its information on the blur.

    Averaging 2x2 pixels first keeps noise from counting as texture. The energy is multiplied by
    the share of valid pixels.
    """
    plane = blurred.amax(1) if volumetric else blurred
    coarse = torch.nn.functional.avg_pool2d(plane, 2) if min(plane.shape[-2:]) > 3 else plane
    energy = coarse.diff(dim=-1)[..., :-1, :].square() + coarse.diff(dim=-2)[..., :-1].square()
    valid = 1.0 if mask is None else float(mask.mean())
    return valid * float(energy.mean())


def _moments(block: torch.Tensor, mask: torch.Tensor | None) -> NDArray[np.float64]:
    """Return count, sum and sum of squares of the valid values of each channel: (3, C)."""
    values = block.double().flatten(1)
    weight = torch.ones_like(values[0]) if mask is None else mask.double().flatten()
    count = weight.sum().expand(len(values))
    moments = torch.stack([count, (values * weight).sum(1), (values**2 * weight).sum(1)])
    return np.asarray(moments.cpu().numpy())
