"""Finding points of light: stars on a sky, beads in a volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    gaussian_filter,
    label,
    map_coordinates,
    maximum_filter,
    maximum_position,
)

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

MESH = 64
"""Edge in pixels of the blocks in which the background is measured."""

SCALES = 0.7 * 2 ** (np.arange(10) / 2)
"""Standard deviations of the blobs that are tried, 0.7 to 16 pixels."""


@dataclass(frozen=True, eq=False)
class Sky:
    """An image without its background.

    Parameters
    ----------
    values : (*n)
        Background subtracted, 0 where not trusted.
    trusted : (*n) bool
        Pixels that count.
    """

    values: Array
    trusted: Flags

    @classmethod
    def of(cls, image: Array, trusted: Flags) -> Sky:
        """Subtract the background, a smooth surface through clipped medians of blocks."""
        level = _background(image, trusted)
        return cls(np.where(trusted, image - level, 0.0), trusted)

    @cached_property
    def noise(self) -> float:
        """Standard deviation of the background, from what lies below it."""
        return _noise(self.values[self.trusted])

    def points(self, sigma: float, threshold: float) -> Array:
        """Return local maxima of the sky smoothed by `sigma`, brightest first: (N, ndim).

        Parameters
        ----------
        sigma : float
            Standard deviation of a point's image, in pixels.
        threshold : float
            Height of a maximum in multiples of the smoothed noise.
        """
        smooth = gaussian_filter(self.values, sigma)
        least = threshold * max(_noise(smooth[self.trusted]), 1e-6 * float(smooth.max()))
        size = 2 * int(np.ceil(1.5 * sigma)) + 1
        tops = (smooth >= maximum_filter(smooth, size)) & (smooth > least)
        plateaus, count = label(tops, np.ones((3,) * tops.ndim))
        if not count:
            return np.empty((0, tops.ndim))
        places = np.array(maximum_position(smooth, plateaus, np.arange(1, count + 1)))
        heights = smooth[tuple(places.T)]
        return places[np.argsort(-heights, kind="stable")].astype(np.float64)

    def scale(self, places: Array) -> float:
        """Return the standard deviation of a Gaussian of the points' size, in pixels.

        At the middle of a blob the Laplacian of Gaussians times their variance is largest for
        the blob's own (T. Lindeberg, "Feature detection with automatic scale selection", 1998).
        """
        scales = SCALES if self.values.ndim == 2 else SCALES[SCALES < 8]
        response = [[self._blob(place, s) for s in scales] for place in places.astype(int)]
        return float(np.median(scales[np.argmax(response, axis=1)]))

    def _blob(self, place: NDArray[np.int_], sigma: float) -> float:
        """Return minus the scaled Laplacian of the sky smoothed by `sigma`, at one place."""
        half = int(np.ceil(3.5 * sigma))
        window = tuple(slice(max(p - half, 0), p + half + 1) for p in place)
        axes = [
            np.arange(w.start, min(w.stop, n)) - p
            for w, n, p in zip(window, self.values.shape, place, strict=True)
        ]
        squared = sum(a.astype(float) ** 2 for a in np.ix_(*axes)) / sigma**2
        ndim = len(axes)
        ripple = (ndim - squared) * np.exp(-0.5 * squared) / (2 * np.pi * sigma**2) ** (ndim / 2)
        return float((ripple * self.values[window]).sum())


def find_scale(sky: Sky, threshold: float) -> float:
    """Return the size of the brightest points, as the standard deviation of a Gaussian."""
    sigma = 2.0
    for _ in range(2):
        places = sky.points(sigma, threshold)
        if not len(places):
            break
        sigma = sky.scale(places[:20])
    return sigma


@dataclass(frozen=True, eq=False)
class Selection:
    """Points that are fit to be averaged, and why the others are not.

    Attributes
    ----------
    places : (N, ndim)
        Centres of the points, to the nearest pixel.
    rejected : dict of str to int
        Number of points left out for each reason.
    """

    places: Array
    rejected: dict[str, int]


def select(
    sky: Sky, places: Array, sigma: float, half: Sequence[int], *, all_of: bool
) -> Selection:
    """Choose points whose surroundings are whole, unclipped and their own.

    Parameters
    ----------
    sky : Sky
        Where they lie.
    places : (N, ndim)
        Candidates, brightest first.
    sigma : float
        Size of a point in pixels.
    half : sequence of int
        Half the window around each point, per axis.
    all_of : bool
        Whether the candidates were named by the user: neighbours are then no reason.
    """
    reasons = ["near the border", "masked", "saturated", "crowded"]
    rejected = dict.fromkeys(reasons, 0)
    heights = gaussian_filter(sky.values, sigma)[tuple(places.astype(int).T)]
    kept = []
    for number, place in enumerate(places.astype(int)):
        window = tuple(slice(p - h, p + h + 1) for p, h in zip(place, half, strict=True))
        shape = zip(place, half, sky.values.shape, strict=True)
        if any(p < h or p + h >= n for p, h, n in shape):
            rejected["near the border"] += 1
        elif _is_masked(sky.trusted[window], half, sigma):
            rejected["masked"] += 1
        elif _is_flat_topped(sky.values[window], half):
            rejected["saturated"] += 1
        elif not all_of and _is_crowded(number, places, heights, half):
            rejected["crowded"] += 1
        else:
            kept.append(place)
    found = np.array(kept, np.float64).reshape(-1, places.shape[1])
    return Selection(found, {reason: n for reason, n in rejected.items() if n})


def company(sky: Sky, places: Array, shape: Sequence[int]) -> float:
    """Return how bright the surroundings are that points have in common, relative to the points.

    Neighbours lie anywhere, and the median over many points does not show them; further blobs
    of one and the same PSF lie at the same distance from every point, and it does.
    """
    extent = np.array(sky.values.shape)
    half = np.minimum(np.array(shape) * 3 // 2, (extent - 1) // 2)
    inner = ((places >= half) & (places < extent - half)).all(axis=1)
    centres = places[inner][:100].astype(int)
    if len(centres) < 5:
        return 0.0
    windows = [
        sky.values[tuple(slice(p - h, p + h + 1) for p, h in zip(place, half, strict=True))]
        for place in centres
    ]
    heights = np.array([window[tuple(half)] for window in windows])
    usual = gaussian_filter(np.median([w / h for w, h in zip(windows, heights, strict=True)], 0), 1)
    core = tuple(slice(h - n // 2, h + n // 2 + 1) for h, n in zip(half, shape, strict=True))
    around = usual.copy()
    around[core] = 0
    return float(around.max() / usual[core].max())


def _is_masked(trusted: Flags, half: Sequence[int], sigma: float) -> bool:
    core = tuple(slice(max(h - round(sigma), 0), h + round(sigma) + 1) for h in half)
    return bool(not np.all(trusted[core]) or trusted.mean() < 0.8)


def _is_flat_topped(values: Array, half: Sequence[int]) -> bool:
    """Return whether more samples share the top than symmetry explains: a clipped point."""
    core = values[tuple(slice(max(h - 1, 0), h + 2) for h in half)]
    level = core.max() - 1e-3 * abs(core.max())
    return int(np.count_nonzero(core >= level)) > int(2**values.ndim)


def _is_crowded(number: int, places: Array, heights: Array, half: Sequence[int]) -> bool:
    """Return whether another point of a tenth of its height or more lies in its window."""
    apart = np.abs(places - places[number]) <= np.array(half)
    near = apart.all(axis=1) & (heights > 0.1 * heights[number])
    near[number] = False
    return int(near.sum()) > 0


def _background(image: Array, trusted: Flags) -> Array:
    """Return the background everywhere: medians of blocks, clipped, interpolated linearly."""
    counts = [max(round(n / MESH), 1) for n in image.shape]
    edges = [
        np.linspace(0, n, c + 1).round().astype(int)
        for n, c in zip(image.shape, counts, strict=True)
    ]
    overall = _clipped_median(image[trusted]) if trusted.any() else 0.0
    levels = np.full(counts, overall)
    for index in np.ndindex(*counts):
        block = tuple(slice(e[i], e[i + 1]) for e, i in zip(edges, index, strict=True))
        values = image[block][trusted[block]]
        if values.size > 30:
            levels[index] = _clipped_median(values)
    if levels.size == 1:
        return np.full(image.shape, float(levels.item()))
    at = [
        np.interp(np.arange(n) + 0.5, (e[:-1] + e[1:]) / 2, np.arange(len(e) - 1))
        for n, e in zip(image.shape, edges, strict=True)
    ]
    grid = np.meshgrid(*at, indexing="ij")
    return np.asarray(map_coordinates(levels, grid, order=1, mode="nearest"), np.float64)


def _clipped_median(values: Array) -> float:
    for _ in range(5):
        middle = float(np.median(values))
        kept = values[np.abs(values - middle) <= 3 * _noise(values - middle) + 1e-12]
        if kept.size == values.size:
            break
        values = kept
    return middle


def _noise(values: Array) -> float:
    """Return the deviation of what lies below 0; that of the clipped rest where it is 0."""
    below = values[values < 0]
    if below.size > values.size / 8:
        return 1.4826 * float(np.median(-below))
    for _ in range(10):
        deviation = float(values.std())
        kept = values[np.abs(values - np.median(values)) <= 3 * deviation]
        if kept.size == values.size:
            break
        values = kept
    return deviation
