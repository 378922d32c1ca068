"""Detection of point sources: stars in an image, beads in a volume."""

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

from unblur.numerics.statistics import mad_std

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

MESH = 64
"""Edge length of the blocks in which the background is measured, in pixels."""

SCALES = 0.7 * 2 ** (np.arange(10) / 2)
"""Standard deviations of the Gaussian blobs that are tried, 0.7 to 16, in pixels."""


@dataclass(frozen=True, eq=False)
class BackgroundSubtracted:
    """A background-subtracted image (photutils' `Background2D`, then `data - background`).

    Parameters
    ----------
    values : (*n)
        Image minus background, 0 at invalid pixels.
    valid : (*n) bool
        True at valid pixels.
    """

    values: Array
    valid: Flags

    @classmethod
    def of(cls, image: Array, valid: Flags) -> BackgroundSubtracted:
        """Subtract the background: sigma-clipped medians of blocks, interpolated linearly."""
        level = background_map(image, valid)
        return cls(np.where(valid, image - level, 0.0), valid)

    @cached_property
    def noise(self) -> float:
        """Standard deviation of the background noise, from the negative values."""
        return _noise(self.values[self.valid])

    def points(self, sigma: float, threshold: float) -> Array:
        """Return the local maxima of the image smoothed by `sigma`, brightest first: (N, ndim).

        Parameters
        ----------
        sigma : float
            Standard deviation of the image of a point, in pixels.
        threshold : float
            Height of a maximum in multiples of the smoothed noise.
        """
        smooth = gaussian_filter(self.values, sigma)
        minimum = threshold * max(_noise(smooth[self.valid]), 1e-6 * float(smooth.max()))
        size = 2 * int(np.ceil(1.5 * sigma)) + 1
        maxima = (smooth >= maximum_filter(smooth, size)) & (smooth > minimum)
        plateaus, number = label(maxima, np.ones((3,) * maxima.ndim))
        if not number:
            return np.empty((0, maxima.ndim))
        positions = np.array(maximum_position(smooth, plateaus, np.arange(1, number + 1)))
        heights = smooth[tuple(positions.T)]
        return positions[np.argsort(-heights, kind="stable")].astype(np.float64)

    def blob_size(self, positions: Array) -> float:
        """Return the median blob size at the positions, as a Gaussian standard deviation in pixels.

        At the centre of a Gaussian blob the variance-normalised Laplacian of Gaussian is largest
        at the blob's own scale (T. Lindeberg, "Feature detection with automatic scale selection",
        1998).
        """
        scales = SCALES if self.values.ndim == 2 else SCALES[SCALES < 8]
        response = [
            [self._normalized_log(position, s) for s in scales]
            for position in positions.astype(int)
        ]
        return float(np.median(scales[np.argmax(response, axis=1)]))

    def _normalized_log(self, position: NDArray[np.int_], sigma: float) -> float:
        """Return minus the scale-normalised Laplacian of Gaussian at one position."""
        half_width = int(np.ceil(3.5 * sigma))
        window = tuple(slice(max(p - half_width, 0), p + half_width + 1) for p in position)
        axes = [
            np.arange(w.start, min(w.stop, n)) - p
            for w, n, p in zip(window, self.values.shape, position, strict=True)
        ]
        squared = sum(a.astype(float) ** 2 for a in np.ix_(*axes)) / sigma**2
        ndim = len(axes)
        minus_log = (ndim - squared) * np.exp(-0.5 * squared) / (2 * np.pi * sigma**2) ** (ndim / 2)
        return float((minus_log * self.values[window]).sum())


def estimate_blob_size(image: BackgroundSubtracted, threshold: float) -> float:
    """Return the size of the brightest points, as a Gaussian standard deviation in pixels."""
    sigma = 2.0
    for _ in range(2):
        positions = image.points(sigma, threshold)
        if not len(positions):
            break
        sigma = image.blob_size(positions[:20])
    return sigma


@dataclass(frozen=True, eq=False)
class Selection:
    """The points that can be averaged, and the numbers of those rejected by reason.

    Attributes
    ----------
    positions : (N, ndim)
        Centres of the points, to the nearest pixel.
    rejected : dict of str to int
        Number of points rejected for each reason.
    """

    positions: Array
    rejected: dict[str, int]


