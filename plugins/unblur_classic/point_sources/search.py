"""Search for point sources: the scale and the window at which their PSF is complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ImageError, UsageError
from unblur.model.context import Context
from unblur.numerics.psf.properties import PsfProperties
from unblur_classic.point_sources.detection import (
    BackgroundSubtracted,
    Selection,
    estimate_blob_size,
    neighbour_flux,
    select_points,
)
from unblur_classic.point_sources.epsf import photutils_epsf
from unblur_classic.point_sources.stacking import PsfStacker

Array = NDArray[np.float64]

WINDOW_ITERATIONS = 3
"""Number of windows that are tried, each sized by the PSF of the one before, dimensionless."""

SEARCH_COUNT = 60
"""Largest number of points whose average is compared between scales, the brightest ones."""

MAX_BORDER, MAX_SURROUNDINGS = 0.1, 0.04
"""Largest values at the window's border and in the median surroundings of the points for which
the PSF counts as complete, as fractions of the peak."""

MAX_SIGMA = 16.0
"""Largest size of a point that is tried, as a Gaussian standard deviation in pixels."""

BORDER_CUTOFF = 0.02
"""Largest value at the border of a window that is not enlarged, as a fraction of the peak."""


@dataclass(frozen=True, eq=False)
class FoundPoints:
    """Points of one scale and their average.

    Attributes
    ----------
    psf : (*k)
        Average of the brightest points, sum 1.
    sigma : float
        Size of a point, as a Gaussian standard deviation in pixels.
    half_width : tuple of int
        Half-width of the window around each point, per axis, in pixels.
    positions : (N, ndim)
        Candidates, brightest first.
    """

    psf: Array
    sigma: float
    half_width: tuple[int, ...]
    positions: Array


class PointSearch:
    """Search for the points of an image with the params of `Points`.

    Parameters
    ----------
    params : Points.Params
        The settings.
    """

    def __init__(self, params: Any) -> None:
        self.params = params

    def run(self, image: BackgroundSubtracted, context: Context) -> FoundPoints:
        """Return the points of the first scale at which the PSF is complete, else most complete.

        A PSF of several blobs is detected as several points, each inside the windows of the
        others. Only at a scale at which they merge can the window grow until the PSF is 0 at
        its border.
        """
        first_error, best, smallest = None, None, np.inf
        for positions, sigma in self._candidates(image):
            try:
                found = self._measure(image, positions, sigma, context)
            except ImageError as error:
                first_error = first_error or error
                continue
            border = float(PsfProperties(found.psf).border.max())
            surroundings = neighbour_flux(image, positions, found.psf.shape)
            excess = max(border / MAX_BORDER, surroundings / MAX_SURROUNDINGS)
            if excess < smallest:
                best, smallest = found, excess
            if smallest < 1:
                break
        if best is None:
            assert first_error is not None
            raise first_error
        return best

    def _measure(
        self, image: BackgroundSubtracted, positions: Array, sigma: float, context: Context
    ) -> FoundPoints:
        """Return the points and the PSF of those selected, in a window that holds it."""
        half_width = self._initial_half_width(sigma, image.values.shape)
        selection = self.select(image, positions, sigma, half_width)
        if len(selection.positions) < self.min_count:
            raise ImageError(self._too_few_message(len(positions), selection))
        psf = self._solve(image, selection, half_width, context)
        for _ in range(WINDOW_ITERATIONS - 1 if self.params.size == "auto" else 0):
            wider = _wider(psf, half_width, image.values.shape)
            selection = self.select(image, positions, sigma, wider)
            if wider == half_width or len(selection.positions) < self.min_count:
                break
            half_width, psf = wider, self._solve(image, selection, wider, context)
        return FoundPoints(psf, sigma, tuple(half_width), positions)

    @property
    def min_count(self) -> int:
        """Smallest number of usable points."""
        return 1 if self.params.positions is not None else self.params.min_count

    def _candidates(self, image: BackgroundSubtracted) -> Iterator[tuple[Array, float]]:
        """Yield points, brightest first, and their size in pixels, at increasing scales."""
        ndim, given = image.values.ndim, self.params.positions
        if given is None:
            sigma = estimate_blob_size(image, self.params.threshold)
            while sigma <= MAX_SIGMA:
                yield image.points(sigma, self.params.threshold), sigma
                sigma *= 1.5
            return
        if any(len(position) != ndim for position in given):
            raise UsageError(
                f"kernel 'points': positions in an image of {ndim} axes have {ndim} numbers "
                f"each, got {min(given, key=lambda position: len(position) == ndim)}."
            )
        positions = np.array(given).round()
        inside = ((positions >= 0) & (positions < image.values.shape)).all(axis=1)
        if not inside.all():
            raise UsageError(
                f"kernel 'points': position {given[int(np.argmin(inside))]} lies outside the "
                f"image of {image.values.shape} pixels."
            )
        yield positions, image.blob_size(positions)

    def _initial_half_width(self, sigma: float, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the half-width of the first window, per axis."""
        size = self.params.size
        if size == "auto":
            return tuple(min(int(np.ceil(3 * sigma + 2)), (n - 1) // 2) for n in shape)
        sizes = (size,) * len(shape) if isinstance(size, int) else size
        if len(sizes) != len(shape):
            raise UsageError(
                f"kernel 'points': size in an image of {len(shape)} axes is one number or "
                f"{len(shape)}, got {list(sizes)}."
            )
        return tuple(n // 2 for n in sizes)

    def select(
        self, image: BackgroundSubtracted, positions: Array, sigma: float, half_width: Sequence[int]
    ) -> Selection:
        """Return the candidates that can be averaged; see `select_points`."""
        return select_points(
            image, positions, sigma, half_width, user_given=self.params.positions is not None
        )

    def _solve(
        self,
        image: BackgroundSubtracted,
        selection: Selection,
        half_width: Sequence[int],
        context: Context,
    ) -> Array:
        positions = selection.positions[: min(self.params.count, SEARCH_COUNT)].astype(int)
        if self.params.method == "epsf":
            return photutils_epsf(image, positions, half_width)
        stack = PsfStacker(*windows_around(image, positions, half_width))
        psf = stack.solve(context)
        self.check_inliers(stack)
        return psf

    def check_inliers(self, stack: PsfStacker) -> None:
        """Raise `ImageError` if too few points of a stack have the same shape."""
        if stack.inliers.sum() < self.min_count:
            raise ImageError(
                f"kernel 'points': of {len(stack.inliers)} points only {stack.inliers.sum()} have "
                f"the same shape, at least {self.min_count} are needed; raise kernel.threshold, "
                "give kernel.positions, or use an estimator for scenes without points."
            )

    def _too_few_message(self, found: int, selection: Selection) -> str:
        reasons = ", ".join(f"{n} {reason}" for reason, n in selection.rejected.items())
        usable = len(selection.positions)
        if self.params.positions is not None:
            return (
                f"kernel 'points': none of the {found} positions can be used ({reasons}); "
                "set a smaller kernel.size or give other kernel.positions."
            )
        return (
            f"kernel 'points': found {found} point sources, {usable} of them usable"
            f"{f' ({reasons})' if reasons else ''}, but needs {self.min_count}; lower "
            "kernel.threshold, set a smaller kernel.size or kernel.min_count, or give "
            "kernel.positions."
        )


def windows_around(
    image: BackgroundSubtracted, positions: NDArray[np.int_], half_width: Sequence[int]
) -> tuple[Array, NDArray[np.bool_]]:
    """Return values and valid samples of the windows around positions, (N, *k) each."""
    windows = [
        tuple(slice(p - h, p + h + 1) for p, h in zip(position, half_width, strict=True))
        for position in positions
    ]
    return np.array([image.values[w] for w in windows]), np.array([image.valid[w] for w in windows])


def _wider(psf: Array, half_width: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
    """Return the half-width of the window for a PSF: twice its width, more where it is cut off."""
    properties = PsfProperties(psf)
    needed = np.ceil(2 * properties.width) + 1
    if np.quantile(properties.border, 0.95) > BORDER_CUTOFF:  # a few samples of noise do not count
        needed = np.maximum(needed, np.ceil(1.5 * np.array(half_width)))
    limits = zip(half_width, needed, shape, strict=True)
    return tuple(min(max(h, int(n)), (extent - 1) // 2) for h, n, extent in limits)
