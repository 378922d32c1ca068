"""The part of a layer that is in view, and how much of it a preview computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_unblur.model.layers import Cut

LARGEST = 512
"""Edge in pixels of the largest part that a preview computes; the middle of a larger view."""

SMALLEST = 32
"""A preview computes at least so many pixels along each edge, however far one zooms in."""

MARGIN = 24
"""Pixels around the visible part that are computed and thrown away, so that its border is clean."""


@dataclass(frozen=True)
class View:
    """Where the viewer looks, in pixels of the layer.

    Attributes
    ----------
    corners : pair of (row, column) pairs
        First and last visible pixel.
    position : tuple of int
        Index along each leading axis.
    """

    corners: tuple[tuple[int, int], tuple[int, int]]
    position: tuple[int, ...]


@dataclass(frozen=True)
class Region:
    """What a preview computes (`work`) and what it shows (`shown`), as slices of Y and X.

    `plane` is the slice of each leading axis that is shown, `depth` the one computed: for a
    volume, some planes on either side.
    """

    work: tuple[slice, slice]
    shown: tuple[slice, slice]
    plane: tuple[slice, ...]
    depth: tuple[slice, ...]
    is_partial: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns shown."""
        rows, columns = self.shown
        return rows.stop - rows.start, columns.stop - columns.start

    def cut(self, roles: Sequence[str]) -> Cut:
        """Return the part that is computed."""
        return Cut((*self.depth, *self.work), tuple(roles))

    def inside(self) -> tuple[slice, ...]:
        """Return where the shown part lies within the computed one, along every axis."""
        outer = (*self.depth, *self.work)
        inner = (*self.plane, *self.shown)
        return tuple(
            slice(i.start - o.start, i.stop - o.start) for o, i in zip(outer, inner, strict=True)
        )

    def offset(self) -> tuple[int, ...]:
        """Return where the shown part begins in the layer."""
        return tuple(s.start for s in (*self.plane, *self.shown))


def preview_region(
    view: View, shape: Sequence[int], reach: Sequence[int] = (), depth_axis: int | None = None
) -> Region:
    """Choose what to compute for a view.

    Parameters
    ----------
    view : View
        What is visible.
    shape : sequence of int
        Of the layer: leading axes, rows, columns.
    reach : sequence of int
        How far a known PSF carries light, (Z,) Y, X; widens the margin.
    depth_axis : int, optional
        Leading axis along which a 3-D PSF acts.
    """
    margins = [max(MARGIN, r) for r in (tuple(reach)[-2:] or (0, 0))]
    first, last = view.corners
    work, shown, partial = [], [], False
    for low, high, extent, margin in zip(first, last, shape[-2:], margins, strict=True):
        low, high = max(0, min(low, extent - 1)), max(0, min(high, extent - 1)) + 1
        low, high = _at_least(low, high, extent)
        if high - low > LARGEST:
            partial = True
            low = (low + high - LARGEST) // 2
            high = low + LARGEST
        shown.append(slice(low, high))
        work.append(slice(max(0, low - margin), min(extent, high + margin)))
    plane = [
        slice(min(p, n - 1), min(p, n - 1) + 1)
        for p, n in zip(view.position, shape[:-2], strict=True)
    ]
    depth = list(plane)
    if depth_axis is not None:
        deep = reach[0] if len(reach) == 3 else 0
        centre, extent = plane[depth_axis].start, shape[depth_axis]
        depth[depth_axis] = slice(max(0, centre - 2 * deep), min(extent, centre + 2 * deep + 1))
    return Region((work[0], work[1]), (shown[0], shown[1]), tuple(plane), tuple(depth), partial)


def _at_least(low: int, high: int, extent: int) -> tuple[int, int]:
    lack = SMALLEST - (high - low)
    if lack <= 0:
        return low, high
    low = max(0, min(low - lack // 2, extent - SMALLEST))
    return low, min(extent, low + SMALLEST)
