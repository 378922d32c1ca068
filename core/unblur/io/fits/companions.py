"""Extensions that belong to a FITS image: errors, data quality, distortion tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from unblur.errors import OutputError
from unblur.io.fits.extensions import is_offset_plio
from unblur.io.fits.wcs import move_lookup_table, move_reference_pixels
from unblur.model.formats import describe_others

BLOCK = 2880
"""Unit of a FITS file's length, in bytes."""
BAND_BYTES = 2**22
"""Size of what is copied at a time, in bytes."""
_SIGN = -(2**15)
"""Bit that signed and unsigned 16-bit integers of FITS differ in, dimensionless."""
_LOOKUP_TABLES = ("WCSDVARR", "D2IMARR", "CPDISARR", "DQDISARR")
"""Names of extensions that hold the distortion of world coordinates."""
_COMPANIONS = ("ERR", "DQ", "VAR", "STAT", "WHT", "CTX", "MASK", "VARIANCE")
"""Names of extensions that hold errors, weights or flags of an image of whatever shape."""
_DETECTOR_KEYS = (
    "DETSEC",
    "CCDNUM",
    "CCDNAME",
    "CHIPID",
    "IMAGEID",
    "CRPIX1",
    "CRPIX2",
    "CRVAL1",
    "CRVAL2",
)
"""Keywords that state the detector or its place, where two images have them."""
_NOTE = "This extension is the input's; it was not recomputed for the deblurred image."


@dataclass(frozen=True)
class Companion:
    """An extension that is copied behind the deblurred image.

    Parameters
    ----------
    file : Path
        File that holds it; read when the result is written.
    number : int
        Index of its HDU.
    is_table : bool
        Whether it is a lookup table of a distortion rather than an image of the same pixels.
    name : str
        Name of the extension (EXTNAME).
    """

    file: Path
    number: int
    is_table: bool
    name: str

    def write(self, out: IO[bytes], first: Mapping[int, int], extents: Mapping[int, int]) -> None:
        """Append the extension to `out`, cut to the same part as the image.

        Parameters
        ----------
        out : binary file
            Where to write, at a multiple of 2880 bytes.
        first, extents : mapping of int to int
            First pixel and length of the part along each FITS axis (from 1).

        Raises
        ------
        OutputError
            If the input file can no longer be read.
        """
        from astropy.io import fits

        try:
            with fits.open(self.file, memmap=False, do_not_scale_image_data=True) as hdus:
                hdu = hdus[self.number]
                header = hdu.header.copy()
                if self.is_table:
                    box = tuple(slice(0, n) for n in hdu.shape)
                    move_lookup_table(header, first)
                else:
                    axes = range(len(hdu.shape), 0, -1)
                    box = tuple(slice(first[n], first[n] + extents[n]) for n in axes)
                    move_reference_pixels(header, first)
                    if _NOTE not in [str(line) for line in header.get("COMMENT", ())]:
                        header.add_comment(_NOTE)
                for key in ("CHECKSUM", "DATASUM"):
                    header.remove(key, ignore_missing=True)
                for n, span in zip(range(len(box), 0, -1), box, strict=True):
                    header[f"NAXIS{n}"] = span.stop - span.start
                out.write(_as_image_extension(header).tostring().encode("ascii"))
                mask = _SIGN if is_offset_plio(hdu) else 0
                size = sum(_copy(out, hdu.section, plane, box, mask) for plane in _planes(box))
        except OSError as error:
            raise OutputError(
                f"{self.file}: its extension {self.number} cannot be copied to the result "
                f"({error}); keep the input where it is until the result is written."
            ) from error
        out.write(b"\0" * (-size % BLOCK))


def find_companions(hdus: Any, number: int, file: Path) -> tuple[Companion, ...]:
    """Return the extensions that belong to image HDU `number`.

    Those are images of the same shape and version (EXTVER), such as ERR and DQ, unless they are of
    another detector, and the tables of a distortion that the header refers to.
    """
    image = hdus[number]
    found = []
    for index, hdu in enumerate(hdus):
        if index in (0, number) or not hdu.is_image or not hdu.shape or 0 in hdu.shape:
            continue
        if hdu.name in _LOOKUP_TABLES:
            if _refers_to_tables(image.header):
                found.append(Companion(file, index, True, hdu.name))
        elif (
            hdu.shape == image.shape
            and hdu.ver == image.ver
            and hdu.name not in ("", image.name)
            and not _is_of_other_detector(hdu, image)
        ):
            found.append(Companion(file, index, False, hdu.name))
    return tuple(found)


