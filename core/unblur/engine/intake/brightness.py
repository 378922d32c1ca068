"""The range of an image's values, by which its scale and its mask are chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unblur.engine.tiles.reader import sound_blocks
from unblur.model.image import SAMPLE_BLOCKS, Image
from unblur.numerics.statistics import mad_std

SUBSET = 2**16
"""Values of each block that go into the median."""


@dataclass(frozen=True)
class Brightness:
    """What the values of an image are like: all of them in memory, else a sample of its chunks.

    Attributes
    ----------
    low, high : float
        Least and greatest finite value; 0 where there is none.
    lower_end : float
        The least value, or ten robust standard deviations below the median if that is higher:
        all noise is above it, a sentinel such as -99999 is not.
    saturated : float
        Share of the values at or above white.
    count : int
        How many finite values were seen.
    """

    low: float
    high: float
    lower_end: float
    saturated: float
    count: int

    @classmethod
    def of(cls, image: Image) -> Brightness:
        """Look at the values of `image`, chunk by chunk if it is lazy."""
        low, high = np.inf, -np.inf
        saturated = count = 0
        subsets: list[NDArray[np.float64]] = []
        for block in sound_blocks(image, SAMPLE_BLOCKS):
            values = block[np.isfinite(block)] if block.dtype.kind == "f" else block.ravel()
            if values.size == 0:
                continue
            low, high = min(low, float(values.min())), max(high, float(values.max()))
            count += values.size
            if high >= image.white:
                saturated += int(np.count_nonzero(values >= image.white))
            stride = -(-values.size // SUBSET)
            subsets.append(values[::stride].astype(np.float64))
        if not count:
            return cls(0.0, 0.0, 0.0, 0.0, 0)
        lower_end = low if low >= 0 else max(low, _ten_deviations_below(np.concatenate(subsets)))
        return cls(low, high, lower_end, saturated / count, count)


def _ten_deviations_below(values: NDArray[np.float64]) -> float:
    median = float(np.median(values))
    return median - 10 * float(mad_std(values, median))
