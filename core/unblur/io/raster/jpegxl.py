"""JPEG XL, read and not written: integers of 1 to 16 bits and floats; EXIF is preserved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from unblur.errors import ImageError
from unblur.io.exif import as_upright
from unblur.io.files import file_type
from unblur.io.lazy_pixels import check_fits_memory
from unblur.io.raster.boxes import split_boxes
from unblur.io.raster.jpegxl_header import read_header
from unblur.io.raster.samples import check_bomb, from_samples
from unblur.model.formats import Reader
from unblur.model.image import Image, bit_depth_white

_START = b"\xff\x0a"


class JpegXlReader(Reader):
    """Reads JPEG XL. The orientation that the file states is applied to the pixels.

    The frames of an animation are T. The ICC profile is not preserved: the decoder leaves it out.
    """

    name = "jpegxl"
    suffixes = (".jxl",)

    def read(self, path: Path, *, axes: str | None = None, lazy: bool = False) -> Image:
        """Return the image; `lazy` is ignored."""
        import imagecodecs

        kind = file_type(path)
        if kind != "a JPEG XL file":
            raise ImageError(
                f"{path} is {kind or 'not a JPEG XL file'}; rename it or export it again."
            )
        if not imagecodecs.JPEGXL.available:
            raise ImageError(
                f"{path} needs imagecodecs with JPEG XL, as its wheels on PyPI have it; or convert "
                "it to PNG by `djxl`."
            )
        data = path.read_bytes()
        try:
            codestream, exif = _unpacked(data)
            header = read_header(codestream)
        except ValueError as error:
            raise ImageError(f"{path} is damaged or cut short: {error}; copy it again.") from None
        if any(header.extra):
            raise ImageError(
                f"{path} has channels beside colours and alpha; convert it to TIFF first."
            )
        samples = header.colours + len(header.extra)
        pixel_bytes = samples * (4 if header.is_float else 1 + (header.bits > 8))
        check_bomb(header.columns, header.rows, pixel_bytes, len(data), str(path))
        check_fits_memory((header.rows, header.columns, pixel_bytes), np.dtype(np.uint8), path)
        try:
            values = np.asarray(imagecodecs.jpegxl_decode(data))
        except imagecodecs.JpegxlError as error:
            raise ImageError(f"{path} is damaged or cut short: {error}; copy it again.") from None
        is_sequence = values.ndim > (3 if samples > 1 else 2)
        metadata: dict[str, Any] = {"format": self.name}
        if exif:
            metadata["exif"] = as_upright(exif)
        notes = []
        if not header.is_srgb:
            notes.append("its colours are not those of sRGB, which the result does not state")
        if header.has_associated_alpha:
            notes.append("its colours are multiplied by alpha, which the result does not state")
        if notes:
            metadata["notes"] = tuple(notes)
        white = 0.0 if values.dtype.kind == "f" else bit_depth_white(header.bits)
        return from_samples(
            values, axes, None, metadata, str(path), white=white, is_sequence=is_sequence
        )


def _unpacked(data: bytes) -> tuple[bytes, bytes | None]:
    """Return the begin of the codestream, which holds its header, and the EXIF."""
    if data.startswith(_START):
        return data, None
    codestream, exif = b"", None
    for kind, content in split_boxes(data):
        if kind == b"jxlc":
            codestream = codestream or content
        elif kind == b"jxlp":
            codestream += content[4:]
        elif kind == b"Exif" and len(content) > 4:
            exif = content[4 + int.from_bytes(content[:4], "big") :]
    if not codestream.startswith(_START):
        raise ValueError("it has no codestream")
    return codestream, exif