def describe_further_images(
    hdus: Any, number: int, companions: Sequence[Companion], file: Path
) -> tuple[str, ...]:
    """Return a note on images beside HDU `number`, its companions and those like them."""
    names = {companion.name for companion in companions} | set(_LOOKUP_TABLES) | set(_COMPANIONS)
    others = [
        index
        for index, hdu in enumerate(hdus)
        if index != number
        and hdu.is_image
        and len(hdu.shape) >= 2
        and 0 not in hdu.shape
        and hdu.name not in names
    ]
    return describe_others(file, len(others) + 1, str(others[0]) if others else "")


def _is_of_other_detector(hdu: Any, image: Any) -> bool:
    """Return whether two images are of different detectors, which a mosaic camera has many of.

    Their headers state another detector or another place on the sky, or their names differ in
    numbers only (CCD1, CCD2).
    """
    own, other = image.header, hdu.header
    if any(key in own and key in other and own[key] != other[key] for key in _DETECTOR_KEYS):
        return True
    name, beside = (re.sub(r"\d+", "", str(h.name)) for h in (image, hdu))
    return name == beside and str(image.name) != name


def describe_companions(companions: Sequence[Companion]) -> tuple[str, ...]:
    """Return a note on the images among the extensions, or none without any."""
    names = [companion.name for companion in companions if not companion.is_table]
    if not names:
        return ()
    many = len(names) > 1
    listed = (
        f"extensions {', '.join(names[:-1])} and {names[-1]}" if many else f"extension {names[0]}"
    )
    return (
        f"the {listed} {'are' if many else 'is'} the input's, not recomputed for the deblurred "
        f"image; a FITS result has {'them' if many else 'it'}, other formats do not.",
    )


def _refers_to_tables(header: Any) -> bool:
    return any(str(key).startswith(("CPDIS", "CQDIS", "D2IMDIS", "DP", "D2IM")) for key in header)


def _as_image_extension(header: Any) -> Any:
    """Return the header as that of a plain image extension, its structure first."""
    from astropy.io import fits

    count = int(header["NAXIS"])
    plain = fits.Header([("XTENSION", "IMAGE"), ("BITPIX", header["BITPIX"]), ("NAXIS", count)])
    for n in range(1, count + 1):
        plain[f"NAXIS{n}"] = header[f"NAXIS{n}"]
    plain["PCOUNT"], plain["GCOUNT"] = 0, 1
    plain.extend(header.copy(strip=True), strip=False, update=False)
    for key in ("BSCALE", "BZERO", "BLANK"):
        if key in header and key not in plain:
            plain[key] = header[key]
    return plain


def _planes(box: tuple[slice, ...]) -> Any:
    """Yield the index of each plane before the last two axes."""
    outer = tuple(range(span.start, span.stop) for span in box[:-2])
    for offsets in np.ndindex(*(len(span) for span in outer)):
        yield tuple(span[i] for span, i in zip(outer, offsets, strict=True))


def _copy(
    out: IO[bytes], section: Any, plane: tuple[int, ...], box: tuple[slice, ...], mask: int
) -> int:
    """Copy one plane's stored numbers in bands of rows, the bits of `mask` inverted.

    Return the number of bytes.
    """
    *_, rows, columns = (slice(0, 1), *box)
    size = 0
    height = max(1, BAND_BYTES // max(1, (columns.stop - columns.start) * 8))
    for top in range(rows.start, rows.stop, height):
        band = slice(top, min(top + height, rows.stop))
        index = (*plane, band, columns) if len(box) > 1 else (columns,)
        block = np.asarray(section[index])
        if mask:
            block = block ^ block.dtype.type(mask)
        stored = block.astype(block.dtype.newbyteorder(">"), copy=False).tobytes()
        out.write(stored)
        size += len(stored)
    return size
