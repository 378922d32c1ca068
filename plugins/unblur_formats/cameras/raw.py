"""Raw files of cameras, developed to linear colours by LibRaw.

Requires rawpy, which the extra `photo` installs. Black level, white balance of the camera, colour
matrix and demosaicing are applied; brightness, tone curve and sharpening are not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from unblur.errors import ImageError
from unblur.io.axes import COLOURS, canonical, check_given
from unblur.io.lazy_pixels import check_fits_memory
from unblur.model.formats import Reader
from unblur.model.image import Image
from unblur_formats.assembly import import_package
from unblur_formats.cameras.linear_profile import linear_srgb_profile

_MAKERS = """
.3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .rw2 .sr2
.srf .srw .x3f
"""

_SENSOR_VALUES = (32803, 34892)
"""PhotometricInterpretation of a colour mosaic, and of linear values of a sensor, dimensionless."""
_FLOATS = 3
"""SampleFormat of floats, dimensionless."""
_WHITE_LEVEL = 50717
"""Number of the tag WhiteLevel, which is 1 by default for floats, dimensionless."""
_DEFLATE = 8
"""Compression by Deflate, dimensionless."""


class RawReader(Reader):
    """Reads raw photographs (DNG, NEF, CR2, CR3, ARW, ...) as linear colours of 16 bits.

    The primaries are those of sRGB, and an ICC profile states so, since the values are
    proportional to light. 65535 is the saturation of the sensor after white balance.
    """

    name = "raw"
    suffixes = tuple(_MAKERS.split())

    def read(self, path: Path, *, axes: str | None = None, lazy: bool = False) -> Image:
        """Return the image; it is always read whole."""
        rawpy = import_package("rawpy", "photo", "Raw")
        if path.suffix.lower() == ".dng":
            _check_floats(path)
        try:
            with rawpy.imread(str(path)) as raw:
                size = raw.sizes
                shape = (int(size.height), int(size.width), 3)
                check_fits_memory(shape, np.dtype(np.uint16), path)
                values = np.asarray(
                    raw.postprocess(
                        gamma=(1, 1), no_auto_bright=True, use_camera_wb=True, output_bps=16,
                        output_color=rawpy.ColorSpace.sRGB,
                    )
                )  # fmt: skip
                kept = _levels(raw)
        except rawpy.LibRawError as error:
            raise ImageError(
                f"{path} cannot be developed ({_reason(error)}); it may be damaged, cut short, or "
                "of a camera that LibRaw does not know."
            ) from None
        values = values[..., 0] if values.shape[-1] == 1 else values
        names = "YX" if values.ndim == 2 else "YXC"
        if axes is not None:
            names = check_given(axes, values.shape, str(path))
        data, order = canonical(values, names)
        metadata: dict[str, Any] = {"format": self.name, "file_axes": names, "raw": kept}
        if names == "YXC":
            metadata["icc"] = linear_srgb_profile()
        channels = COLOURS[3] if names == "YXC" else ()
        return Image(data, order, channels=channels, metadata=metadata, source=str(path))


def _check_floats(path: Path) -> None:
    """Raise `ImageError` for floating-point DNG that LibRaw (0.22.2) does not decode correctly."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            pages = [page for first in file.pages for page in (first, *(first.pages or ()))]
            mosaics = [
                page
                for page in pages
                if page.photometric in _SENSOR_VALUES and page.sampleformat == _FLOATS
            ]
    except Exception:  # tifffile's are of many types
        return  # LibRaw reads the file, or its error describes the defect
    for page in mosaics:
        if page.bitspersample == 16 and _WHITE_LEVEL not in page.tags:
            raise ImageError(
                f"{path} holds half floats without a WhiteLevel, which LibRaw reads as 0; state "
                "WhiteLevel 1, or store floats of 32 bits."
            )
        if page.compression == _DEFLATE and page.predictor == 1:
            raise ImageError(
                f"{path} holds floats that are compressed by Deflate without a predictor, which "
                "LibRaw reads as noise; store them with predictor 3, or uncompressed."
            )


def _levels(raw: Any) -> dict[str, Any]:
    """Return the levels of the sensor and the white balance that were applied."""
    return {
        "black_level": tuple(int(n) for n in raw.black_level_per_channel),
        "white_level": int(raw.white_level),
        "white_balance": tuple(float(n) for n in raw.camera_whitebalance),
    }


def _reason(error: Exception) -> str:
    found = error.args[0] if error.args else type(error).__name__
    return (found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)).strip()
