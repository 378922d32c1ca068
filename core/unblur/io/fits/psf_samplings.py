"""FITS files of space-telescope PSF tools, which hold one PSF at several samplings.

STPSF (formerly WebbPSF) writes the PSF at a multiple of the detector's sampling and rebinned to its
pixels, each with and without the distortion of the field of view. In each extension `PIXELSCL` is
the size of its pixels, in arcsec unless `PIXUNIT` is metre; `OVERSAMP` is 1 where the samples are
those of the detector, and `DET_SAMP` the samples per detector pixel where they are not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_PIXEL_SIZE = "PIXELSCL"
_OVERSAMPLING = ("DET_SAMP", "DETSAMP", "OVERSAMP")
"""Keywords of the samples per detector pixel, the first that is there."""


def psf_samplings(path: Path) -> list[tuple[int, str]]:
    """Return number and name of the extensions that hold one PSF at several samplings.

    The first is the one at the detector's pixels, distorted if there are both. The list is empty
    for a file that holds one sampling only.
    """
    from astropy.io import fits

    with fits.open(path) as hdus:
        found = [
            (oversampling(hdu.header), "DIST" not in hdu.name.upper(), number, hdu.name)
            for number, hdu in enumerate(hdus)
            if hdu.is_image
            and len(hdu.shape) == 2
            and (_PIXEL_SIZE in hdu.header or "OVERSAMP" in hdu.header)
        ]
    return [(number, name) for *_, number, name in sorted(found)] if len(found) > 1 else []


def oversampling(header: Any) -> float:
    """Return the samples per detector pixel that a header states, 1 if it states none."""
    if str(header.get("EXTNAME", "")).upper().startswith("DET_"):
        return 1.0
    if _positive(header.get("OVERSAMP")) == 1:
        return 1.0  # DET_SAMP then is that of the extension it was rebinned from
    stated = (_positive(header.get(key)) for key in _OVERSAMPLING)
    return next((value for value in stated if value), 1.0)


def stated_pixel_scale(header: Any) -> tuple[float, str] | None:
    """Return pixel size and unit by `PIXELSCL`, for headers without world coordinates."""
    size = _positive(header.get(_PIXEL_SIZE))
    if not size:
        return None
    metres = str(header.get("PIXUNIT", "")).strip().lower().startswith("met")
    return (size, "m") if metres else (size, "arcsec")


def _positive(value: Any) -> float:
    """Return a positive finite number, 0 for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if 0 < value < float("inf") else 0.0
