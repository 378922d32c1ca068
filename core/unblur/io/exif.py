"""The orientation of a photograph, in EXIF and beside it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ImageError
from unblur.model.image import Image

_ORIENTATION = 274
_HEAD = b"Exif\0\0"

_FLIPPED = {2: (False, True), 3: (True, True), 4: (True, False)}
"""Whether rows and columns are reversed, by orientation; from 5 on after rows and columns are
exchanged, in the order of 1 to 4."""


def orientation_of(image: Image) -> int:
    """Return how a viewer turns the picture, 1 (as it lies in the file) to 8.

    Readers leave pixels as they lie in the file. TIFF states the orientation in a tag, which
    is `metadata["orientation"]`; JPEG and PNG in their EXIF, which is `metadata["exif"]`.
    """
    from PIL import Image as pil

    stated = image.metadata.get("orientation")
    if stated is None and "exif" in image.metadata:
        exif = pil.Exif()
        exif.load(_HEAD + image.metadata["exif"])
        stated = exif.get(_ORIENTATION)
    return stated if isinstance(stated, int) and 1 <= stated <= 8 else 1


def exif_of(image: Image) -> bytes | None:
    """Return the EXIF to write: what the picture came with, or its orientation alone."""
    from PIL import Image as pil

    if "exif" in image.metadata:
        return bytes(image.metadata["exif"])
    orientation = orientation_of(image)
    if orientation == 1:
        return None
    exif = pil.Exif()
    exif[_ORIENTATION] = orientation
    return exif.tobytes().removeprefix(_HEAD)


def as_upright(exif: bytes) -> bytes:
    """Return EXIF whose orientation, which has been applied to the pixels, is 1.

    Nothing else is changed; EXIF that cannot be read is returned as it is.
    """
    order: Literal["little", "big"] = "little" if exif[:2] == b"II" else "big"

    def number(place: int, size: int) -> int:
        return int.from_bytes(exif[place : place + size], order)

    first = number(4, 4)
    for place in range(first + 2, first + 2 + 12 * number(first, 2), 12):
        if number(place, 2) == _ORIENTATION and place + 10 <= len(exif):
            return exif[: place + 8] + (1).to_bytes(2, order) + exif[place + 10 :]
    return exif


def as_seen(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return pixels (H, W) or (H, W, channels) as viewers show them."""
    is_exchanged, rows, columns = _turn(orientation)
    turned = np.swapaxes(values, 0, 1) if is_exchanged else values
    return turned[:: -1 if rows else 1, :: -1 if columns else 1]


def cropped_as_seen(image: Image, rows: slice, columns: slice) -> Image:
    """Return the part of an image within rows and columns of the picture that a viewer shows.

    Raises
    ------
    ImageError
        If nothing of the image lies within.
    """
    orientation = orientation_of(image)
    if orientation == 1:
        return image.cropped(rows, columns)
    is_exchanged, *is_reversed = _turn(orientation)
    extents = [image.extent(axis) for axis in ("XY" if is_exchanged else "YX")]
    spans = []
    for span, extent, reverse in zip((rows, columns), extents, is_reversed, strict=True):
        first, last, _ = span.indices(extent)
        if last <= first:
            raise ImageError(
                f"{image.source}: nothing lies within that part; as it is shown, the image has "
                f"{extents[0]} rows, {extents[1]} columns."
            )
        spans.append(slice(extent - last, extent - first) if reverse else slice(first, last))
    return image.cropped(*reversed(spans)) if is_exchanged else image.cropped(*spans)


def _turn(orientation: int) -> tuple[bool, bool, bool]:
    """Return whether rows and columns are exchanged, then rows reversed, then columns."""
    is_exchanged = orientation > 4
    rows, columns = _FLIPPED.get(orientation - 4 * is_exchanged, (False, False))
    return is_exchanged, rows, columns
