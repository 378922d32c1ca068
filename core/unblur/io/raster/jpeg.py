"""JPEG, a lossy format; EXIF with the orientation, ICC profile and comments are preserved."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from unblur.errors import ImageError, OutputError
from unblur.io.axes import CMYK_CHANNELS
from unblur.io.exif import exif_of
from unblur.io.files import file_type
from unblur.io.raster.samples import (
    check_bomb,
    check_picture,
    from_samples,
    pixels_per_metre,
    to_samples,
    unchanged_sizes,
)
from unblur.model.formats import Reader, Writer, require_dtype
from unblur.model.image import Image

QUALITY = 95
"""Quality of the compression, on the scale of libjpeg from 1 to 100.

Colour is stored at full resolution.
"""

LONGEST = 65500
"""Longest side that the JPEG library can write, in pixels."""

_EXIF = b"Exif\0\0"
_NUMBER_OF_IMAGES = 0xB001
_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")


class JpegReader(Reader):
    """Reads JPEG. Pixels are not rotated; the EXIF orientation is preserved as metadata.

    Of several pictures in a file (MPO) the first is read, and a note names the number.
    """

    name = "jpeg"
    suffixes = (*_SUFFIXES, ".mpo")

    def read(self, path: Path, *, axes: str | None = None, lazy: bool = False) -> Image:
        """Return the image; `lazy` is ignored."""
        from PIL.JpegImagePlugin import JpegImageFile

        kind = file_type(path)
        if kind != "a JPEG file":
            raise ImageError(
                f"{path} is {kind or 'not a JPEG file'}; rename it or export it again."
            )
        # Opened by its own class, because `PIL.Image.open` rejects the largest photographs.
        with path.open("rb") as file, JpegImageFile(file) as picture:
            width, height = picture.size
            check_bomb(width, height, len(picture.getbands()), path.stat().st_size, str(path))
            info = {str(key): value for key, value in picture.info.items()}
            names = CMYK_CHANNELS if picture.mode == "CMYK" else None
            values = np.array(picture)
        metadata: dict[str, Any] = {
            "format": "jpeg",
            "jpeg": {key: info[key] for key in ("comment", "xmp", "dpi") if key in info},
        }
        if info.get("icc_profile"):
            metadata["icc"] = info["icc_profile"]
        if info.get("exif"):
            metadata["exif"] = info["exif"].removeprefix(_EXIF)
        count = _count_pictures(info.get("mp", b""))
        if count > 1:
            metadata["notes"] = (
                f"{path} holds {count} pictures, of which this is the first; the others, such as "
                "a second view, a preview or a map of brightness, are left out. To deblur one of "
                "them, save it as a file, e.g. with `exiftool -b -MPImage2`.",
            )
        return from_samples(values, axes, _density(info), metadata, str(path), names=names)


class JpegWriter(Writer):
    """Writes JPEG at quality 95 without colour subsampling. The compression is lossy."""

    name = "jpeg"
    suffixes = _SUFFIXES
    lossy = True

    def check(self, image: Image) -> None:
        """Raise `OutputError` for stacks, alpha, other dtypes and other numbers of channels."""
        require_dtype(image, ("uint8",), "JPEG", "write .png or .tif instead")
        check_picture(image, "JPEG", (1, 4) if image.channels == CMYK_CHANNELS else (1, 3))
        rows, columns = image.extent("Y"), image.extent("X")
        if max(rows, columns) > LONGEST:
            raise OutputError(
                f"JPEG holds sides up to {LONGEST} pixels, but {image.source} has {rows} x "
                f"{columns}; write .tif instead."
            )

    def write(self, image: Image, path: Path) -> None:
        """Write the image with the EXIF, ICC, XMP and comment of its input."""
        from PIL import Image as pil

        kept = image.metadata.get("jpeg", {})
        options: dict[str, Any] = {key: kept[key] for key in ("comment", "xmp") if key in kept}
        if "icc" in image.metadata:
            options["icc_profile"] = image.metadata["icc"]
        exif = exif_of(image)
        if exif is not None:
            options["exif"] = _EXIF + exif
        if "dpi" in kept and unchanged_sizes(image):
            options["dpi"] = kept["dpi"]
        else:
            density = pixels_per_metre(image)
            inch = [] if density is None else [n * 0.0254 for n in density]
            # The header holds whole dots per inch only; a wrong size is worse than none.
            if inch and all(abs(n - round(n)) < 0.005 * n and n < 65536 for n in inch):
                options["dpi"] = (inch[1], inch[0])
        mode = "CMYK" if image.channels == CMYK_CHANNELS else None
        samples = to_samples(image)
        picture = pil.fromarray(samples) if mode is None else _cmyk_image(samples)
        with path.open("wb") as file:
            picture.save(file, "JPEG", quality=QUALITY, subsampling=0, **options)


def _cmyk_image(samples: Any) -> Any:
    from PIL import Image as pil

    height, width = samples.shape[:2]
    return pil.frombytes("CMYK", (width, height), samples.tobytes())


def _count_pictures(index: bytes) -> int:
    """Return how many pictures an MPO states in its index (CIPA DC-007); 1 without an index."""
    order = "<" if index.startswith(b"II") else ">"
    try:
        (start,) = struct.unpack_from(f"{order}I", index, 4)
        (entries,) = struct.unpack_from(f"{order}H", index, start)
        for place in range(start + 2, start + 2 + 12 * entries, 12):
            tag, _, _, value = struct.unpack_from(f"{order}HHII", index, place)
            if tag == _NUMBER_OF_IMAGES:
                return int(value)
    except struct.error:
        pass
    return 1


def _density(info: dict[str, Any]) -> tuple[float, float] | None:
    dpi = info.get("dpi")
    if dpi is None or ("jfif_density" in info and info.get("jfif_unit") == 0):
        return None
    return float(dpi[1]) / 0.0254, float(dpi[0]) / 0.0254
