"""Frames of one value around a picture: bars of a film, edges of a registered or turned image.

They were added after the blur, which their sharp inner edge did not pass: deconvolved with the
picture, it makes rings that reach into it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.model.formats import LOSSY_FORMATS
from unblur.model.image import ALPHA, Image

Content = tuple[slice, slice]
"""Rows and columns within a frame, in pixels."""

STEP_RATIO = 4.0
"""Smallest step from a frame to the picture over that between the picture's first two lines,
medians along the side, dimensionless. A blurred edge has steps of one size, or begins with smaller
ones."""

ROUNDED_STEP = 3.0
"""Largest step of integers that is not taken for one, since their differences are rounded, in
units of the image."""

CONTENT_SHARE = 0.25
"""Smallest share of an image within its frame, dimensionless. A small picture on an even ground is
an object there."""

MAX_PIXELS = 2**26
"""Largest number of pixels of a plane whose border is read to find a frame, a count. Of a larger
image that is stored in chunks the border alone is much to decode."""

LOSSY_SHARE = 0.04
"""Largest deviation of a frame from one value in files of lossy compression, white = 1."""

_BANDS = (1, 16, 128, 1024)


def find_content(image: Image) -> Content | None:
    """Return rows and columns within a frame of one value, `None` where there is no frame.

    A side belongs to a frame if its lines have one value in each channel, and the picture begins
    behind them with a step. Stacks have none: their planes may be moved one by one. Images of more
    than `MAX_PIXELS` are not searched.

    Example
    -------
    >>> picture = np.random.default_rng(0).normal(100, 5, (20, 30))
    >>> picture[:4] = 0
    >>> find_content(Image(picture, "YX"))
    (slice(4, 20, None), slice(0, 30, None))
    """
    rows, columns = image.extent("Y"), image.extent("X")
    is_stack = image.extent("T") * image.extent("Z") > 1
    if is_stack or min(rows, columns) < 4 or rows * columns > MAX_PIXELS:
        return None
    tolerance = LOSSY_SHARE * image.white if image.metadata.get("format") in LOSSY_FORMATS else 0.0
    smallest = max(tolerance, ROUNDED_STEP if image.dtype.kind in "ui" else 0.0)

    def lines(axis: int, span: slice, across: slice) -> NDArray[Any]:
        """Return lines (line, C, along) of the colours."""
        part = image.data[(..., span, across) if axis == 0 else (..., across, span)]
        values = np.asarray(part).reshape(-1, *part.shape[-2:])
        if ALPHA in image.channels:
            values = np.delete(values, image.channels.index(ALPHA), 0)
        return np.moveaxis(values, 1 if axis == 0 else 2, 0).astype(np.float64)

    whole = slice(0, columns)
    top = _count(lambda span: lines(0, span, whole), rows, tolerance)
    if top == rows:
        return None
    bottom = _count(lambda span: lines(0, _from_end(span, rows), whole)[::-1], rows, tolerance)
    inside = slice(top, rows - bottom)
    if inside.stop - inside.start < 4:
        return None
    left = _count(lambda span: lines(1, span, inside), columns, tolerance)
    if left == columns:
        return None
    right = _count(
        lambda span: lines(1, _from_end(span, columns), inside)[::-1], columns, tolerance
    )
    across = slice(left, columns - right)
    if across.stop - across.start < 4:
        return None

    def is_step(axis: int, count: int, extent: int, is_first: bool) -> bool:
        if not count:
            return False
        span = slice(count - 1, count + 2)
        found = lines(axis, span if is_first else _from_end(span, extent), (across, inside)[axis])
        return _has_step(found if is_first else found[::-1], smallest)

    kept = (
        is_step(0, top, rows, True),
        is_step(0, bottom, rows, False),
        is_step(1, left, columns, True),
        is_step(1, right, columns, False),
    )
    if not any(kept):
        return None
    found = (
        slice(top * kept[0], rows - bottom * kept[1]),
        slice(left * kept[2], columns - right * kept[3]),
    )
    share = np.prod([span.stop - span.start for span in found]) / (rows * columns)
    return found if share >= CONTENT_SHARE else None


def describe_frame(content: Content, image: Image) -> str:
    """Return the note on a frame, one sentence."""
    rows, columns = content
    return (
        f"a frame of one value surrounds rows {rows.start} to {rows.stop - 1}, columns "
        f"{columns.start} to {columns.stop - 1} of {image.extent('Y')} x {image.extent('X')}; it "
        "was added after the blur, counts as no data, and stays as it is."
    )


def frame_mask(content: Content, shape: tuple[int, ...], origin: tuple[int, int]) -> Any:
    """Return which pixels (Y, X) of a block lie on the frame, `None` if none does.

    `origin` is the row and column of the block's first pixel in the image.
    """
    sides = [
        (np.arange(n) + first < span.start) | (np.arange(n) + first >= span.stop)
        for n, first, span in zip(shape[-2:], origin, content, strict=True)
    ]
    outside: NDArray[np.bool_] = sides[0][:, None] | sides[1]
    return outside if outside.any() else None


def _from_end(span: slice, extent: int) -> slice:
    return slice(max(extent - span.stop, 0), extent - span.start)


def _count(read: Callable[[slice], NDArray[Any]], extent: int, tolerance: float) -> int:
    """Return the number of lines that have the value of the first one.

    Lines are read few at a time: most images have no frame, and only their first line is read.
    """
    value: NDArray[Any] | None = None
    done = 0
    while done < extent:
        size = next((n for n in _BANDS if n > done), _BANDS[-1])
        found = read(slice(done, min(done + size, extent)))
        if value is None:
            value = np.median(found[0], axis=-1)
            if not np.isfinite(value).all():
                return 0
        is_constant = np.abs(found - value[None, :, None]).max(axis=(1, 2)) <= tolerance
        if not is_constant.all():
            return done + int(np.argmin(is_constant))
        done += len(found)
    return extent


def _has_step(found: NDArray[Any], smallest: float) -> bool:
    """Return whether the picture begins with a step: line of the frame, first and second line."""
    if len(found) < 3:
        return False
    step, inner = (np.nanmedian(np.abs(found[n + 1] - found[n]).max(0)) for n in (0, 1))
    return bool(step > STEP_RATIO * inner + smallest)
