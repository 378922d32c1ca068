"""Range, clipping and hash of an image's values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.model.image import ALPHA, Image
from unblur.numerics.statistics import mad_std

MEDIAN_VALUES = 2**16
"""Largest number of values of each block that enter the median, dimensionless."""


CLIPPED_COUNT = 5
"""Smallest number of values at the largest one for these to count as clipped, dimensionless."""


CLIPPED_EXCESS = 20.0
"""Smallest ratio of the number of values at the largest one to the mean number at each value
just below it for these to count as clipped, dimensionless.

Where a sensor clips, all brighter light is counted at one value. The brightest of a star's
pixels, or of a smooth surface, come with others close below.
"""


NEAR_THE_TOP = 0.02
"""Width of the range below the largest value in which others are counted, as a fraction of it."""


PLATEAU = 0.964
"""Smallest value of clipped light after a lossy compression, white = 1 (246 of 255)."""


PLATEAU_EXCESS = 6.0
"""Smallest ratio of the number of values at white to the mean number at each value of the plateau
below for these to count as clipped too, dimensionless. Of clipped values a JPEG leaves about half
at white. Chosen on the pictures of `benchmarks/clipped_jpeg.py`: at 4 bright ones lost 0.1 dB."""


PLATEAU_SHARE = 1e-3
"""Smallest share of values at white at which a plateau below is looked for, dimensionless. Fewer
do no harm, and may be the tail of a bright scene."""


WHOLE_HASH_BYTES = 2**31
"""Largest size of an image in memory that is hashed completely, in bytes."""


LOWER_GAP, UPPER_RATIO = 2.0, 1e9
"""Smallest gap below all other values, as a fraction of the range from there to the largest, and
smallest ratio to all other values, at which an extreme value is noted, dimensionless. Stars are
much brighter than the sky, but nothing is as much darker."""


ISOLATED_RATIO = 100.0
"""Smallest ratio of a pixel's distance from the median to that of the pixels around it at which it
is noted, dimensionless. A point of light whose FWHM is a pixel has 6 % of its peak in the next."""


HASHED_ROWS = 64
"""Number of entries along the first axis that are hashed of a larger one, dimensionless."""


@dataclass(frozen=True)
class ValueSummary:
    """Range and hash of an image's values, from one pass: all in memory, else sampled chunks.

    Attributes
    ----------
    low, high : float
        Smallest and largest finite value; 0 where there is none.
    lower_end : float
        The smallest value, or ten robust standard deviations below the median if that is
        larger: noise lies above it, a sentinel such as -99999 below.
    saturated : float
        Share of the values at or above white.
    plateau : float
        Share of the values from `PLATEAU` to below white, where any is at white.
    at_top, near_top : int
        Number of values at the largest one, and within `NEAR_THE_TOP` below it.
    count : int
        Number of finite values in the sample.
    sha256 : str
        Hash of type, shape and sampled values.
    is_hashed_whole : bool
        Whether the hash covers every value.
    notes : tuple of str
        Values that may mark pixels without data, or that no light explains, one sentence each.
    isolated : float, optional
        The largest value of floats where one pixel alone has it and no blurred light explains it.
    rest : float
        The largest value without the isolated one.
    """

    low: float
    high: float
    lower_end: float
    saturated: float
    at_top: int
    near_top: int
    count: int
    sha256: str
    is_hashed_whole: bool
    notes: tuple[str, ...] = ()
    plateau: float = 0.0
    isolated: float | None = None
    rest: float = 0.0

    @classmethod
    def of(cls, image: Image, blocks: Iterable[NDArray[Any]]) -> ValueSummary:
        """Summarise blocks of values of `image`: all of them, or a sample of a lazy image.

        Alpha is hashed, and takes no part otherwise.
        """
        digest = hashlib.sha256(f"{image.dtype.str}{image.shape}".encode())
        size = image.dtype.itemsize * int(np.prod(image.shape, dtype=np.int64))
        too_large = not image.is_lazy and size > WHOLE_HASH_BYTES
        low, high, rest = np.inf, -np.inf, -np.inf
        saturated = count = at_top = near_top = plateau = 0
        subsets: list[NDArray[np.float64]] = []
        isolated: str | None = None
        for block in blocks:
            if not too_large:
                digest.update(np.ascontiguousarray(block).data)
            block = _without_alpha(block, image)
            values = block[np.isfinite(block)] if block.dtype.kind == "f" else block.ravel()
            if image.nodata is not None:
                values = values[values != image.nodata]
            if values.size == 0:
                continue
            top = float(values.max())
            if top > high:
                at_top = near_top = 0
                isolated = _note_isolated(block, values, top) if block.dtype.kind == "f" else None
                others = values if isolated is None else values[values != top]
                rest = max(high, float(others.max()))
            else:
                rest = max(rest, top)
                isolated = None if top == high else isolated
            low, high = min(low, float(values.min())), max(high, top)
            if values.dtype.kind in "ui" and top == high:
                at_top += int(np.count_nonzero(values == high))
                near_top += int(np.count_nonzero(values >= high * (1 - NEAR_THE_TOP)))
            count += values.size
            if high >= image.white:
                bright = values[values >= PLATEAU * image.white]
                at_white = int(np.count_nonzero(bright >= image.white))
                saturated += at_white
                plateau += bright.size - at_white
            stride = -(-values.size // MEDIAN_VALUES)
            subsets.append(values[::stride].astype(np.float64))
        if too_large:
            for row in np.linspace(0, len(image.data) - 1, HASHED_ROWS).astype(int):
                digest.update(np.ascontiguousarray(image.data[row]).data)
        hashed = (digest.hexdigest(), not (image.is_lazy or too_large))
        if not count:
            return cls(0.0, 0.0, 0.0, 0.0, 0, 0, 0, *hashed)
        sample = np.concatenate(subsets)
        lower_end = low if low >= 0 else max(low, _ten_deviations_below(sample))
        near_top -= at_top
        counts = (saturated / count, at_top, near_top, count)
        notes, only = _note_sentinels(sample, low, high), None
        if isolated is not None and not notes:
            notes, only = (isolated,), high
        return cls(low, high, lower_end, *counts, *hashed, notes, plateau / count, only, rest)

    @property
    def is_clipped_below_white(self) -> bool:
        """Whether a sensor clipped integers at their largest value, below white.

        More values lie there than at those just below (`CLIPPED_EXCESS`), and either some do lie
        just below, or the largest value is that of a bit depth, e.g. 4095.
        """
        width = max(1.0, np.floor(NEAR_THE_TOP * self.high))
        is_of_bits = self.high > 1 and (int(self.high) + 1).bit_count() == 1
        excess = self.at_top > CLIPPED_EXCESS * self.near_top / width
        spread = self.near_top > 0 or is_of_bits
        return bool(self.high > 0 and self.at_top >= CLIPPED_COUNT and excess and spread)

    def is_plateau(self, white: float) -> bool:
        """Whether values just below white are clipped light that a compression has spread.

        Values that are only bright have no such excess at white itself.
        """
        width = max(1.0, np.floor((1 - PLATEAU) * white))
        is_excess = self.saturated > PLATEAU_EXCESS * self.plateau / width > 0
        return bool(is_excess and self.saturated >= PLATEAU_SHARE)


def _without_alpha(block: NDArray[Any], image: Image) -> NDArray[Any]:
    """Return a block without its alpha channel, if it has all channels of the image."""
    if ALPHA not in image.channels or block.shape[image.axes.index("C")] != image.extent("C"):
        return block
    return np.delete(block, image.channels.index(ALPHA), image.axes.index("C"))


def _note_sentinels(sample: NDArray[np.float64], low: float, high: float) -> tuple[str, ...]:
    """Return a note on a negative smallest, or a largest, value far from all others."""
    rest = sample[(sample != low) & (sample != high)]
    if not rest.size:
        return ()
    near, far = float(rest.min()), float(rest.max())
    found = []
    if low < 0 and near - low > LOWER_GAP * (high - near):
        found.append((low, "below"))
    if high > UPPER_RATIO * max(abs(near), abs(far)) > 0:
        found.append((high, "above"))
    return tuple(
        f"values of {value:g} lie far {side} all others ({near:g} to {far:g}); if they mark pixels "
        "without data, state it: by NaN in floats, BLANK in FITS, GDAL_NODATA in TIFF, or a mask."
        for value, side in found
    )


def _note_isolated(block: NDArray[Any], values: NDArray[Any], top: float) -> str | None:
    """Return a note if the largest value of a block (..., Y, X) belongs to one pixel alone.

    `values` are the block's finite ones, `top` the largest of them.
    """
    places = np.argwhere(block == top)
    if len(places) > 1 or values.size == 1:
        return None
    place = [int(n) for n in places[0]]
    rows, columns = (slice(max(n - 1, 0), n + 2) for n in place[-2:])
    window: Any = (*place[:-2], rows, columns)
    near = block[window]
    near = near[np.isfinite(near) & (near != top)].astype(np.float64)
    stride = -(-values.size // MEDIAN_VALUES)
    median = float(np.median(values[::stride].astype(np.float64)))
    largest = float(np.abs(near - median).max(initial=0.0))
    if not 0 < ISOLATED_RATIO * largest < top - median:
        return None
    return (
        f"one pixel, {top:g}, is more than {ISOLATED_RATIO:g} times as far above the median "
        f"({median:.3g}) as those around it, as a hot pixel or a cosmic ray is, and no blurred "
        "light: it counts as missing, and keeps its value."
    )


def _ten_deviations_below(values: NDArray[np.float64]) -> float:
    median = float(np.median(values))
    return median - 10 * float(mad_std(values, median))
