"""The orientation of a photograph, in EXIF and beside it."""

from __future__ import annotations

from unblur.model.image import Image

_ORIENTATION = 274
_HEAD = b"Exif\0\0"


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
