"""Average of point sources as one PSF, each registered to sub-pixel accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import shift

from unblur.model.context import Context
from unblur.numerics.statistics import mad_std

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

MAX_ITERATIONS = 12
"""Largest number of iterations of fitting and averaging, dimensionless.

They end once no position moves by 0.01 pixels or more.
"""

MIN_CORRELATION = 0.7
"""Smallest correlation of an inlier's window with the average PSF, dimensionless."""


class PsfStacker:
    """Point sources in windows of one shape, and their common PSF.

    Each window is modelled as `flux psf(x - position) + background`. Alternately, the flux,
    position and background of each point are fitted by least squares, and the average residual,
    weighted by the squared flux and sigma-clipped over the points, is added to the PSF.

    Parameters
    ----------
    windows : (N, *k)
        Windows of odd extent around the points, background roughly subtracted.
    valid : (N, *k) bool
        True at valid samples.

    References
    ----------
    J. Anderson, I. R. King, "Toward high-precision astrometry with WFPC2. I. Deriving an
    accurate point-spread function", PASP 112, 2000.
    """

    def __init__(self, windows: Array, valid: Flags) -> None:
        self.windows = windows
        self.valid = valid
        pairs = zip(windows, valid, strict=True)
        self.positions = np.array([_initial_position(w, t) for w, t in pairs])
        self.fluxes = np.ones(len(windows))
        self.backgrounds = np.zeros(len(windows))
        self.inliers = np.ones(len(windows), bool)
        self.psf = self._initial_psf()

    def solve(self, context: Context) -> Array:
        """Return the PSF (*k) of sum 1, its centre of mass at the middle sample."""
        for _ in range(MAX_ITERATIONS):
            context.checkpoint()
            before = self.positions.copy()
            models = [self._fit(number) for number in range(len(self.windows))]
            self._reject_outliers(models)
            self._update_psf(models)
            self._recentre()
            if np.abs(self.positions - before).max() < 0.01:
                break
        return self.psf

    def _initial_psf(self) -> Array:
        scaled = []
        for window, valid, position in zip(self.windows, self.valid, self.positions, strict=True):
            filled = np.where(valid, window, np.median(window[valid]))
            scaled.append(_shifted(filled, -position) / max(float(filled.sum()), 1e-12))
        psf = np.asarray(np.median(scaled, axis=0), np.float64)
        return np.asarray(psf / psf.sum())

    def _fit(self, number: int) -> Array:
        """Fit one point's flux, position and background; return its model without background."""
        window, valid = self.windows[number], self.valid[number]
        model = _shifted(self.psf, self.positions[number])
        gradients = [np.asarray(np.gradient(model, axis=axis)) for axis in range(model.ndim)]
        parts = [model, *(-g for g in gradients), np.ones_like(model)]
        design = np.stack([p[valid] for p in parts], axis=1)
        solution = np.linalg.lstsq(design, window[valid], rcond=None)[0]
        flux = float(solution[0])
        if flux > 0:
            step = np.clip(solution[1:-1] / flux, -0.5, 0.5)
            self.positions[number] = np.clip(self.positions[number] + step, -2, 2)
        self.fluxes[number], self.backgrounds[number] = max(flux, 0.0), float(solution[-1])
        return _shifted(self.psf, self.positions[number])

    def _reject_outliers(self, models: Sequence[Array]) -> None:
        """Reject points whose window does not correlate with the model."""
        scores = np.array(
            [
                np.corrcoef(window[valid], model[valid])[0, 1] if flux > 0 else 0.0
                for window, valid, model, flux in zip(
                    self.windows, self.valid, models, self.fluxes, strict=True
                )
            ]
        )
        scores = np.nan_to_num(scores)
        accepted = scores[scores > MIN_CORRELATION]
        spread = mad_std(accepted) if accepted.size else 0.0
        minimum = (
            max(MIN_CORRELATION, float(np.median(accepted) - 5 * spread - 0.02))
            if accepted.size
            else MIN_CORRELATION
        )
        self.inliers = scores >= minimum
        if not self.inliers.any():
            self.inliers[int(scores.argmax())] = True

    def _update_psf(self, models: Sequence[Array]) -> None:
        residuals, weights = [], []
        for number in np.flatnonzero(self.inliers & (self.fluxes > 0)).tolist():
            flux, position = self.fluxes[number], self.positions[number]
            residual = (self.windows[number] - self.backgrounds[number]) / flux - models[number]
            valid = self.valid[number]
            residuals.append(_shifted(np.where(valid, residual, 0.0), -position))
            coverage = shift(valid.astype(float), -position, order=0, mode="constant", cval=0)
            weights.append(flux**2 * coverage)
        if not residuals:
            return
        stacked, weight = np.array(residuals), np.array(weights)
        if len(stacked) > 4:
            middle = np.median(stacked, axis=0)
            spread = mad_std(stacked, axis=0)
            weight = weight * (np.abs(stacked - middle) <= 3 * spread + 1e-12)
        total = weight.sum(axis=0)
        self.psf = self.psf + (weight * stacked).sum(axis=0) / np.maximum(total, 1e-30)
        self.psf -= _border_median(self.psf)
        self.psf /= self.psf.sum()

    def _recentre(self) -> None:
        """Centre the PSF on its mass, and move the points' positions by the same offset."""
        core = np.clip(self.psf - 0.02 * self.psf.max(), 0, None)
        middle = np.array([(n - 1) // 2 for n in core.shape])
        mass = np.array([(g * core).sum() / core.sum() for g in np.indices(core.shape)])
        offset = np.clip(mass - middle, -1, 1)
        if np.abs(offset).max() > 1e-3:
            self.psf = _shifted(self.psf, -offset)
            self.psf /= self.psf.sum()
            self.positions = self.positions + offset


def _initial_position(window: Array, valid: Flags) -> Array:
    """Return the centre of mass of what exceeds half the peak, relative to the middle."""
    core = np.where(valid, window, 0.0)
    core = np.clip(core - 0.5 * core.max(), 0, None)
    middle = np.array([n // 2 for n in core.shape])
    mass = np.array([(g * core).sum() / max(core.sum(), 1e-30) for g in np.indices(core.shape)])
    return np.asarray(np.clip(mass - middle, -1, 1))


def _shifted(x: Array, offset: Array) -> Array:
    """Return `x` shifted by `offset` pixels by cubic splines, 0 beyond the border."""
    return np.asarray(shift(x, offset, order=3, mode="constant", cval=0.0))


def _border_median(psf: Array) -> float:
    """Return the median of the outermost samples."""
    inside = tuple(slice(1, -1) if n > 2 else slice(None) for n in psf.shape)
    border = np.ones(psf.shape, bool)
    border[inside] = False
    return float(np.median(psf[border]))
