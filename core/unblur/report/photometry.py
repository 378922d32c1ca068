"""Aperture photometry of isolated stars, before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.model.kernel import KernelField
from unblur.numerics.statistics import mad_std
from unblur.report.previews import Float

Array = NDArray[np.float64]

RADIUS, SKY_RADII = 6.0, (9.0, 14.0)
"""Radius of the apertures, and radii of the annuli in which the sky is measured, in pixels."""

THRESHOLD = 20.0
"""Height of a star, in multiples of the noise."""

WIDTH = 3.0
"""Full width at half maximum of the stars that are searched for, in pixels."""

MIN_STARS, MAX_STARS = 3, 200
"""Smallest and largest number of stars that are measured, dimensionless."""


@dataclass(frozen=True, eq=False)
class Photometry:
    """Fluxes of stars in two images.

    Attributes
    ----------
    positions : (N, 2)
        Rows and columns, in pixels.
    before, after : (N)
        Fluxes in the image's units, brightest first, sky subtracted.
    expected : (N), optional
        Ratio of the fluxes if the PSF is right and nothing of it is left after: the part of it
        that lies beyond the aperture before.
    """

    positions: Array
    before: Array
    after: Array
    expected: Array | None = None

    @property
    def ratio(self) -> tuple[float, float]:
        """Median of the flux after over before, and its robust standard deviation."""
        ratio = self.after / self.before
        return float(np.median(ratio)), float(mad_std(ratio))

    def describe(self) -> str:
        """Return the photometry in one sentence."""
        middle, spread = self.ratio
        sentence = (
            f"{len(self.before)} isolated stars in apertures of {RADIUS:g} px: the flux after is "
            f"{middle:.4f} of that before (median; standard deviation {spread:.4f})"
        )
        if self.expected is None:
            return f"{sentence}."
        kept = float(np.median(self.after / self.before / self.expected))
        return (
            f"{sentence}. By the PSF, {float(np.median(self.expected)):.4f} is expected, as its "
            f"wings reach beyond the aperture before: {100 * (kept - 1):+.2f} % from it."
        )


def measure_stars(
    before: Float, after: Float, kernel: KernelField | None = None
) -> Photometry | None:
    """Return the photometry of the isolated stars in two planes (H, W) of one shape.

    `kernel` is that of the deconvolution, 2-D, from which the ratio of the fluxes is expected.
    None without photutils, or where there are fewer than three such stars.
    """
    if before.ndim != 2 or min(before.shape) < 2 * SKY_RADII[1]:
        return None
    try:
        from photutils.aperture import CircularAperture
        from photutils.detection import DAOStarFinder
    except ImportError:
        return None
    planes = [
        np.nan_to_num(np.asarray(p, np.float64), nan=float(np.nanmedian(p)))
        for p in (before, after)
    ]
    level, noise = float(np.median(planes[0])), float(mad_std(planes[0]))
    if noise <= 0:
        return None
    found = DAOStarFinder(THRESHOLD * noise, WIDTH)(planes[0] - level)
    if found is None:
        return None
    names = (
        ("y_centroid", "x_centroid")
        if "y_centroid" in found.colnames
        else ("ycentroid", "xcentroid")
    )
    positions = _isolated(np.stack([np.asarray(found[name]) for name in names], 1), before.shape)
    if len(positions) < MIN_STARS:
        return None
    aperture = CircularAperture(positions[:, ::-1], RADIUS)
    first, second = (_fluxes(plane, positions, aperture) for plane in planes)
    order = np.argsort(-first)[:MAX_STARS]
    order = order[first[order] > 0]
    if len(order) < MIN_STARS:
        return None
    positions = positions[order]
    expected = None
    if kernel is not None and kernel.kernels[0][0].ndim == 2:
        expected = _ratios_at(kernel, positions)
    return Photometry(positions, first[order], second[order], expected)


def expected_ratio(weights: NDArray[np.float32]) -> float:
    """Return the flux of a sharp star over that of one blurred by a kernel, as it is measured.

    That of the blurred star is the sum in the aperture without the median of the annulus.

    Example
    -------
    >>> expected_ratio(np.ones((1, 1), np.float32))
    1.0
    """
    from photutils.aperture import CircularAperture

    half = int(SKY_RADII[1]) + 2 + max(weights.shape)
    plane = np.zeros((2 * half + 1,) * 2)
    top, left = (half - n // 2 for n in weights.shape)
    plane[top : top + weights.shape[0], left : left + weights.shape[1]] = weights
    middle = np.array([[float(half), float(half)]])
    return float(1 / _fluxes(plane, middle, CircularAperture(middle[:, ::-1], RADIUS))[0])


def _ratios_at(field: KernelField, positions: Array) -> Array:
    """Return the expected ratio at positions (N, 2), linear between the kernels of a field."""
    from scipy.ndimage import map_coordinates

    ratios = np.array([[expected_ratio(k.weights) for k in row] for row in field.kernels])
    at = [
        np.interp(positions[:, axis], grid, np.arange(len(grid)))
        for axis, grid in enumerate((field.rows, field.columns))
    ]
    return np.asarray(map_coordinates(ratios, at, order=1, mode="nearest"))


def _fluxes(plane: Array, positions: Array, aperture: Any) -> Array:
    from photutils.aperture import ApertureStats, CircularAnnulus, aperture_photometry

    sky = ApertureStats(plane, CircularAnnulus(positions[:, ::-1], *SKY_RADII)).median
    sums = np.asarray(aperture_photometry(plane, aperture)["aperture_sum"])
    return np.asarray(sums - sky * aperture.area, np.float64)


def _isolated(positions: Array, shape: tuple[int, ...]) -> Array:
    """Return the positions far from the border and from each other."""
    margin = SKY_RADII[1]
    kept = []
    for position in positions:
        distance = np.hypot(*(positions - position).T)
        inside = (position > margin).all() and (position < np.array(shape) - 1 - margin).all()
        if inside and (distance < margin).sum() == 1:
            kept.append(position)
    return np.array(kept, np.float64).reshape(-1, 2)
