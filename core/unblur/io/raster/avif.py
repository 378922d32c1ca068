"""AVIF, read and not written: 8, 10 and 12 bits; ICC profile, EXIF and orientation are preserved.

Pillow (11.3 or newer) reads what the file states, imagecodecs the pixels, of which Pillow would
leave 8 bits.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from unblur.errors import ImageError
from unblur.io.files import file_type
from unblur.io.lazy_pixels import check_fits_memory
from unblur.io.raster.samples import check_bomb, from_samples
from unblur.model.formats import Reader
from unblur.model.image import Image, bit_depth_white

SCREEN_TRANSFERS = (1, 2, 6, 13, 14, 15)
"""Transfer characteristics of ordinary displays, codes of ITU-T H.273; 2 states none."""

_EXIF = b"Exif\0\0"


class AvifReader(Reader):
    """Reads AVIF. Pixels are not rotated; the orientation is preserved in the EXIF.

    The frames of a sequence are T.
    """

    name = "avif"
    suffixes = (".avif", ".avifs")

    def read(self, path: Path, *, axes: str | None = None, lazy: bool = False) -> Image:
        """Return the image; `lazy` is ignored."""
        kind = file_type(path)
        if kind != "an AVIF file":
            raise ImageError(
                f"{path} is {kind or 'not an AVIF file'}; rename it or export it again."
            )
        import imagecodecs

        try:
            from PIL.AvifImagePlugin import AvifImageFile
        except ImportError:
            raise ImageError(
                f"{path} needs Pillow 11.3 or newer, which reads AVIF; update it by "
                "`pip install -U pillow`, or convert the file to PNG."
            ) from None
        data = path.read_bytes()
        try:
            with AvifImageFile(BytesIO(data)) as picture:
                columns, rows = picture.size
                count = getattr(picture, "n_frames", 1)
                info = dict(picture.info)
        except (SyntaxError, OSError, ValueError) as error:
            raise ImageError(f"{path} is damaged: {error}; export it again.") from error
        bits = _bit_depth(data)
        pixel_bytes = count * 4 * (1 if bits == 8 else 2)
        check_bomb(columns, rows, pixel_bytes, len(data), str(path))
        check_fits_memory((rows, columns, pixel_bytes), np.dtype(np.uint8), path)
        values = np.asarray(imagecodecs.avif_decode(data))
        metadata: dict[str, Any] = {"format": self.name}
        if info.get("icc_profile"):
            metadata["icc"] = info["icc_profile"]
        elif (transfer := _transfer(data)) not in SCREEN_TRANSFERS:
            metadata["notes"] = (
                f"its values have the transfer function {transfer} of ITU-T H.273, as those of "
                "high dynamic range (16, 18) or linear light (8), which other formats do not state",
            )
        if info.get("exif"):
            metadata["exif"] = info["exif"].removeprefix(_EXIF)
        white = bit_depth_white(bits)
        return from_samples(
            values, axes, None, metadata, str(path), white=white, is_sequence=count > 1
        )


def _bit_depth(data: bytes) -> int:
    """Return the bits of the AV1 stream: of the flags that its configuration states."""
    place = data.find(b"av1C")
    flags = data[place + 6] if 0 <= place < len(data) - 6 else 0
    return (12 if flags & 32 else 10) if flags & 64 else 8


def _transfer(data: bytes) -> int:
    """Return the code of the transfer function, 2 where none is stated."""
    place = data.find(b"colrnclx")
    return int.from_bytes(data[place + 10 : place + 12], "big") if place >= 0 else 2
