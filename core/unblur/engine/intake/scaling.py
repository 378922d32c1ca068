"""From an image's own units to white = 1 and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.engine.intake.brightness import Brightness
from unblur.model.image import Image

Float = NDArray[np.float32]

UNUSED_BITS = 2
"""An image that leaves this many of its upper bits unused is scaled by what it does use."""


@dataclass(frozen=True)
class Scale:
    """An invertible map of an image's values to the unit that stages see.

    Parameters
    ----------
    black : float
        The value that becomes 0. A kernel sums to 1, so that blur leaves an offset alone.
    white : float
        The value that becomes 1; greater than `black`.
    dtype : numpy dtype
        Type of the values, which `restore` returns to.
    """

    black: float
    white: float
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, image: Image, brightness: Brightness) -> Scale:
        """Choose the scale of `image` from the range of its values.

        White is the image's own, halved as often as the values fit below it, once they fit
        twice: a camera of 10 bits writes `uint16`, and methods whose weights expect contrasts
        near 1 would otherwise see an almost black picture. Black is 0, or for values below 0
        (a background was subtracted) their lower end, stray outliers left out.
        """
        white, top = image.white, brightness.high
        unused = int(np.floor(np.log2(white / top))) if top > 0 else 0
        if unused >= UNUSED_BITS:
            white = (white + 1) / 2**unused - 1 if image.dtype.kind in "ui" else white / 2**unused
            white = max(white, top)
        return cls(min(brightness.lower_end, 0.0), white, image.dtype)

    @property
    def span(self) -> float:
        """Difference between white and black, in the image's units."""
        return self.white - self.black

    def apply(self, values: Any) -> Float:
        """Return `values` as float32 with black at 0 and white at 1; NaN stays NaN."""
        raw = np.asarray(values)
        if self.dtype.itemsize > 2 or self.black:
            return ((raw.astype(np.float64) - self.black) / self.span).astype(np.float32)
        return raw.astype(np.float32) / np.float32(self.span)

    def restore(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return unit values in the image's own units and type.

        Integers are rounded and clipped to their type's range, and only they.
        """
        own = values.astype(np.float64) * self.span + self.black
        if self.dtype.kind == "b":
            return own >= 0.5
        if self.dtype.kind in "ui":
            low, high = _integer_range(self.dtype)
            return np.clip(np.rint(np.nan_to_num(own)), low, high).astype(self.dtype)
        limit = np.finfo(self.dtype)
        clipped = np.clip(own, float(limit.min), float(limit.max))
        return np.where(np.isfinite(own), clipped, own).astype(self.dtype)


def _integer_range(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the least and the greatest float64 that survive a cast to `dtype`."""
    info = np.iinfo(dtype)
    high = float(info.max)
    return float(info.min), high if int(high) <= info.max else float(np.nextafter(high, 0))
