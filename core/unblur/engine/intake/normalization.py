"""Normalisation of an image's values to black = 0 and white = 1, and the mask of valid pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unblur.model.context import ToneCurve
from unblur.model.formats import LOSSY_FORMATS
from unblur.model.image import ALPHA, Image
from unblur.numerics.tone_curve import decode_light, encode_light
from unblur.numerics.value_summary import PLATEAU, ValueSummary

Float = NDArray[np.float32]
Flags = NDArray[np.bool_]
Nonfinite = Literal["keep", "fill"]
Saturated = Literal["auto", "mask", "keep"]


UNUSED_BITS = 2
"""Number of unused upper bits from which an image is scaled by the bits it uses,
dimensionless."""

SATURATED_SHARE = (1e-5, 0.1)
"""Smallest and largest share of saturated pixels at which "auto" masks them, dimensionless.

Fewer do no harm. Where there are more (a white page, an overexposed sky), the clipped area is the
picture, and masking it would leave most of the scene to the prior.
"""


OFFSET_CONTRAST = 2**-12
"""Range over maximum below which floats are deblurred without their offset, dimensionless: float32
has 24 bits, of which half would be left."""

STRIP_VALUES = 2**16
"""Number of values that are brought back to their type at a time, dimensionless: their float64 fit
into the second-level cache."""


@dataclass(frozen=True)
class Normalization:
    """An invertible map of an image's values to black = 0, white = 1, and its valid pixels.

    Where the image stores light through a tone curve, the map ends in amounts of light.

    Parameters
    ----------
    black : float
        The value that becomes 0. A kernel sums to 1, so blur does not change an offset.
    white : float
        The value that becomes 1; greater than `black`.
    dtype : numpy dtype
        Type of the values, which `denormalize` returns.
    saturation_level : float, optional
        Values at or above it are saturated, in the image's units; `None` accepts all.
    saturated_share : float
        Share of the sampled values at which the sensor clipped: the maximum of the type or bit
        depth, or the largest value if many pixels have it.
    nodata : float, optional
        Value of pixels without data, in the image's units.
    isolated : float, optional
        Value of a hot pixel, which is no data, in the image's units.
    alpha : int, optional
        Index of the alpha channel; colours under an alpha of 0 are no data.
    has_negatives : bool
        Whether values below 0 were found.
    tone_curve : {"none", "srgb"}
        The curve through which the image stores light.
    """

    black: float
    white: float
    dtype: np.dtype[Any]
    saturation_level: float | None = None
    saturated_share: float = 0.0
    nodata: float | None = None
    isolated: float | None = None
    alpha: int | None = None
    has_negatives: bool = False
    tone_curve: ToneCurve = "none"

    @classmethod
    def of(cls, image: Image, values: ValueSummary, saturated: Saturated = "auto") -> Normalization:
        """Choose the normalisation of `image` from the summary of its values.

        White is the image's own, halved as often as the values fit below it, once they fit
        twice: a camera of 10 bits writes `uint16`, and methods whose weights expect contrasts
        near 1 would otherwise be given an almost black picture. Black is 0, or for values below
        0 (a background was subtracted) their lower end without outliers. White of floats none of
        which exceeds 0 (decibels, magnitudes) is 0; a hot pixel counts for nothing. Floats whose
        range is so small beside their offset that float32 would round it away
        (`OFFSET_CONTRAST`) have black at their lower end and white at their maximum.

        Only integers have a saturation level that a sensor could have reached: white, or the
        largest value where clipped light has gathered. A lossy compression spreads clipped light
        below white; the level is `PLATEAU` then. "auto" masks saturated values while
        the share of those at white lies within `SATURATED_SHARE`.
        """
        alpha = image.channels.index(ALPHA) if ALPHA in image.channels else None
        absent: dict[str, Any] = {"nodata": image.nodata, "alpha": alpha}
        absent["has_negatives"], absent["isolated"] = values.low < 0, values.isolated
        white, top = image.white, values.rest
        if values.isolated == white:
            white = max(top, 1.0)
        unused = int(np.floor(np.log2(white / top))) if top > 0 else 0
        if unused >= UNUSED_BITS:
            white = (white + 1) / 2**unused - 1 if image.dtype.kind in "ui" else white / 2**unused
            white = max(white, top)
        black = min(values.lower_end, 0.0)
        if top <= 0 and black < 0 and image.dtype.kind == "f":
            white = 0.0
        if image.dtype.kind == "f" and 0 < top - values.lower_end < OFFSET_CONTRAST * top:
            black, white, absent["has_negatives"] = values.lower_end, top, True
        if image.dtype.kind not in "ui":
            return cls(black, white, image.dtype, **absent)
        low, high = SATURATED_SHARE
        share, level = values.saturated, image.white
        if not share and values.is_clipped_below_white:
            share, level = values.at_top / values.count, values.high
        is_masked = saturated == "mask" or (saturated == "auto" and low <= share <= high)
        is_lossy = image.metadata.get("format") in LOSSY_FORMATS
        if share and is_lossy and values.is_plateau(image.white):
            share, level = share + values.plateau, float(np.ceil(PLATEAU * image.white))
        return cls(black, white, image.dtype, level if is_masked else None, share, **absent)

    @property
    def span(self) -> float:
        """Difference between white and black, in the image's units."""
        return self.white - self.black

    @property
    def value_range(self) -> tuple[float, float]:
        """Smallest and largest value of a result with white = 1, infinite where nothing limits it.

        Integers are limited by black and white. Floats are not limited above, since a point is
        brighter once it is sharp, and below by 0 if no value is negative.
        """
        if self.dtype.kind != "f":
            return (0.0, 1.0)
        return (-np.inf if self.has_negatives else 0.0, np.inf)

    @property
    def unit_saturation_level(self) -> float | None:
        """The saturation level with white = 1."""
        if self.saturation_level is None:
            return None
        if self.tone_curve == "none":
            return (self.saturation_level - self.black) / self.span
        return float(self.normalize(np.array(self.saturation_level)))

    def normalize(self, values: Any) -> Float:
        """Return `values` as float32 with black at 0 and white at 1; NaN stays NaN."""
        unit = self._scale(np.asarray(values))
        return decode_light(unit) if self.tone_curve == "srgb" else unit

    def _scale(self, raw: NDArray[Any]) -> Float:
        if self.dtype.itemsize > 2 or self.black:
            return ((raw.astype(np.float64) - self.black) / self.span).astype(np.float32)
        unit = raw.astype(np.float32)
        unit /= np.float32(self.span)
        return unit

    def denormalize(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return normalised values in the image's own units and type.

        Integers are rounded and clipped to their type's range; floats that are too large for
        their type are clipped too.
        """
        made = np.empty(values.shape, self.dtype)
        rows = max(STRIP_VALUES // max(values[..., :1, :].size, 1), 1)
        for first in range(0, values.shape[-2], rows):
            strip = (..., slice(first, first + rows), slice(None))
            made[strip] = self._denormalize(values[strip])
        return made

    def _denormalize(self, values: NDArray[Any]) -> NDArray[Any]:
        own = (encode_light(values) if self.tone_curve == "srgb" else values).astype(np.float64)
        own *= self.span
        own += self.black
        if self.dtype.kind == "b":
            return np.asarray(own >= 0.5)
        if self.dtype.kind in "ui":
            low, high = _integer_range(self.dtype)
            if np.isnan(own.min()):
                own[np.isnan(own)] = 0
            return np.clip(np.rint(own, out=own), low, high, out=own)
        limit = np.finfo(self.dtype)
        clipped = np.clip(own, float(limit.min), float(limit.max))
        return np.where(np.isfinite(own), clipped, own)

    def missing(self, block: NDArray[Any], colours: Any) -> Flags | None:
        """Return which values of the colours of a block are no data; `None` if none is.

        Parameters
        ----------
        block : (C, *spatial) array
            All channels, in the image's own units.
        colours : slice or list of int
            Channels that are deblurred.

        Returns
        -------
        (colours, *spatial) bool array, optional
            True where a value is NaN, infinite, `nodata`, that of a hot pixel, or under an alpha
            of 0.
        """
        values = block[colours]
        is_finite = values.dtype.kind != "f" or bool(np.isfinite(values).all())
        if is_finite and self.nodata is self.isolated is self.alpha is None:
            return None
        absent = ~np.isfinite(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
        for value in (self.nodata, self.isolated):
            if value is not None:
                absent |= values == values.dtype.type(value)
        if self.alpha is not None:
            absent |= block[self.alpha] == 0
        return absent if absent.any() else None

    def valid(self, values: NDArray[Any], missing: Flags | None = None) -> Float | None:
        """Return the mask of colours (C, *spatial), of their shape, 1 = valid; `None` if all are.

        A value is invalid if it is missing or saturated. Each channel has its own mask: one that
        has no data, or is saturated, says nothing of the others.
        """
        level = self.saturation_level
        is_clipped = level is not None and values.size and values.max() >= level
        if missing is None and not is_clipped:
            return None
        bad = np.zeros(values.shape, bool) if missing is None else missing
        if is_clipped:
            bad = bad | (values >= level)
        return (~bad).astype(np.float32) if bad.any() else None


def _integer_range(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the smallest and the largest float64 that survive a cast to `dtype`."""
    info = np.iinfo(dtype)
    high = float(info.max)
    return float(info.min), high if int(high) <= info.max else float(np.nextafter(high, 0))
