"""Durations and memory on many pixels, extrapolated from trials on few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

SMALLEST_SLOPE = 0.2
"""Smallest increase of a quantity with the pixels, relative to proportionality, dimensionless."""


@dataclass(frozen=True)
class Trial:
    """What was measured on a piece of an image.

    Attributes
    ----------
    pixels : int
        Its pixels, or those of the FFT grid of its scene.
    amount : float
        Duration in seconds, or memory in bytes.
    """

    pixels: int
    amount: float


def extrapolate_linearly(trials: Sequence[Trial], pixels: int) -> float:
    """Return the amount on a number of pixels: that of the last trial, and on by its slope.

    Parameters
    ----------
    trials : sequence of Trial
        In ascending order of the pixels; the last two are used. From a single one the amount is
        taken to be proportional to the pixels.
    pixels : int
        Pixels of the whole.

    Example
    -------
    >>> extrapolate_linearly([Trial(100, 1.0), Trial(200, 1.5)], 400)
    2.5
    """
    last = trials[-1]
    slope = last.amount / last.pixels
    if len(trials) > 1 and last.pixels > trials[-2].pixels:
        rise = last.amount - trials[-2].amount
        slope = max(rise / (last.pixels - trials[-2].pixels), SMALLEST_SLOPE * slope)
    return max(last.amount + slope * (pixels - last.pixels), 0.0)


def extrapolate_by_power(trials: Sequence[Trial], pixels: int) -> float:
    """Return the amount on a number of pixels, by the power law through the last two trials.

    An estimator that uses windows of a large image takes hardly more on a larger one: its amounts
    increase ever less. The exponent is at most 1.

    Parameters
    ----------
    trials, pixels
        As in `extrapolate_linearly`.

    Example
    -------
    >>> extrapolate_by_power([Trial(100, 1.0), Trial(400, 2.0)], 1600)
    4.0
    """
    last, exponent = trials[-1], 1.0
    if len(trials) > 1 and last.pixels > trials[-2].pixels and trials[-2].amount > 0:
        steps = log(last.amount / trials[-2].amount), log(last.pixels / trials[-2].pixels)
        exponent = min(max(steps[0] / steps[1], 0.0), 1.0)
    return float(last.amount * (pixels / last.pixels) ** exponent)
