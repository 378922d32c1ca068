"""Polynomials over the field: their degree by evidence, and the PSF on a grid of positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unblur_classic.point_sources.field.component_fit import fit_inlying_samples
from unblur_classic.point_sources.stacking import PsfStacker

Array = NDArray[np.float64]

MAX_DEGREE = 4
"""Largest degree of the polynomial in position, dimensionless."""

POINTS_PER_TERM = 4
"""Smallest number of points for each term of the polynomial, dimensionless."""

FOLDS = 5
"""Number of parts into which the points are divided, each predicted from the others,
dimensionless."""

LIMIT = 15.0
"""Largest error of a sample that counts, in medians of the samples' differences from a constant
PSF."""

CORE = 0.05
"""Smallest value of the samples that are compared, as a fraction of the peak, dimensionless."""

GRID = {0: 1, 1: 3, 2: 5, 3: 7, 4: 7}
"""Number of grid positions along each axis by degree, dimensionless: those between which linear
interpolation follows the polynomial."""

MIN_STEP = 1.5
"""Smallest distance of grid positions, in extents of the kernel."""


@dataclass(frozen=True)
class Degree:
    """The degree of the polynomial and the evidence for it.

    Attributes
    ----------
    degree : int
        Degree in position; 0 is a constant PSF.
    errors : tuple of float
        Root of the mean squared error with which the PSF at one point is predicted from the
        others, for degree 0, 1, ..., as a fraction of the peak.
    """

    degree: int
    errors: tuple[float, ...]

    def describe(self) -> str:
        """Return the evidence in words, "" if the degree was given."""
        if len(self.errors) < 2:
            return "" if not self.errors else "too few points for a PSF that varies"
        listed = ", ".join(f"{100 * error:.2g} %" for error in self.errors)
        return f"error at points left out, degree 0 to {len(self.errors) - 1}: {listed} of the peak"


def polynomials(positions: Array, extent: Sequence[int], degree: int) -> Array:
    """Return the products of Legendre polynomials of total degree up to `degree`: (N, K).

    Parameters
    ----------
    positions : (N, 2)
        Rows and columns, in pixels.
    extent : (int, int)
        Extent of the image, in pixels.
    degree : int
        Largest total degree; K is (degree + 1) (degree + 2) / 2.

    Example
    -------
    >>> polynomials(np.array([[0.0, 10.0]]), (11, 11), 1)
    array([[ 1.,  1., -1.]])
    """
    unit = 2 * positions / np.maximum(np.array(extent) - 1, 1) - 1
    of_row, of_column = (np.polynomial.legendre.legvander(unit[:, a], degree) for a in (0, 1))
    terms = [
        of_row[:, total - j] * of_column[:, j]
        for total in range(degree + 1)
        for j in range(total, -1, -1)
    ]
    return np.stack(terms, 1)


def choose_degree(
    stack: PsfStacker, positions: Array, extent: Sequence[int], largest: int = MAX_DEGREE
) -> Degree:
    """Return the smallest degree whose prediction of left-out points is as good as the best.

    It is if the error exceeds the smallest one by less than the standard error of the difference
    over the points.

    Parameters
    ----------
    stack : PsfStacker
        The points with their constant PSF.
    positions : (N, 2)
        Rows and columns of the points in the image, in pixels.
    extent : (int, int)
        Extent of the image, in pixels.
    largest : int
        Largest degree that is tried.
    """
    values, weights = stack.registered()
    used = np.flatnonzero(stack.fluxes > 0)
    core = stack.psf > CORE * stack.psf.max()
    values, weights, positions = values[used][:, core], weights[used][:, core], positions[used]
    limit = LIMIT * np.maximum(np.median(np.abs(values), axis=0), 1e-12)
    part = np.random.default_rng(0).permutation(len(used)) % FOLDS
    errors: list[Array] = []  # of each point
    for degree in range(largest + 1):
        basis = polynomials(positions, extent, degree)
        if degree and len(used) < POINTS_PER_TERM * basis.shape[1]:
            break
        left = np.empty_like(values)
        for fold in range(FOLDS):
            out, rest = part == fold, part != fold
            if out.any() and rest.any():
                made, _ = fit_inlying_samples(values[rest], weights[rest], basis[rest])
                left[out] = values[out] - basis[out] @ made
        bounded = np.minimum(np.abs(left), limit)  # one bad point decides nothing
        errors.append((weights * bounded**2).sum(1) / np.maximum(weights.sum(), 1e-30))
    best = min(errors, key=np.sum)
    degree = next(d for d, error in enumerate(errors) if _is_as_good(error, best))
    peak = float(stack.psf.max())
    return Degree(degree, tuple(float(np.sqrt(error.sum())) / peak for error in errors))


def _is_as_good(error: Array, best: Array) -> bool:
    """Return whether the sum of errors (N) exceeds the best by less than its standard error."""
    excess = error - best
    return bool(excess.sum() <= np.sqrt(len(excess)) * excess.std())


def grid_positions(extent: int, degree: int, kernel_extent: int) -> tuple[float, ...]:
    """Return the positions along an axis of `extent` pixels at which kernels are stored."""
    fitting = int((extent - 1) / (MIN_STEP * kernel_extent)) + 1
    count = max(min(GRID[degree], fitting), min(2, GRID[degree]))
    if count == 1:
        return ((extent - 1) / 2,)
    return tuple(np.linspace(0, extent - 1, count).tolist())
