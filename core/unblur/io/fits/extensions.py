"""Extensions of a FITS file: which of them is the image, and how its integers are compressed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unblur.errors import ImageError


def find_image(hdus: Any, part: str | None, path: Path) -> int:
    """Return the number of the first image, or of that with a number, a name, or "NAME,version".

    Raises
    ------
    ImageError
        If there is none, it is no image of two axes or more, or a header is damaged.
    """
    listed = []
    for number, hdu in enumerate(readable_extensions(hdus, path)):
        is_image = hdu.is_image and len(hdu.shape) >= 2
        if part is None and is_image:
            return number
        if part is not None and _is_named(hdu, number, part):
            if not is_image:
                raise ImageError(f"{path}: extension [{part}] holds no image of two axes or more.")
            return number
        listed.append(f"{number} ({hdu.name})" if hdu.name else str(number))
    if part is None:
        raise ImageError(f"{path} holds no image of two axes or more, only tables or headers.")
    raise ImageError(f"{path} has no extension [{part}]; it holds {', '.join(listed)}.")


def readable_extensions(hdus: Any, path: Path) -> Iterator[Any]:
    """Yield the extensions; raise `ImageError` at a header that cannot be read.

    What astropy (8.0.2) lists after such a header may not end.
    """
    from astropy.io.fits.hdu.base import _CorruptedHDU

    for number, hdu in enumerate(hdus):
        if isinstance(hdu, _CorruptedHDU):
            raise ImageError(
                f"{path} is damaged: the header of extension {number} is not readable."
            )
        yield hdu


def is_offset_plio(hdu: Any) -> bool:
    """Return whether an HDU holds unsigned 16-bit integers compressed by PLIO.

    PLIO has no negative numbers, so that CFITSIO compresses the unsigned values themselves, beside
    a BZERO of 32768, which astropy (8.0.2) adds to them.
    """
    header = hdu.header
    return (
        getattr(hdu, "compression_type", "") == "PLIO_1"
        and int(header["BITPIX"]) == 16
        and bool(header.get("BZERO", 0) == 2**15)
    )


def describe_lost_fractions(hdu: Any, number: int, path: Path) -> tuple[str, ...]:
    """Return a note if floats were compressed as whole numbers, or none.

    Only GZIP compresses floats themselves. The others compress integers, to which a scale per tile
    belongs; without one (`quantize_level=0`), astropy (8.0.2) casts floats to integers.
    """
    from astropy.io import fits

    name = str(getattr(hdu, "compression_type", ""))
    if int(hdu.header["BITPIX"]) > 0 or name not in ("RICE_1", "HCOMPRESS_1", "PLIO_1"):
        return ()
    with fits.open(path, disable_image_compression=True) as tables:
        stored = tables[number]
        if "ZSCALE" in stored.columns.names or "ZSCALE" in stored.header:
            return ()
    return (
        f"its floats were compressed by {name} without quantization, which keeps whole numbers "
        "only: the decimals are lost; compress the original anew, with GZIP or quantization.",
    )


def _is_named(hdu: Any, number: int, part: str) -> bool:
    """Return whether `part` is the number of an extension, its name, or its name and version."""
    if part.isdecimal():
        return number == int(part)
    name, _, version = part.partition(",")
    is_version = not version or (version.isdecimal() and int(version) == int(hdu.ver))
    return str(hdu.name).upper() == name.upper() and is_version
