"""Samples of point sources from one or several images, and the PSF over the field from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unblur.model.stages import ImageWindow
from unblur_classic.point_sources.detection import BackgroundSubtracted
from unblur_classic.point_sources.field.field_model import polynomials
from unblur_classic.point_sources.search import FoundPoints, PointSearch, windows_around
from unblur_classic.point_sources.star_shapes import like_the_others, second_moments

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

MOMENTS_DEGREE = 2
"""Degree of the polynomial in position that the moments of the points follow, dimensionless."""

PARTS = 6
"""Number of parts along rows and along columns, in each of which the brightest points are taken,
dimensionless."""

ODD_SHAPE = "trailed, extended or too sharp"
"""Reason for which a point whose moments are unlike those of the others is left out."""


@dataclass(frozen=True, eq=False)
class View:
    """One image, or one window of it, in which points are searched for.

    Attributes
    ----------
    image : BackgroundSubtracted
        The values.
    origin : tuple of int, optional
        Position of the first pixel in the whole image, per axis; 0 by default.
    interior : tuple of slice, optional
        The part, in pixels of the view, whose points belong to it; those in the margin belong to
        another view. All of it by default.
    """

    image: BackgroundSubtracted
    origin: tuple[int, ...] = ()
    interior: tuple[slice, ...] = ()

    @classmethod
    def of(cls, window: ImageWindow) -> View:
        """Return a window of a large image as a view."""
        origin = tuple(part.start for part in window.padded)
        interior = tuple(
            slice(part.start - start, part.stop - start)
            for part, start in zip(window.interior, origin, strict=True)
        )
        return cls(subtract_background(*window.read()), origin, interior)

    def contains(self, positions: Array) -> Flags:
        """Return which positions (N, ndim) belong to the view."""
        inside = np.ones(len(positions), bool)
        for axis, part in enumerate(self.interior):
            inside &= (positions[:, axis] >= part.start) & (positions[:, axis] < part.stop)
        return inside


def subtract_background(blurred: Tensor, mask: Tensor | None) -> BackgroundSubtracted:
    """Return the mean of the channels (C, *spatial) without its background."""
    mean = blurred.mean(dim=0).double().cpu().numpy()
    valid = np.ones(mean.shape, bool) if mask is None else mask.cpu().numpy() > 0
    return BackgroundSubtracted.of(np.where(valid, mean, 0.0), valid)


@dataclass(frozen=True, eq=False)
class PointSamples:
    """Windows around usable points, brightest first.

    Attributes
    ----------
    windows : (N, *k)
        Values, background subtracted.
    valid : (N, *k) bool
        True at valid samples.
    positions : (N, ndim)
        Middles of the windows in the whole image, in pixels.
    found : int
        Number of candidates.
    rejected : dict of str to int
        Number of candidates left out for each reason.
    """

    windows: Array
    valid: Flags
    positions: Array
    found: int
    rejected: dict[str, int] = field(default_factory=dict)

    @classmethod
    def collect(
        cls, search: PointSearch, found: FoundPoints, views: Iterable[View]
    ) -> PointSamples:
        """Return the usable points of views, in windows of the size that was found."""
        parts, rejected, total = [], Counter[str](), 0
        threshold, given = search.params.threshold, search.params.positions is not None
        for view in views:
            candidates = found.positions if given else view.image.points(found.sigma, threshold)
            selection = search.select(view.image, candidates, found.sigma, found.half_width)
            kept = selection.positions[view.contains(selection.positions)].astype(int)
            rejected.update(selection.rejected)
            total += len(candidates)
            if len(kept):
                samples = windows_around(view.image, kept, found.half_width)
                parts.append((*samples, kept + np.array(view.origin or (0.0,), np.float64)))
        ndim = len(found.half_width)
        if not parts:
            empty = np.empty((0, *(2 * h + 1 for h in found.half_width)))
            return cls(empty, empty > 0, np.empty((0, ndim)), total, dict(rejected))
        windows, valid, positions = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        core = (slice(None), *(slice(h - 1, h + 2) for h in found.half_width))
        brightness = windows[core].sum(axis=tuple(range(1, ndim + 1)))
        order = np.argsort(-brightness, kind="stable")
        return cls(windows[order], valid[order], positions[order], total, dict(rejected))

    def without_odd_shapes(self, sigma: float, extent: Sequence[int]) -> PointSamples:
        """Return the points whose shape follows that of the others over an image of `extent`."""
        if not len(self.windows):
            return self
        moments = second_moments(np.where(self.valid, self.windows, 0.0), 1.5 * sigma)
        basis = polynomials(self.positions[:, -2:], extent[-2:], MOMENTS_DEGREE)
        kept = like_the_others(moments, basis)
        count = int((~kept).sum())
        rejected = self.rejected | ({ODD_SHAPE: count} if count else {})
        return PointSamples(
            self.windows[kept], self.valid[kept], self.positions[kept], self.found, rejected
        )

    def brightest(self, count: int) -> PointSamples:
        """Return `count` points, the brightest of each part of the image first.

        The parts are `PARTS` along rows and columns of the range of the positions, so that bright
        points elsewhere do not leave a corner without any.
        """
        position = self.positions[:, -2:]
        low, extent = position.min(axis=0), np.ptp(position, axis=0)
        row, column = np.minimum(PARTS * (position - low) / np.maximum(extent, 1e-9), PARTS - 1).T
        part = row.astype(int) * PARTS + column.astype(int)
        rank = np.array([np.count_nonzero(part[:n] == p) for n, p in enumerate(part)])
        kept = np.sort(np.argsort(rank, kind="stable")[:count])
        return PointSamples(
            self.windows[kept], self.valid[kept], self.positions[kept], self.found, self.rejected
        )

    def describe(self, used: int) -> str:
        """Return how many points were used and why the others were not, in words."""
        reasons = ", ".join(f"{n} {reason}" for reason, n in self.rejected.items())
        return f"{used} averaged of {self.found} found{f' ({reasons})' if reasons else ''}"
