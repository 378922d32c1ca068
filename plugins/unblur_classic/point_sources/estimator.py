"""Estimation of the PSF from point sources in the image itself: stars or beads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from unblur.errors import ImageError
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.kernel_ops import crop_around
from unblur.numerics.psf import repair
from unblur_classic.point_sources.field.field_model import (
    MAX_DEGREE,
    Degree,
    choose_degree,
    polynomials,
)
from unblur_classic.point_sources.field.psf_field import FieldBuilder
from unblur_classic.point_sources.frames import read_frame
from unblur_classic.point_sources.point_samples import PointSamples, View, subtract_background
from unblur_classic.point_sources.search import FoundPoints, PointSearch
from unblur_classic.point_sources.stacking import PsfStacker

Array = NDArray[np.float64]
Extent = Annotated[int, Field(ge=3, le=1023)]


class Points(stages.KernelEstimator):
    """The PSF as the average of isolated point sources, registered to sub-pixel accuracy.

    Each point's window is modelled as::

        y = flux k(x - position) + background

    It assumes that the points are much smaller than the PSF, and that their shape is constant over
    the image or follows a polynomial in position. Points are detected as local maxima above the
    noise at the scale of their blob size. Those near the border, masked, saturated or crowded are
    rejected, those whose second moments are unlike the others' (trailed, double and extended
    sources, cosmic rays), and those whose window does not correlate with the PSF. The size of a
    bead that is not small remains in the PSF. A PSF of several blobs, such as a weak trail of a
    moving camera, is distinguished from several points only if `size` gives its extent.

    Parameters
    ----------
    params : Params or mapping, optional
        See `Points.Params`.

    Notes
    -----
    Each sample of the PSF is a polynomial in row and column (`degree`). Of the degrees for which
    the points suffice, the smallest is taken with which points that are left out are predicted
    nearly as well as with any. The result is a field of kernels on a grid over the image.

    A window holds part of the light of a star only, and its background and the wings of the star
    are the same to it. Where an elliptical Moffat function describes the border of the window, it
    continues the PSF until its value is a 10^-4 of the peak, and gives the offset of the samples;
    at each position of the field its own, with the exponent of the mean PSF.
    Without that, light that a star has in its wings remains around it as a halo after the
    deconvolution, and is missing in its photometry.

    The report states (`kernel.choices`) the degree with the errors of prediction, how many points
    were averaged and left out for which reason, and the largest standard deviation of a sample of
    the mean PSF.

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
    PASP 112, 2000. Polynomials over the field: E. Bertin, "Automated morphometry with SExtractor
    and PSFEx", ADASS XX, 2011. Wings: A. F. J. Moffat, "A theoretical investigation of focal
    stellar images in the photographic emulsion", Astron. Astrophys. 3, 1969.
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
            250, ge=1, le=10000, description="Largest number of averaged points, the brightest."
        )
        min_count: int = Field(
            3, ge=1, description="Smallest number of usable points, unless positions are given."
        )
        positions: tuple[tuple[float, ...], ...] | None = Field(
            None,
            description="Positions of the points in pixels, (row, column) or (plane, row, column); "
            "detected if left out.",
        )
        degree: Annotated[int, Field(ge=0, le=MAX_DEGREE)] | Literal["auto"] = Field(
            "auto",
            description="Degree of the polynomial in position that each sample of the PSF follows "
            "over the image; 0 is one PSF for all of it. auto is the smallest one with which "
            "points that are left out are predicted.",
        )
        frames: tuple[str, ...] = Field(
            (),
            description="Files of further frames of the same camera and shape, whose points are "
            "averaged too, relative to the folder in which the command runs.",
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
        image = subtract_background(blurred, mask)
        search = PointSearch(self.params)
        found = search.run(image, context)
        if self.params.method == "epsf":
            return stages.Estimate.of(Kernel(self._in_size(repair(found.psf).weights)))
        extent = image.values.shape
        return self._estimate_field(search, found, [View(image)], extent, context)

    def estimate_from_windows(
        self, windows: Sequence[stages.ImageWindow], extent: Sequence[int], context: Context
    ) -> stages.Estimate | None:
        """Return the PSF of the points in all windows of a large image; see `KernelEstimator`.

        The size of the points is that in the first window where they suffice.
        """
        if self.params.positions is not None or self.params.method == "epsf":
            return None
        search = PointSearch(self.params)
        first_error = None
        for window in windows:
            try:
                found = search.run(subtract_background(*window.read()), context)
                break
            except ImageError as error:
                first_error = first_error or error
        else:
            assert first_error is not None
            raise first_error
        views = (View.of(window) for window in windows)
        return self._estimate_field(search, found, views, extent, context)

    def prepare_for_windows(self) -> Self:
        """Return the estimator of one PSF for the whole window."""
        return type(self)(self.params.model_copy(update={"degree": 0}))

    def _estimate_field(
        self,
        search: PointSearch,
        found: FoundPoints,
        views: Iterable[View],
        extent: Sequence[int],
        context: Context,
    ) -> stages.Estimate:
        """Return the PSF over an image of `extent` pixels from the points of its views."""
        frames = (View(read_frame(path, extent)) for path in self.params.frames)
        samples = PointSamples.collect(search, found, chain(views, frames))
        if self.params.positions is None:
            samples = samples.without_odd_shapes(found.sigma, extent)
        samples = samples.brightest(self.params.count)
        stack = PsfStacker(samples.windows, samples.valid)
        stack.solve(context)
        search.check_inliers(stack)
        positions = samples.positions[:, -2:] + stack.positions[:, -2:]
        chosen = self._degree(stack, positions, extent[-2:])
        if chosen.degree:
            basis = polynomials(positions, extent[-2:], chosen.degree)
            stack = stack.continue_with(basis, context)
        made = FieldBuilder.of(stack, positions, extent[-2:], chosen.degree)
        field = made.field(self._in_size)
        used = int(stack.inliers.sum())
        choices = {
            made.name: chosen.describe(),
            "points": f"{samples.describe(used)}; standard deviation of the mean PSF "
            f"{100 * made.error:.2g} % of its peak",
        }
        return stages.Estimate(field, choices=choices)

    def _degree(self, stack: PsfStacker, positions: Array, extent: Sequence[int]) -> Degree:
        """Return the degree of the polynomial of the params, or the one chosen by evidence."""
        if self.params.degree == "auto":
            return choose_degree(stack, positions, extent)
        terms = (self.params.degree + 1) * (self.params.degree + 2) // 2
        if stack.inliers.sum() < terms:
            raise ImageError(
                f"kernel 'points': a polynomial of degree {self.params.degree} takes {terms} "
                f"points at least, but {stack.inliers.sum()} are usable; lower kernel.degree or "
                "kernel.threshold, or add kernel.frames."
            )
        return Degree(self.params.degree, ())

    def _in_size(self, psf: Array) -> Array:
        """Return a PSF in the size of the params, padded or cropped about its middle."""
        size = self.params.size
        if size == "auto":
            return psf
        sizes = (size,) * psf.ndim if isinstance(size, int) else size
        half_width = [n // 2 for n in sizes]
        return np.asarray(crop_around(psf, [n // 2 for n in psf.shape], half_width))
