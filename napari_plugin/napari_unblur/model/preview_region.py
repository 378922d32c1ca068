"""The part of a layer that is visible, and the part of it that a preview computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_unblur.model.layers import LayerCrop

MAX_EDGE = 512
"""Largest edge of the part that a preview computes, in pixels; of a larger view, the middle."""

MIN_EDGE = 32
"""Smallest edge of the part that a preview computes, at any zoom, in pixels."""

MARGIN = 24
"""Width of the border that is computed and cropped, to keep border artefacts out, in pixels."""


@dataclass(frozen=True)
class Viewport:
    """The visible part of a layer, in pixels of the layer.

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
class PreviewRegion:
    """The part of a layer that a preview computes, and the part of that which it shows.

    Attributes
    ----------
    computed, shown : pair of slice
        Rows and columns.
    computed_leading, shown_leading : tuple of slice
        Leading axes; for a volume, planes on either side of the shown one are computed.
    is_partial : bool
        Whether the visible part is larger than the shown one.
    """

    computed: tuple[slice, slice]
    shown: tuple[slice, slice]
    computed_leading: tuple[slice, ...]
    shown_leading: tuple[slice, ...]
    is_partial: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns shown."""
        rows, columns = self.shown
        return rows.stop - rows.start, columns.stop - columns.start

    def crop(self, roles: Sequence[str]) -> LayerCrop:
        """Return the part that is computed."""
        return LayerCrop((*self.computed_leading, *self.computed), tuple(roles))

    def shown_in_computed(self) -> tuple[slice, ...]:
        """Return the slices of the shown part within the computed one, along every axis."""
        outer = (*self.computed_leading, *self.computed)
        inner = (*self.shown_leading, *self.shown)
        return tuple(
            slice(i.start - o.start, i.stop - o.start) for o, i in zip(outer, inner, strict=True)
        )

    def offset(self) -> tuple[int, ...]:
        """Return the position in the layer of the first shown pixel."""
        return tuple(s.start for s in (*self.shown_leading, *self.shown))


def preview_region(
    viewport: Viewport,
    shape: Sequence[int],
    half_width: Sequence[int] = (),
    depth_axis: int | None = None,
) -> PreviewRegion:
    """Choose the part of a layer to compute for a viewport.

    Parameters
    ----------
    viewport : Viewport
        The visible part.
    shape : sequence of int
        Shape of the layer: leading axes, rows, columns.
    half_width : sequence of int
        Half-width of a known PSF, (Z,) Y, X, in pixels; a larger one widens the margin.
    depth_axis : int, optional
        Leading axis along which a 3-D PSF acts.

    Returns
    -------
    PreviewRegion
        At most `MAX_EDGE` and at least `MIN_EDGE` pixels along each edge, within the layer.
    """
    margins = [max(MARGIN, r) for r in (tuple(half_width)[-2:] or (0, 0))]
    first, last = viewport.corners
    computed, shown, is_partial = [], [], False
    for low, high, extent, margin in zip(first, last, shape[-2:], margins, strict=True):
        low, high = max(0, min(low, extent - 1)), max(0, min(high, extent - 1)) + 1
        low, high = _widen(low, high, extent)
        if high - low > MAX_EDGE:
            is_partial = True
            low = (low + high - MAX_EDGE) // 2
            high = low + MAX_EDGE
        shown.append(slice(low, high))
        computed.append(slice(max(0, low - margin), min(extent, high + margin)))
    shown_leading = [
        slice(min(p, n - 1), min(p, n - 1) + 1)
        for p, n in zip(viewport.position, shape[:-2], strict=True)
    ]
    computed_leading = list(shown_leading)
    if depth_axis is not None:
        depth = 2 * half_width[0] if len(half_width) == 3 else 0
        centre, extent = shown_leading[depth_axis].start, shape[depth_axis]
        computed_leading[depth_axis] = slice(
            max(0, centre - depth), min(extent, centre + depth + 1)
        )
    return PreviewRegion(
        (computed[0], computed[1]),
        (shown[0], shown[1]),
        tuple(computed_leading),
        tuple(shown_leading),
        is_partial,
    )


def _widen(low: int, high: int, extent: int) -> tuple[int, int]:
    missing = MIN_EDGE - (high - low)
    if missing <= 0:
        return low, high
    low = max(0, min(low - missing // 2, extent - MIN_EDGE))
    return low, min(extent, low + MIN_EDGE)
