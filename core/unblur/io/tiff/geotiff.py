"""Place of a GeoTIFF on the ground when an image is cropped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_PIXEL_SCALE, _TIE_POINTS, _TRANSFORMATION = 33550, 33922, 34264

Tag = tuple[int, int, int, Any]


def move_geotiff(tags: Iterable[Tag], origin: Mapping[str, int]) -> list[Tag]:
    """Return tags of TIFF with model coordinates moved to the first pixel of a cropped image.

    Parameters
    ----------
    tags : iterable of (code, dtype, count, value)
        Tags of the whole image.
    origin : mapping of axis to int
        First pixel of the part along "Y" and "X".

    Returns
    -------
    list of (code, dtype, count, value)
        The tags, with another ModelTiepoint or ModelTransformation where there was one.

    References
    ----------
    OGC 19-008r4, "OGC GeoTIFF Standard", version 1.1, 2019, Annex B.6.
    """
    found = list(tags)
    row, column = origin.get("Y", 0), origin.get("X", 0)
    if not (row or column):
        return found
    values = {code: value for code, _, _, value in found}
    scale = values.get(_PIXEL_SCALE)
    moved = []
    for code, dtype, count, value in found:
        new = value
        if code == _TIE_POINTS:
            new = _move_tie_points(value, scale, row, column)
        elif code == _TRANSFORMATION and len(value) == 16:
            new = list(value)
            for line in (0, 1, 2):
                a, b = value[4 * line], value[4 * line + 1]
                new[4 * line + 3] = value[4 * line + 3] + a * column + b * row
        moved.append((code, dtype, count, tuple(new) if isinstance(new, list) else new))
    return moved


def _move_tie_points(value: Any, scale: Any, row: int, column: int) -> list[float]:
    """Return tie points (i, j, k, x, y, z); with a scale the pixel stays and the place moves."""
    points = [float(v) for v in value]
    for n in range(0, len(points) - 5, 6):
        if scale is not None and len(points) == 6:
            points[n + 3] += column * float(scale[0])
            points[n + 4] -= row * float(scale[1])
        else:
            points[n] -= column
            points[n + 1] -= row
    return points
