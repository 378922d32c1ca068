"""Noise, contrast and brightness of a whole image, so that its tiles are treated alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from unblur.model.context import Context
from unblur.numerics.noise import estimate_noise

Piece = tuple[torch.Tensor, torch.Tensor | None]


@dataclass(frozen=True)
class Levels:
    """What stages would measure on the whole image, white = 1.

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
    def of(cls, pieces: Iterable[Piece], noise: float | None) -> Levels:
        """Measure pieces (C, *spatial) with their masks, spread over the image.

        Noise is the median over pieces, unless it is stated; contrast and brightness are those
        of all valid values together.
        """
        levels: list[NDArray[np.float64]] = []
        sums: NDArray[np.float64] | float = 0.0
        for piece, mask in pieces:
            sums = sums + _moments(piece, mask)
            if noise is None:
                levels.append(np.array([estimate_noise(channel, mask) for channel in piece]))
        count, total, squares = np.asarray(sums)
        mean = total / np.maximum(count, 1)
        variance = np.maximum(squares / np.maximum(count, 1) - mean**2, 0)
        stated = np.full(len(mean), noise) if noise is not None else np.median(levels, axis=0)
        return cls(*(tuple(map(float, of)) for of in (stated, np.sqrt(variance), mean)))

    def contexts(self, context: Context) -> list[Context]:
        """Return the context of each channel."""
        return [
            context.with_(noise=noise, contrast=contrast, brightness=brightness)
            for noise, contrast, brightness in zip(
                self.noise, self.contrast, self.brightness, strict=True
            )
        ]

    def together(self, context: Context) -> Context:
        """Return the context for stages that see all channels at once."""
        return context.with_(
            noise=float(np.mean(self.noise)),
            contrast=float(np.mean(self.contrast)),
            brightness=float(np.mean(self.brightness)),
        )


def _moments(piece: torch.Tensor, mask: torch.Tensor | None) -> NDArray[np.float64]:
    """Return count, sum and sum of squares of the valid values of each channel: (3, C)."""
    values = piece.double().flatten(1)
    weight = torch.ones_like(values[0]) if mask is None else mask.double().flatten()
    count = weight.sum().expand(len(values))
    moments = torch.stack([count, (values * weight).sum(1), (values**2 * weight).sum(1)])
    return np.asarray(moments.cpu().numpy())
