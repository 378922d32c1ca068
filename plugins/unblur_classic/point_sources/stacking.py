"""Averaging points of light into one PSF, each moved by fractions of a pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import shift

from unblur.model.context import Context

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

ITERATIONS = 12
"""Most rounds of fitting and averaging; they end once no point moves by a hundredth of a pixel."""

ALIKE = 0.7
"""Correlation with the average below which a point is not one like the others."""


class Stack:
    """Points of light in windows of one shape, and their common PSF.

    Each window is modelled as `flux psf(x - place) + background`. In turn each point's flux,
    place and background are fitted by least squares, and the PSF gains the average of what the
    model leaves over, weighted by squared flux and clipped against neighbours.

    Parameters
    ----------
    windows : (N, *k)
        Odd windows around the points, background roughly subtracted.
    trusted : (N, *k) bool
        Samples that count.

    References
    ----------
    J. Anderson, I. R. King, "Toward high-precision astrometry with WFPC2. I. Deriving an
    accurate point-spread function", PASP 112, 2000.
    """

    def __init__(self, windows: Array, trusted: Flags) -> None:
        self.windows = windows
        self.trusted = trusted
        pairs = zip(windows, trusted, strict=True)
        self.places = np.array([_first_place(w, t) for w, t in pairs])
        self.fluxes = np.ones(len(windows))
        self.levels = np.zeros(len(windows))
        self.alike = np.ones(len(windows), bool)
        self.psf = self._first_psf()

    def solve(self, context: Context) -> Array:
        """Return the PSF (*k), sum 1, its centre of mass in the middle sample."""
        for _ in range(ITERATIONS):
            context.checkpoint()
            before = self.places.copy()
            models = [self._fit(number) for number in range(len(self.windows))]
            self._leave_out(models)
            self._average(models)
            self._centre()
            if np.abs(self.places - before).max() < 0.01:
                break
        return self.psf

    def _first_psf(self) -> Array:
        scaled = []
        for window, trusted, place in zip(self.windows, self.trusted, self.places, strict=True):
            filled = np.where(trusted, window, np.median(window[trusted]))
            scaled.append(_moved(filled, -place) / max(float(filled.sum()), 1e-12))
        psf = np.asarray(np.median(scaled, axis=0), np.float64)
        return np.asarray(psf / psf.sum())

    def _fit(self, number: int) -> Array:
        """Fit one point's flux, place and background; return its model without background."""
        window, trusted = self.windows[number], self.trusted[number]
        model = _moved(self.psf, self.places[number])
        slopes = [np.asarray(np.gradient(model, axis=axis)) for axis in range(model.ndim)]
        parts = [model, *(-s for s in slopes), np.ones_like(model)]
        design = np.stack([p[trusted] for p in parts], axis=1)
        solution = np.linalg.lstsq(design, window[trusted], rcond=None)[0]
        flux = float(solution[0])
        if flux > 0:
            step = np.clip(solution[1:-1] / flux, -0.5, 0.5)
            self.places[number] = np.clip(self.places[number] + step, -2, 2)
        self.fluxes[number], self.levels[number] = max(flux, 0.0), float(solution[-1])
        return _moved(self.psf, self.places[number])

    def _leave_out(self, models: Sequence[Array]) -> None:
        """Leave out points whose window does not correlate with the model."""
        scores = np.array(
            [
                np.corrcoef(window[trusted], model[trusted])[0, 1] if flux > 0 else 0.0
                for window, trusted, model, flux in zip(
                    self.windows, self.trusted, models, self.fluxes, strict=True
                )
            ]
        )
        scores = np.nan_to_num(scores)
        good = scores[scores > ALIKE]
        spread = 1.4826 * np.median(np.abs(good - np.median(good))) if good.size else 0.0
        least = max(ALIKE, float(np.median(good) - 5 * spread - 0.02)) if good.size else ALIKE
        self.alike = scores >= least
        if not self.alike.any():
            self.alike[int(scores.argmax())] = True

    def _average(self, models: Sequence[Array]) -> None:
        left, weights = [], []
        for number in np.flatnonzero(self.alike & (self.fluxes > 0)).tolist():
            flux, place = self.fluxes[number], self.places[number]
            residual = (self.windows[number] - self.levels[number]) / flux - models[number]
            trusted = self.trusted[number]
            left.append(_moved(np.where(trusted, residual, 0.0), -place))
            seen = shift(trusted.astype(float), -place, order=0, mode="constant", cval=0)
            weights.append(flux**2 * seen)
        if not left:
            return
        residuals, weight = np.array(left), np.array(weights)
        if len(residuals) > 4:
            middle = np.median(residuals, axis=0)
            spread = 1.4826 * np.median(np.abs(residuals - middle), axis=0)
            weight = weight * (np.abs(residuals - middle) <= 3 * spread + 1e-12)
        total = weight.sum(axis=0)
        self.psf = self.psf + (weight * residuals).sum(axis=0) / np.maximum(total, 1e-30)
        self.psf -= _rim_level(self.psf)
        self.psf /= self.psf.sum()

    def _centre(self) -> None:
        """Bring the centre of mass to the middle, and let the points' places make up for it."""
        core = np.clip(self.psf - 0.02 * self.psf.max(), 0, None)
        middle = np.array([(n - 1) // 2 for n in core.shape])
        mass = np.array([(g * core).sum() / core.sum() for g in np.indices(core.shape)])
        offset = np.clip(mass - middle, -1, 1)
        if np.abs(offset).max() > 1e-3:
            self.psf = _moved(self.psf, -offset)
            self.psf /= self.psf.sum()
            self.places = self.places + offset


def _first_place(window: Array, trusted: Flags) -> Array:
    """Return the centre of mass of the brighter half of a point, relative to the middle."""
    core = np.where(trusted, window, 0.0)
    core = np.clip(core - 0.5 * core.max(), 0, None)
    middle = np.array([n // 2 for n in core.shape])
    mass = np.array([(g * core).sum() / max(core.sum(), 1e-30) for g in np.indices(core.shape)])
    return np.asarray(np.clip(mass - middle, -1, 1))


def _moved(x: Array, by: Array) -> Array:
    """Return `x` moved by fractions of a pixel, by cubic splines, with 0 coming in."""
    return np.asarray(shift(x, by, order=3, mode="constant", cval=0.0))


def _rim_level(psf: Array) -> float:
    """Return the median of the outermost faces."""
    inside = tuple(slice(1, -1) if n > 2 else slice(None) for n in psf.shape)
    rim = np.ones(psf.shape, bool)
    rim[inside] = False
    return float(np.median(psf[rim]))
