"""Average of point sources as one PSF, or as a PSF that varies over the field."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import shift

from unblur.model.context import Context
from unblur.numerics.statistics import mad_std
from unblur_classic.point_sources.field.component_fit import fit_inlying_samples

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

MAX_ITERATIONS = 12
"""Largest number of iterations of fitting and averaging, dimensionless.

They end once no position moves by 0.01 pixels or more and, where the PSF varies, no flux changes by
`MAX_FLUX_CHANGE`.
"""

MIN_ITERATIONS = 3
"""Smallest number of iterations where the PSF varies, dimensionless."""

MAX_FLUX_CHANGE = 0.002
"""Largest change of a flux at the end, as a fraction of it, dimensionless."""

MIN_CORRELATION = 0.7
"""Smallest correlation of an inlier's window with the PSF at its position, dimensionless."""

SHAPE_ERROR = 0.02
"""Standard deviation of the shape of one point about the model, apart from noise, as a fraction of
its brightest sample, dimensionless. It keeps a few bright points from determining the field."""

FIRST_ITERATIONS = 2
"""Number of iterations before points are compared with a PSF that varies, dimensionless."""


class PsfStacker:
    """Point sources in windows of one shape, and their common PSF.

    Each window is modelled as `flux psf(x - position) + background`, where the PSF is a linear
    combination of components, `psf = sum_k basis_k component_k`. Alternately, the flux, position
    and background of each point are fitted by least squares, and the weighted least-squares fit of
    the components to the residuals, sigma-clipped over the points, is added to them. A single
    component is the average of the points.

    Parameters
    ----------
    windows : (N, *k)
        Windows of odd extent around the points, background roughly subtracted.
    valid : (N, *k) bool
        True at valid samples.
    basis : (N, K), optional
        Coefficients of the components at each point, the first of which is 1; only that by default.

    References
    ----------
    J. Anderson, I. R. King, "Toward high-precision astrometry with WFPC2. I. Deriving an
    accurate point-spread function", PASP 112, 2000. Components that vary over the field:
    E. Bertin, "Automated morphometry with SExtractor and PSFEx", ADASS XX, 2011.
    """

    def __init__(self, windows: Array, valid: Flags, basis: Array | None = None) -> None:
        self.windows = windows
        self.valid = valid
        self.basis = np.ones((len(windows), 1)) if basis is None else basis
        pairs = zip(windows, valid, strict=True)
        self.positions = np.array([_initial_position(w, t) for w, t in pairs])
        self.fluxes = np.ones(len(windows))
        self.backgrounds = np.zeros(len(windows))
        self.inliers = np.ones(len(windows), bool)
        self.components = np.zeros((self.basis.shape[1], *windows.shape[1:]))
        self.components[0] = self._initial_psf()
        self.error = np.full(windows.shape[1:], np.inf)

    @property
    def psf(self) -> Array:
        """The PSF where all coefficients but the first are 0, (*k), sum 1."""
        return self.components[0]

    def psf_at(self, coefficients: Array) -> Array:
        """Return the PSF (*k) for coefficients (K)."""
        if len(coefficients) == 1:
            return self.components[0]
        return np.asarray(np.tensordot(coefficients, self.components, 1))

    def solve(self, context: Context) -> Array:
        """Return the PSF (*k) of sum 1, its centre of mass at the middle sample."""
        for iteration in range(MAX_ITERATIONS):
            context.checkpoint()
            before, fluxes = self.positions, self.fluxes
            self.positions, self.fluxes = before.copy(), fluxes.copy()
            models = [self._fit(number) for number in range(len(self.windows))]
            if len(self.components) == 1 or iteration >= FIRST_ITERATIONS:
                self._reject_outliers(models)
            self._update_psf(models)
            self._recentre()
            # The flux of a point by the PSF of its position follows the components.
            change = np.abs(self.fluxes - fluxes) > MAX_FLUX_CHANGE * self.fluxes
            is_converged = iteration >= MIN_ITERATIONS - 1 and not change[self.inliers].any()
            is_converged |= len(self.components) == 1
            if np.abs(self.positions - before).max() < 0.01 and is_converged:
                break
        return self.psf

    def continue_with(self, basis: Array, context: Context) -> PsfStacker:
        """Return the stack of the same points with other components, from the present fit.

        Points that are unlike a constant PSF may be like one that varies: all are inliers at first.
        """
        other = PsfStacker(self.windows, self.valid, basis)
        other.components[0] = self.components[0]
        for name in ("positions", "fluxes", "backgrounds"):
            setattr(other, name, getattr(self, name).copy())
        other.solve(context)
        return other

    def registered(self) -> tuple[Array, Array]:
        """Return the residuals of all points, shifted to the middle, and their weights: (N, *k)."""
        models = [self._model(number) for number in range(len(self.windows))]
        return self._residuals(models, range(len(self.windows)))

    def _initial_psf(self) -> Array:
        scaled = []
        for window, valid, position in zip(self.windows, self.valid, self.positions, strict=True):
            filled = np.where(valid, window, np.median(window[valid]))
            scaled.append(_shifted(filled, -position) / max(float(filled.sum()), 1e-12))
        psf = np.asarray(np.median(scaled, axis=0), np.float64)
        return np.asarray(psf / psf.sum())

    def _model(self, number: int) -> Array:
        """Return the PSF of a point at its position within its window."""
        return _shifted(self.psf_at(self.basis[number]), self.positions[number])

    def _fit(self, number: int) -> Array:
        """Fit one point's flux, position and background; return its model without background."""
        window, valid = self.windows[number], self.valid[number]
        model = self._model(number)
        gradients = [np.asarray(np.gradient(model, axis=axis)) for axis in range(model.ndim)]
        parts = [model, *(-g for g in gradients), np.ones_like(model)]
        design = np.stack([p[valid] for p in parts], axis=1)
        solution = np.linalg.lstsq(design, window[valid], rcond=None)[0]
        flux = float(solution[0])
        if flux > 0:
            step = np.clip(solution[1:-1] / flux, -0.5, 0.5)
            self.positions[number] = np.clip(self.positions[number] + step, -2, 2)
        self.fluxes[number], self.backgrounds[number] = max(flux, 0.0), float(solution[-1])
        return self._model(number)

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

    def _residuals(self, models: Sequence[Array], numbers: Sequence[int]) -> tuple[Array, Array]:
        """Return residuals relative to the flux, shifted to the middle, and weights: (n, *k)."""
        residuals, weights = [], []
        border = _border(self.windows.shape[1:])
        noise = float(mad_std(self.windows[:, border] - self.backgrounds[:, None]))
        for number, model in zip(numbers, models, strict=True):
            flux, position = max(self.fluxes[number], 1e-30), self.positions[number]
            residual = (self.windows[number] - self.backgrounds[number]) / flux - model
            valid = self.valid[number]
            residuals.append(_shifted(np.where(valid, residual, 0.0), -position))
            coverage = shift(valid.astype(float), -position, order=0, mode="constant", cval=0)
            shape_error = SHAPE_ERROR * flux * np.abs(self.psf_at(self.basis[number]))
            weights.append(flux**2 * coverage / (1 + (shape_error / max(noise, 1e-30)) ** 2))
        return np.array(residuals), np.array(weights)

    def _update_psf(self, models: Sequence[Array]) -> None:
        used = np.flatnonzero(self.inliers & (self.fluxes > 0)).tolist()
        if not used:
            return
        stacked, weight = self._residuals([models[number] for number in used], used)
        basis = self.basis[used]
        update, weight = fit_inlying_samples(stacked, weight, basis, self.components)
        left = stacked - np.tensordot(basis, update, 1)
        total = np.maximum(weight.sum(axis=0), 1e-30)
        self.error = np.sqrt((weight**2 * left**2).sum(axis=0)) / total
        self.components += update
        self.components -= np.array([_border_median(c) for c in self.components]).reshape(
            -1, *(1,) * (self.components.ndim - 1)
        )
        scale = self.components[0].sum()
        self.components /= scale
        self.error = self.error / scale
        for component in self.components[1:]:  # every PSF of the field sums to 1
            component -= component.sum() * self.components[0]

    def _recentre(self) -> None:
        """Centre the PSF on its mass, and move the points' positions by the same offset."""
        core = np.clip(self.psf - 0.02 * self.psf.max(), 0, None)
        middle = np.array([(n - 1) // 2 for n in core.shape])
        mass = np.array([(g * core).sum() / core.sum() for g in np.indices(core.shape)])
        offset = np.clip(mass - middle, -1, 1)
        if np.abs(offset).max() > 1e-3:
            self.components = np.array([_shifted(c, -offset) for c in self.components])
            self.components /= self.components[0].sum()
            self.positions = self.positions + offset


def _initial_position(window: Array, valid: Flags) -> Array:
    """Return the centre of mass of what exceeds half the peak, relative to the middle."""
    core = np.where(valid, window, 0.0)
    core = np.clip(core - 0.5 * core.max(), 0, None)
    middle = np.array([n // 2 for n in core.shape])
    mass = np.array([(g * core).sum() / max(core.sum(), 1e-30) for g in np.indices(core.shape)])
    return np.asarray(np.clip(mass - middle, -1, 1))


def _shifted(x: Array, offset: Array) -> Array:
    """Return `x` shifted by `offset` pixels by cubic splines, constant beyond the border."""
    return np.asarray(shift(x, offset, order=3, mode="nearest"))


def _border_median(psf: Array) -> float:
    """Return the median of the outermost samples."""
    return float(np.median(psf[_border(psf.shape)]))


def _border(shape: Sequence[int]) -> Flags:
    """Return the mask of the outermost samples."""
    border = np.ones(shape, bool)
    border[tuple(slice(1, -1) if n > 2 else slice(None) for n in shape)] = False
    return border