def select_points(
    image: BackgroundSubtracted,
    positions: Array,
    sigma: float,
    half_width: Sequence[int],
    *,
    user_given: bool,
) -> Selection:
    """Select isolated, unsaturated points whose window lies inside the image and is valid.

    Parameters
    ----------
    image : BackgroundSubtracted
        The image.
    positions : (N, ndim)
        Candidates, brightest first.
    sigma : float
        Size of a point, as a Gaussian standard deviation in pixels.
    half_width : sequence of int
        Half-width of the window around each point, per axis, in pixels.
    user_given : bool
        Whether the user gave the positions; points with neighbours are then not rejected.
    """
    reasons = ["near the border", "masked", "saturated", "crowded"]
    rejected = dict.fromkeys(reasons, 0)
    heights = gaussian_filter(image.values, sigma)[tuple(positions.astype(int).T)]
    kept = []
    for number, position in enumerate(positions.astype(int)):
        window = tuple(slice(p - h, p + h + 1) for p, h in zip(position, half_width, strict=True))
        shape = zip(position, half_width, image.values.shape, strict=True)
        if any(p < h or p + h >= n for p, h, n in shape):
            rejected["near the border"] += 1
        elif _is_masked(image.valid[window], half_width, sigma):
            rejected["masked"] += 1
        elif _is_saturated(image.values[window], half_width):
            rejected["saturated"] += 1
        elif not user_given and _is_crowded(number, positions, heights, half_width):
            rejected["crowded"] += 1
        else:
            kept.append(position)
    found = np.array(kept, np.float64).reshape(-1, positions.shape[1])
    return Selection(found, {reason: n for reason, n in rejected.items() if n})


def neighbour_flux(image: BackgroundSubtracted, positions: Array, shape: Sequence[int]) -> float:
    """Return the peak of the median surroundings of the points, relative to the points' peak.

    The neighbours of a point lie at random offsets, so that the median over many points removes
    them. Further blobs of the same PSF lie at the same offset from every point and remain.
    """
    extent = np.array(image.values.shape)
    half_width = np.minimum(np.array(shape) * 3 // 2, (extent - 1) // 2)
    inside = ((positions >= half_width) & (positions < extent - half_width)).all(axis=1)
    centres = positions[inside][:100].astype(int)
    if len(centres) < 5:
        return 0.0
    windows = [
        image.values[
            tuple(slice(p - h, p + h + 1) for p, h in zip(position, half_width, strict=True))
        ]
        for position in centres
    ]
    heights = np.array([window[tuple(half_width)] for window in windows])
    typical = gaussian_filter(
        np.median([w / h for w, h in zip(windows, heights, strict=True)], 0), 1
    )
    core = tuple(slice(h - n // 2, h + n // 2 + 1) for h, n in zip(half_width, shape, strict=True))
    surroundings = typical.copy()
    surroundings[core] = 0
    return float(surroundings.max() / typical[core].max())


def _is_masked(valid: Flags, half_width: Sequence[int], sigma: float) -> bool:
    core = tuple(slice(max(h - round(sigma), 0), h + round(sigma) + 1) for h in half_width)
    return bool(not np.all(valid[core]) or valid.mean() < 0.8)


def _is_saturated(values: Array, half_width: Sequence[int]) -> bool:
    """Return whether more samples equal the maximum than symmetry allows: a saturated point."""
    core = values[tuple(slice(max(h - 1, 0), h + 2) for h in half_width)]
    level = core.max() - 1e-3 * abs(core.max())
    return int(np.count_nonzero(core >= level)) > int(2**values.ndim)


def _is_crowded(number: int, positions: Array, heights: Array, half_width: Sequence[int]) -> bool:
    """Return whether another point of at least a tenth of its height lies in its window."""
    close = np.abs(positions - positions[number]) <= np.array(half_width)
    near = close.all(axis=1) & (heights > 0.1 * heights[number])
    near[number] = False
    return int(near.sum()) > 0


def background_map(image: Array, valid: Flags) -> Array:
    """Return the background at every pixel: clipped block medians, interpolated linearly."""
    n_blocks = [max(round(n / MESH), 1) for n in image.shape]
    edges = [
        np.linspace(0, n, c + 1).round().astype(int)
        for n, c in zip(image.shape, n_blocks, strict=True)
    ]
    overall = _clipped_median(image[valid]) if valid.any() else 0.0
    levels = np.full(n_blocks, overall)
    for index in np.ndindex(*n_blocks):
        block = tuple(slice(e[i], e[i + 1]) for e, i in zip(edges, index, strict=True))
        values = image[block][valid[block]]
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
    """Return the noise from the values below 0, or their clipped deviation if these are few."""
    below = values[values < 0]
    if below.size > values.size / 8:
        return float(mad_std(below, center=0.0))
    for _ in range(10):
        deviation = float(values.std())
        kept = values[np.abs(values - np.median(values)) <= 3 * deviation]
        if kept.size == values.size:
            break
        values = kept
    return deviation
