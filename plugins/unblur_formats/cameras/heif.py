"""HEIC photographs of phones. Requires pi-heif, which the extra `photo` installs.

The wheels of pi-heif hold decoders only (libheif and libde265, LGPL-3.0); those of pillow-heif hold
the encoder x265, too, which is under the GPL, and are not used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from unblur.io.axes import COLOURS, canonical, check_given
from unblur.io.files import split_part
from unblur.io.lazy_pixels import check_fits_memory
from unblur.model.formats import Reader, describe_images
from unblur.model.image import Image, bit_depth_white
from unblur_formats.assembly import choose_part, import_package
from unblur_formats.cameras.heif_boxes import check_boxes

_EXIF_HEAD = b"Exif\0\0"


class HeicReader(Reader):
    """Reads the primary image of a HEIC file, or `name.heic[1]`.

    The orientation that the file states is applied to the pixels. Values of 10 and 12 bits are
    read as such.
    """

    name = "heic"
    suffixes = (".heic", ".heif", ".hif")
    has_parts = True

    def read(self, path: Path, *, axes: str | None = None, lazy: bool = False) -> Image:
        """Return the image; it is always read whole."""
        file, part = split_part(path)
        pi_heif = import_package("pi_heif", "photo", "HEIC")
        check_boxes(file)
        found = pi_heif.open_heif(file, convert_hdr_to_8bit=False, hdr_to_16bit=False)
        number = found.primary_index
        if part is not None or not len(found):
            number = choose_part(file, part, [""] * len(found))
        image = found[number]
        columns, rows = image.size
        check_fits_memory((rows, columns, 4), np.dtype(np.uint16), file)
        values = np.array(image)
        bits = int(image.info.get("bit_depth") or 8 * values.dtype.itemsize)
        pi_heif.set_orientation(image.info)
        names = "YX" if values.ndim == 2 else "YXC"
        if axes is not None:
            names = check_given(axes, values.shape, str(path))
        data, order = canonical(values, names)
        count = values.shape[-1] if names == "YXC" else 1
        metadata = {"format": self.name, "file_axes": names, **_kept(image.info)}
        is_first = part is None and number == 0
        metadata |= describe_images(file, len(found) if is_first else 1)
        return Image(
            data,
            order,
            white=bit_depth_white(bits),
            channels=COLOURS.get(count, ()) if "C" in order else (),
            metadata=metadata,
            source=str(path),
        )


def _kept(info: dict[str, Any]) -> dict[str, Any]:
    """Return the EXIF, whose orientation has been applied, and the ICC profile."""
    kept = {"exif": info.get("exif"), "icc": info.get("icc_profile")}
    found = {key: bytes(value) for key, value in kept.items() if value}
    if "exif" in found:
        found["exif"] = found["exif"].removeprefix(_EXIF_HEAD)
    return found
