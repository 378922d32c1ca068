"""Pixels that say nothing about the scene: not finite, or saturated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from unblur.engine.intake.brightness import Brightness
from unblur.model.image import Image

Float = NDArray[np.float32]
Saturated = Literal["auto", "mask", "keep"]
NonfinitePolicy = Literal["keep", "fill"]

SATURATED_SHARE = (1e-5, 0.1)
"""Shares of saturated pixels between which they are masked unless told otherwise.

A few stray ones do no harm; where they are many (a white page, a burnt-out sky) the clipped
plain is the picture, and to hide it would leave most of the scene to the prior.
"""


@dataclass(frozen=True)
class Masking:
    """Which values of one image are invalid.

    Parameters
    ----------
    saturation_level : float, optional
        Values at or above it are saturated, in the image's units; `None` trusts them all.
    share : float
        Share of the values looked at that reach the type's or bit depth's maximum.
    """

    saturation_level: float | None
    share: float

    @classmethod
    def of(cls, image: Image, brightness: Brightness, policy: Saturated = "auto") -> Masking:
        """Decide from the range of the values whether saturated ones are masked.

        Only integers have a saturation level. "auto" masks while their
        share lies within `SATURATED_SHARE`.
        """
        if image.dtype.kind not in "ui":
            return cls(None, 0.0)
        low, high = SATURATED_SHARE
        share = brightness.saturated
        masked = policy == "mask" or (policy == "auto" and low <= share <= high)
        return cls(image.white if masked else None, share)

    def mask(self, block: NDArray[Any]) -> Float | None:
        """Return the mask (*spatial) of a block (C, *spatial), or `None` if all pixels are valid.

        1 = valid pixel, 0 = a pixel with an invalid value in at least one channel.
        """
        bad = np.zeros(block.shape[1:], bool)
        if block.dtype.kind == "f":
            bad |= ~np.isfinite(block).all(axis=0)
        if self.saturation_level is not None:
            bad |= (block >= self.saturation_level).any(axis=0)
        return (~bad).astype(np.float32) if bad.any() else None


def find_nonfinite(block: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Return where a block is NaN or infinite, or `None` where it is finite throughout."""
    if block.dtype.kind != "f":
        return None
    missing = ~np.isfinite(block)
    return missing if missing.any() else None


def filled(block: Float, missing: NDArray[np.bool_]) -> Float:
    """Return a block (C, *spatial) whose missing values are those of the nearest finite pixel.

    A channel without any finite value becomes 0.
    """
    result = block.copy()
    for channel, gaps in zip(result, missing, strict=True):
        if gaps.all():
            channel[...] = 0
        elif gaps.any():
            nearest = distance_transform_edt(gaps, return_distances=False, return_indices=True)
            channel[gaps] = channel[tuple(index[gaps] for index in nearest)]
    return result
