"""The PSF from points of light in the image itself: stars or beads."""

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
from unblur.numerics.psf import repair
from unblur.numerics.psf.properties import Anatomy
from unblur_classic.point_sources.detection import Selection, Sky, company, find_scale, select
from unblur_classic.point_sources.epsf import epsf
from unblur_classic.point_sources.stacking import Stack

Array = NDArray[np.float64]
Extent = Annotated[int, Field(ge=3, le=1023)]

ROUNDS = 3
"""Windows that are tried, each fitted to the PSF that the one before showed."""

MOST_AT_RIM, MOST_BEYOND = 0.1, 0.04
"""Shares of the peak at the window's border and around all points of a PSF that is whole."""

LARGEST = 16.0
"""Largest size of a point that is tried, in pixels."""

CUT_OFF = 0.02
"""Share of the peak that may be left at the border of the window."""


class Points(stages.KernelEstimator):
    """The PSF as the average of isolated points of light, registered to fractions of a pixel.

    Each point's window is modelled as::

        y = flux k(x - place) + background

    It assumes that the points are much smaller than the PSF, alike, and that the PSF is the
    same all over the image. Points are found as maxima above the noise at the scale that suits
    them best; those near the border, masked, saturated or crowded are left out, and those that
    do not look like the others. The size of a bead that is not small remains in the PSF. A PSF in
    several blobs, such as a faint trail of a moving camera, is told from several points only if
    `size` says how far it goes.

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
        """Settings of the search and of the average."""

        size: Extent | tuple[Extent, ...] | Literal["auto"] = Field(
            "auto",
            description="Extent of the kernel in pixels, for all axes or each, made odd; auto "
            "takes what stands out of the noise.",
        )
        threshold: float = Field(
            10.0, gt=0, le=1e6, description="Height of a point in multiples of the noise."
        )
        count: int = Field(
            60, ge=1, le=10000, description="Most points that are averaged, the brightest ones."
        )
        fewest: int = Field(
            3, ge=1, description="Fewest points that are accepted unless positions are given."
        )
        positions: tuple[tuple[float, ...], ...] | None = Field(
            None,
            description="Places of the points in pixels, (row, column) or (plane, row, column); "
            "searched for if left out.",
        )
        method: Literal["stack", "epsf"] = Field(
            "stack",
            description="stack is built in; epsf is photutils' ePSF builder, 2-D only, from the "
            "extra unblur[astro].",
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
            If too few points can be used; the message counts them and says what to do.
        UsageError
            If size or positions do not fit the image's axes, or photutils is missing.
        """
        context.checkpoint()
        image = blurred.mean(dim=0).double().cpu().numpy()
        trusted = np.ones(image.shape, bool) if mask is None else mask.cpu().numpy() > 0
        sky = Sky.of(np.where(trusted, image, 0.0), trusted)
        found = self._search(sky, context)
        return stages.Estimate.of(self._kernel(found))

    def _search(self, sky: Sky, context: Context) -> Array:
        """Return the PSF at the first scale at which it is whole, or the most whole one.

        A PSF of several blobs is found as several points, whose windows hold one another; only
        at a scale at which they merge can the window grow until the PSF falls to nothing.
        """
        complaint, best, least = None, None, np.inf
        for places, sigma in self._candidates(sky):
            try:
                psf = self._average(sky, places, sigma, context)
            except ImageError as error:
                complaint = complaint or error
                continue
            rim, beyond = float(Anatomy(psf).rim.max()), company(sky, places, psf.shape)
            left = max(rim / MOST_AT_RIM, beyond / MOST_BEYOND)
            if left < least:
                best, least = psf, left
            if least < 1:
                break
        if best is None:
            assert complaint is not None
            raise complaint
        return best

    def _average(self, sky: Sky, places: Array, sigma: float, context: Context) -> Array:
        """Return the PSF of the points that are fit for it, in a window that suits it."""
        half = self._first_window(sigma, sky.values.shape)
        chosen = self._choose(sky, places, sigma, half)
        if len(chosen.places) < self._fewest:
            raise ImageError(self._too_few(len(places), chosen))
        psf = self._solve(sky, chosen, half, context)
        for _ in range(ROUNDS - 1 if self.params.size == "auto" else 0):
            wider = _wider(psf, half, sky.values.shape)
            chosen = self._choose(sky, places, sigma, wider)
            if wider == half or len(chosen.places) < self._fewest:
                break
            half, psf = wider, self._solve(sky, chosen, wider, context)
        return psf

    @property
    def _fewest(self) -> int:
        return 1 if self.params.positions is not None else self.params.fewest

    def _candidates(self, sky: Sky) -> Iterator[tuple[Array, float]]:
        """Yield points, brightest first, and their size in pixels, at growing scales."""
        ndim, given = sky.values.ndim, self.params.positions
        if given is None:
            sigma = find_scale(sky, self.params.threshold)
            while sigma <= LARGEST:
                yield sky.points(sigma, self.params.threshold), sigma
                sigma *= 1.5
            return
        if any(len(place) != ndim for place in given):
            raise UsageError(
                f"kernel 'points': positions in an image of {ndim} axes have {ndim} numbers "
                f"each, got {min(given, key=lambda place: len(place) == ndim)}."
            )
        places = np.array(given).round()
        inside = ((places >= 0) & (places < sky.values.shape)).all(axis=1)
        if not inside.all():
            raise UsageError(
                f"kernel 'points': position {given[int(np.argmin(inside))]} lies outside the "
                f"image of {sky.values.shape} pixels."
            )
        yield places, sky.scale(places)

    def _first_window(self, sigma: float, shape: Sequence[int]) -> tuple[int, ...]:
        """Return half the window to begin with, per axis."""
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

    def _choose(self, sky: Sky, places: Array, sigma: float, half: Sequence[int]) -> Selection:
        return select(sky, places, sigma, half, all_of=self.params.positions is not None)

    def _solve(self, sky: Sky, chosen: Selection, half: Sequence[int], context: Context) -> Array:
        places = chosen.places[: self.params.count].astype(int)
        if self.params.method == "epsf":
            return epsf(sky, places, half)
        at = [
            tuple(slice(p - h, p + h + 1) for p, h in zip(place, half, strict=True))
            for place in places
        ]
        stack = Stack(np.array([sky.values[a] for a in at]), np.array([sky.trusted[a] for a in at]))
        psf = stack.solve(context)
        if stack.alike.sum() < self._fewest:
            raise ImageError(
                f"kernel 'points': of {len(places)} points only {stack.alike.sum()} look alike, "
                f"at least {self._fewest} are needed; raise kernel.threshold, give "
                "kernel.positions, or use an estimator for scenes without points."
            )
        return psf

    def _kernel(self, psf: Array) -> Kernel:
        """Return the PSF without noise and background, in the size asked for."""
        mended = repair(psf)
        size = self.params.size
        if size == "auto":
            return mended
        sizes = (size,) * psf.ndim if isinstance(size, int) else size
        framed = mended.weights
        for axis, n in enumerate(sizes):
            framed = _framed(framed, axis, n // 2)
        return Kernel(framed)

    def _too_few(self, found: int, selection: Selection) -> str:
        reasons = ", ".join(f"{n} {reason}" for reason, n in selection.rejected.items())
        usable = len(selection.places)
        if self.params.positions is not None:
            return (
                f"kernel 'points': none of the {found} positions can be used ({reasons}); "
                "set a smaller kernel.size or give other kernel.positions."
            )
        return (
            f"kernel 'points': found {found} points of light, {usable} of them usable"
            f"{f' ({reasons})' if reasons else ''}, but needs {self._fewest}; lower "
            "kernel.threshold, set a smaller kernel.size or kernel.fewest, or give "
            "kernel.positions."
        )


def _wider(psf: Array, half: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
    """Return half the window that a PSF needs: twice its width, more where it is cut off."""
    anatomy = Anatomy(psf)
    needed = np.ceil(2 * anatomy.width) + 1
    if np.quantile(anatomy.rim, 0.95) > CUT_OFF:  # a few samples of noise do not count
        needed = np.maximum(needed, np.ceil(1.5 * np.array(half)))
    limits = zip(half, needed, shape, strict=True)
    return tuple(min(max(h, int(n)), (extent - 1) // 2) for h, n, extent in limits)


def _framed(weights: NDArray[np.float32], axis: int, half: int) -> NDArray[np.float32]:
    """Cut or pad one axis of an odd kernel to `2 half + 1` samples about its centre."""
    reach = weights.shape[axis] // 2
    if reach > half:
        return weights.take(np.arange(reach - half, reach + half + 1), axis)
    pad = [(half - reach,) * 2 if a == axis else (0, 0) for a in range(weights.ndim)]
    return np.pad(weights, pad)
