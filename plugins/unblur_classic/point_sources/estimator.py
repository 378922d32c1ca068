"""Estimation of the PSF from point sources in the image itself: stars or beads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from unblur.errors import ImageError, UsageError
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.kernel_ops import pad_to
from unblur.numerics.psf import repair
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
Extent = Annotated[int, Field(ge=3, le=1023)]

WINDOW_ITERATIONS = 3
"""Number of windows that are tried, each sized by the PSF of the one before, dimensionless."""

MAX_BORDER, MAX_SURROUNDINGS = 0.1, 0.04
"""Largest values at the window's border and in the median surroundings of the points for which
the PSF counts as complete, as fractions of the peak."""

MAX_SIGMA = 16.0
"""Largest size of a point that is tried, as a Gaussian standard deviation in pixels."""

BORDER_CUTOFF = 0.02
"""Largest value at the border of a window that is not enlarged, as a fraction of the peak."""


class Points(stages.KernelEstimator):
    """The PSF as the average of isolated point sources, registered to sub-pixel accuracy.

    Each point's window is modelled as::

        y = flux k(x - position) + background

    It assumes that the points are much smaller than the PSF and of equal shape, and that the PSF
    is constant over the image. Points are detected as local maxima above the noise at the scale
    of their blob size. Those near the border, masked, saturated or crowded are rejected, and those
    whose window does not correlate with the average. The size of a bead that is not small remains
    in the PSF. A PSF of several blobs, such as a weak trail of a moving camera, is distinguished
    from several points only if `size` gives its extent.

    Parameters
    ----------
    params : Params or mapping, optional
        See `Points.Params`.

    Examples
    --------
    >>> from unblur.numerics.metrics import kernel_similarity
    >>> from unblur.testing import stars
    >>> field = stars()
    >>> found = Points().estimate(field.blurred, Context())
    >>> kernel_similarity(found.kernel, field.kernel) > 0.99
    True

    References
    ----------
    Detection as in P. B. Stetson, "DAOPHOT: a computer program for crowded-field stellar
    photometry", PASP 99, 1987. Registration and averaging: J. Anderson, I. R. King, "Toward
    high-precision astrometry with WFPC2. I. Deriving an accurate point-spread function",
    PASP 112, 2000.
    """

    name = "points"
    summary = "PSF from isolated stars or beads in the image, 2-D or 3-D."
    cites = "J. Anderson, I. R. King, Toward high-precision astrometry with WFPC2, PASP 2000"
    dimensions = frozenset({2, 3})

    class Params(stages.Params):
        """Settings of the detection and of the average."""

        size: Extent | tuple[Extent, ...] | Literal["auto"] = Field(
            "auto",
            description="Extent of the kernel in pixels, for all axes or each, made odd; auto is "
            "the support that exceeds the noise.",
        )
        threshold: float = Field(
            10.0, gt=0, le=1e6, description="Height of a point in multiples of the noise."
        )
        count: int = Field(
            60, ge=1, le=10000, description="Largest number of averaged points, the brightest ones."
        )
        min_count: int = Field(
            3, ge=1, description="Smallest number of usable points, unless positions are given."
        )
        positions: tuple[tuple[float, ...], ...] | None = Field(
            None,
            description="Positions of the points in pixels, (row, column) or (plane, row, column); "
            "detected if left out.",
        )
        method: Literal["stack", "epsf"] = Field(
            "stack",
            description="stack is the built-in average; epsf is photutils' ePSF builder, 2-D only, "
            "from the extra unblur[astro].",
        )

        @model_validator(mode="after")
        def _has_positions(self) -> Points.Params:
            if self.positions is not None and not self.positions:
                raise ValueError("positions hold at least one point; leave them out to search")
            return self

    def estimate(
        self, blurred: Tensor, context: Context, mask: Tensor | None = None
    ) -> stages.Estimate:
        """Return the PSF of the points in `blurred`; see `KernelEstimator`.

        Raises
        ------
        ImageError
            If too few points can be used; the message gives the numbers and the remedies.
        UsageError
            If size or positions do not fit the image's axes, or photutils is missing.
        """
        context.checkpoint()
        mean = blurred.mean(dim=0).double().cpu().numpy()
        valid = np.ones(mean.shape, bool) if mask is None else mask.cpu().numpy() > 0
        image = BackgroundSubtracted.of(np.where(valid, mean, 0.0), valid)
        found = self._search(image, context)
        return stages.Estimate.of(self._kernel(found))

    def _search(self, image: BackgroundSubtracted, context: Context) -> Array:
        """Return the PSF of the first scale at which it is complete, else the most complete one.

        A PSF of several blobs is detected as several points, each inside the windows of the
        others. Only at a scale at which they merge can the window grow until the PSF is 0 at
        its border.
        """
        first_error, best, smallest = None, None, np.inf
        for positions, sigma in self._candidates(image):
            try:
                psf = self._measure(image, positions, sigma, context)
            except ImageError as error:
                first_error = first_error or error
                continue
            border = float(PsfProperties(psf).border.max())
            surroundings = neighbour_flux(image, positions, psf.shape)
            excess = max(border / MAX_BORDER, surroundings / MAX_SURROUNDINGS)
            if excess < smallest:
                best, smallest = psf, excess
            if smallest < 1:
                break
        if best is None:
            assert first_error is not None
            raise first_error
        return best

    def _measure(
        self, image: BackgroundSubtracted, positions: Array, sigma: float, context: Context
    ) -> Array:
        """Return the PSF of the selected points, in a window that holds it."""
        half_width = self._initial_half_width(sigma, image.values.shape)
        selection = self._select(image, positions, sigma, half_width)
        if len(selection.positions) < self._min_count:
            raise ImageError(self._too_few_message(len(positions), selection))
        psf = self._solve(image, selection, half_width, context)
        for _ in range(WINDOW_ITERATIONS - 1 if self.params.size == "auto" else 0):
            wider = _wider(psf, half_width, image.values.shape)
            selection = self._select(image, positions, sigma, wider)
            if wider == half_width or len(selection.positions) < self._min_count:
                break
            half_width, psf = wider, self._solve(image, selection, wider, context)
        return psf

    @property
    def _min_count(self) -> int:
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

    def _select(
        self, image: BackgroundSubtracted, positions: Array, sigma: float, half_width: Sequence[int]
    ) -> Selection:
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
        positions = selection.positions[: self.params.count].astype(int)
        if self.params.method == "epsf":
            return photutils_epsf(image, positions, half_width)
        windows = [
            tuple(slice(p - h, p + h + 1) for p, h in zip(position, half_width, strict=True))
            for position in positions
        ]
        stack = PsfStacker(
            np.array([image.values[w] for w in windows]),
            np.array([image.valid[w] for w in windows]),
        )
        psf = stack.solve(context)
        if stack.inliers.sum() < self._min_count:
            raise ImageError(
                f"kernel 'points': of {len(positions)} points only {stack.inliers.sum()} have "
                f"the same shape, at least {self._min_count} are needed; raise kernel.threshold, "
                "give kernel.positions, or use an estimator for scenes without points."
            )
        return psf

    def _kernel(self, psf: Array) -> Kernel:
        """Return the PSF without noise and background, in the size of the params."""
        repaired = repair(psf)
        size = self.params.size
        if size == "auto":
            return repaired
        sizes = (size,) * psf.ndim if isinstance(size, int) else size
        return Kernel(pad_to(repaired.tensor(), [2 * (n // 2) + 1 for n in sizes]).numpy())

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
            f"{f' ({reasons})' if reasons else ''}, but needs {self._min_count}; lower "
            "kernel.threshold, set a smaller kernel.size or kernel.min_count, or give "
            "kernel.positions."
        )


def _wider(psf: Array, half_width: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
    """Return the half-width of the window for a PSF: twice its width, more where it is cut off."""
    properties = PsfProperties(psf)
    needed = np.ceil(2 * properties.width) + 1
    if np.quantile(properties.border, 0.95) > BORDER_CUTOFF:  # a few samples of noise do not count
        needed = np.maximum(needed, np.ceil(1.5 * np.array(half_width)))
    limits = zip(half_width, needed, shape, strict=True)
    return tuple(min(max(h, int(n)), (extent - 1) // 2) for h, n, extent in limits)
