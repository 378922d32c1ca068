"""Wings of a PSF beyond the windows in which it was measured, by a Moffat function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from unblur.numerics.kernel_ops import crop_around
from unblur.numerics.psf.properties import SIGNIFICANT

Array = NDArray[np.float64]

RELATIVE_ERROR = 0.05
"""Standard deviation of a Moffat function about a PSF, as a fraction of its value, dimensionless.
The wings are fitted to that accuracy too, which the core would outweigh."""

MIN_EXPLAINED = 0.9
"""Smallest fraction of the variance in the outer half of the window that a Moffat function explains
where it continues the PSF, dimensionless."""

BETA_RANGE = (1.5, 12.0)
"""Range of the exponent of the wings, dimensionless. Kolmogorov turbulence has 4.8, telescopes 2.5
to 4; at 1.5 the flux beyond a radius decreases with its inverse only."""

BETA_TOLERANCE = 1e-3
"""Range to each side of an exponent that is known, dimensionless."""

CONTAINED = 0.998
"""Fraction of the flux of the Moffat function within the extended window, dimensionless."""

MAX_GROWTH = 4
"""Largest half-width of the extended window, in those of the measured one."""


@dataclass(frozen=True, eq=False)
class Wings:
    """A Moffat function that continues a measured PSF.

    Attributes
    ----------
    params : (6)
        Logarithm of the amplitude, logarithms of the scales along both principal directions in
        pixels, angle in radians, exponent beta, and offset of the measured samples.
    half_width : tuple of int
        Half-width of the window that contains the function, per axis, in pixels.
    """

    params: Array
    half_width: tuple[int, ...]

    @classmethod
    def fit(cls, psf: Array, error: Array, beta: float | None = None) -> Wings | None:
        """Return the wings of a PSF, or None where no Moffat function describes its border.

        Parameters
        ----------
        psf : (H, W)
            Measured samples of odd extent, in which a constant offset is undetermined.
        error : (H, W)
            Standard deviation of each sample.
        beta : float, optional
            Exponent of the wings, if it is known.
        """
        if psf.ndim != 2 or not np.isfinite(error).all():
            return None
        half_width = [n // 2 for n in psf.shape]
        peak, scale = float(psf.max()), np.maximum(error, np.median(error)) + 1e-12
        weight = 1 / np.sqrt(scale**2 + (RELATIVE_ERROR * psf) ** 2)
        width = max(float(np.sqrt((psf > peak / 2).sum() / np.pi)), 0.5)
        start = np.array([np.log(peak), np.log(1.6 * width), np.log(1.6 * width), 0.0, 3.0, 0.0])
        low = np.array([np.log(peak) - 2, -2, -2, -4, BETA_RANGE[0], -0.2 * peak])
        high = np.array([np.log(peak) + 2, 6, 6, 4, BETA_RANGE[1], 0.2 * peak])
        if beta is not None:
            start[4], low[4], high[4] = beta, beta - BETA_TOLERANCE, beta + BETA_TOLERANCE
        found = least_squares(
            lambda params: ((_moffat(params, half_width) + params[5] - psf) * weight).ravel(),
            start,
            bounds=(low, high),
            x_scale=[0.1, 0.1, 0.1, 0.3, 0.5, 0.01 * peak],
            max_nfev=60,
        )
        wings = cls(found.x, ())
        model = _moffat(found.x, half_width)
        outer = _radius(half_width) > 0.5
        left = float(np.square((psf - model - found.x[5])[outer] * weight[outer]).sum())
        spread = psf[outer] - np.average(psf[outer], weights=weight[outer] ** 2)
        if left > (1 - MIN_EXPLAINED) * float(np.square(spread * weight[outer]).sum()) + 2 * float(
            outer.sum()
        ):
            return None
        return cls(found.x, wings._contained(half_width))

    @property
    def beta(self) -> float:
        """Exponent of the wings."""
        return float(self.params[4])

    @property
    def offset(self) -> float:
        """Offset of the measured samples, in their units; negative if they are too low."""
        return float(self.params[5])

    def model(self, half_width: Sequence[int]) -> Array:
        """Return the function, (2 half_width[0] + 1, 2 half_width[1] + 1)."""
        return _moffat(self.params, half_width)

    def extend(self, psf: Array, error: Array, half_width: Sequence[int] | None = None) -> Array:
        """Return a PSF of that error with its wings, sum 1, in the window that contains them.

        The window is that of `half_width`, if it is given. Inside the measured window each sample
        is the mean of the measured and the fitted one, by the signal-to-noise ratio.
        """
        measured = tuple(n // 2 for n in psf.shape)
        needed = self.half_width if half_width is None else half_width
        widest = tuple(max(a, b) for a, b in zip(measured, needed, strict=True))
        model = self.model(widest)
        inside = tuple(slice(w - m, w + m + 1) for w, m in zip(widest, measured, strict=True))
        noise = np.maximum(error, np.median(error))
        certain = model[inside] ** 2 / (model[inside] ** 2 + noise**2)
        edge = np.clip((1 - _radius(measured)) * 4, 0, 1)  # no step at the border
        model[inside] += certain * edge * (psf - self.offset - model[inside])
        model = np.clip(model, 0, None)
        if half_width is None:
            reach = np.abs(np.argwhere(model > SIGNIFICANT * model.max()) - widest).max(axis=0)
            half_width = reach.tolist()
        model = crop_around(model, widest, half_width)
        return np.asarray(model / model.sum())

    def _contained(self, half_width: Sequence[int]) -> tuple[int, ...]:
        """Return the half-width that contains the flux, at most a multiple of the measured one."""
        beta = float(self.params[4])
        radii = np.sqrt((1 - CONTAINED) ** (1 / (1 - beta)) - 1) * np.exp(max(self.params[1:3]))
        return tuple(min(int(np.ceil(radii)), MAX_GROWTH * h) for h in half_width)


def _moffat(params: Array, half_width: Sequence[int]) -> Array:
    """Return an elliptical Moffat function, mean over 3x3 samples of each pixel."""
    amplitude, first, second, angle, beta = params[:5]
    fine = [(np.arange(3 * (2 * h + 1)) - 1) / 3 - h for h in half_width]
    y, x = np.meshgrid(*fine, indexing="ij", sparse=True)
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    squared = (along / np.exp(first)) ** 2 + (across / np.exp(second)) ** 2
    values = np.exp(amplitude) * (1 + squared) ** -beta
    shape = [2 * h + 1 for h in half_width]
    return np.asarray(values.reshape(shape[0], 3, shape[1], 3).mean((1, 3)))


def _radius(half_width: Sequence[int]) -> Array:
    """Return the distance of each sample from the middle, 1 at the nearest border."""
    axes = [np.arange(-h, h + 1) / max(h, 1) for h in half_width]
    return np.asarray(np.hypot(*np.meshgrid(*axes, indexing="ij")))
