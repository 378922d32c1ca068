"""FITS headers: which axis is which, how large a pixel is, and the header of a result."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from unblur.errors import ImageError
from unblur.io.axes import COLOURS
from unblur.io.fits.psf_samplings import stated_pixel_scale
from unblur.io.fits.wcs import move_reference_pixels
from unblur.model.image import Image
from unblur.model.units import symbol

BITPIX = {
    "uint8": 8,
    "int8": 8,
    "int16": 16,
    "uint16": 16,
    "int32": 32,
    "uint32": 32,
    "int64": 64,
    "uint64": 64,
    "float32": -32,
    "float64": -64,
}
"""The type code of each dtype; FITS has no unsigned ones, which are shifted by BZERO."""

_ZERO = {"int8": -128, "uint16": 2**15, "uint32": 2**31, "uint64": 2**63}
_CELESTIAL = ("RA", "DEC", "GLON", "GLAT", "ELON", "ELAT")
_NOT_SPATIAL = frozenset(
    [
        "FREQ",
        "ENER",
        "WAVN",
        "VRAD",
        "WAVE",
        "VOPT",
        "ZOPT",
        "AWAV",
        "VELO",
        "BETA",
        "FELO",
        "STOKES",
        "TIME",
        "UTC",
    ]
)
"""Kinds of axis, by CTYPE, along which a point spread function of the sky does not act."""
_WORDS = {"TIME": "T", "T": "T", "UTC": "T", "Z": "Z", "DEPTH": "Z", "CHANNEL": "C"}
_NAMES = {"T": "TIME", "Z": "DEPTH", "C": "CHANNEL"}
_OPTICS = (
    ("OBJECTIV", "objective", "name of the objective"),
    ("OBJNA", "na", "numerical aperture"),
    ("OBJMAG", "magnification", "magnification of the objective"),
    ("IMMERSIO", "immersion", "immersion medium"),
    ("REFINDEX", "refractive_index", "refractive index of the immersion medium"),
)
_CHANNEL_OPTICS = (
    ("EXWAVE", "excitation_nm", "[nm] excitation wavelength"),
    ("EMWAVE", "emission_nm", "[nm] emission wavelength"),
    ("PINHOL", "pinhole_um", "[um] diameter of the pinhole"),
)
"""Keywords of our own, the entry of `optics` that each holds, and its comment."""
_STALE = ("DATAMIN", "DATAMAX", "CHECKSUM", "DATASUM", "BSCALE", "BZERO", "BLANK", "EXTEND")


def fits_axes(header: Any, shape: Sequence[int], source: str) -> str:
    """Return axis letters for an array; of axes beyond rows and columns only one may be unnamed.

    That one is C: a cube of FITS is a spectrum or a set of bands, hardly ever a volume. Axes
    of length 1 without a name, such as a single Stokes parameter, are Q and left out. Rows and
    columns are the last two axes, unless one of these is spectral, time or Stokes by its CTYPE
    and two others are celestial.

    Raises
    ------
    ImageError
        If the header does not say which axis is which.
    """
    count = len(shape)
    words = [_kind(header, count - axis) for axis in range(count)]
    plane = _image_plane(words, shape, source)
    letters = []
    for axis, extent in enumerate(shape):
        if axis in plane:
            letters.append("YX"[plane.index(axis)])
            continue
        letter = _WORDS.get(words[axis], "Q" if extent == 1 else "C")
        letters.append(letter if letter == "Q" or letter not in letters else "?")
    if "?" in letters:
        raise ImageError(
            f"{source}: the cube's {count} axes of lengths {' x '.join(str(n) for n in shape)} "
            "are not all named in its header; name them with --axes, e.g. --axes TCYX."
        )
    return "".join(letters)


def _kind(header: Any, number: int) -> str:
    """Return the first part of CTYPE, e.g. "RA" of "RA---TAN"."""
    return str(header.get(f"CTYPE{number}", "")).split("-")[0].strip().upper()


def _image_plane(words: Sequence[str], shape: Sequence[int], source: str) -> tuple[int, int]:
    """Return which axes of an array are rows and columns, by the kinds of all axes."""
    last = (len(words) - 2, len(words) - 1)
    if len(words) == 2 or not any(words[axis] in _NOT_SPATIAL for axis in last):
        return last
    celestial = [axis for axis, word in enumerate(words) if word in _CELESTIAL]
    if len(celestial) == 2:
        return celestial[0], celestial[1]
    named = ", ".join(f"{word or 'unnamed'} ({n})" for word, n in zip(words, shape, strict=True))
    raise ImageError(
        f"{source}: rows and columns would be axes that are not both spatial: {named}; name the "
        f"axes of the array with --axes, e.g. --axes YXC for a spectrum along the last."
    )


def pixel_scale(header: Any, names: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return pixel size and unit along each axis whose step the header states.

    Celestial axes are in arcsec, from the CD matrix or CDELT with PC; others in their CUNIT. An
    image without either has the pixel size of `PIXELSCL`, if there is one.
    """
    sizes: dict[str, float] = {}
    units: dict[str, str] = {}
    count = len(names)
    for axis, letter in enumerate(names):
        number = count - axis
        step = _step(header, number)
        unit = symbol(str(header.get(f"CUNIT{number}", "")))
        kind = _kind(header, number)
        if letter in "CQ" or step is None or not (step > 0 and math.isfinite(step)):
            continue
        celestial = kind in _CELESTIAL
        if celestial or unit in ("deg", "arcmin", "arcsec"):
            factor = {"arcsec": 1.0, "arcmin": 60.0}.get(unit, 3600.0)
            sizes[letter], units[letter] = step * factor, "arcsec"
        elif unit:
            sizes[letter], units[letter] = step, unit
    stated = stated_pixel_scale(header)
    if stated is not None and not {"Y", "X"} & set(sizes):
        sizes["Y"] = sizes["X"] = stated[0]
        units["Y"] = units["X"] = stated[1]
    return sizes, units


def _step(header: Any, number: int) -> float | None:
    """Return the length of one pixel step along a FITS axis, in world units."""
    axes = range(1, 3) if number <= 2 else (number,)
    column = [header.get(f"CD{i}_{number}") for i in axes]
    if any(value is not None for value in column):
        return math.hypot(*(float(v or 0) for v in column))
    if not any(key in header for key in (f"CDELT{number}", *(f"PC{i}_{number}" for i in axes))):
        return None
    terms = []
    for i in axes:
        element = header.get(f"PC{i}_{number}", 1.0 if i == number else 0.0)
        terms.append(float(header.get(f"CDELT{i}", 1.0)) * float(element))
    return math.hypot(*terms)


def result_header(image: Image, axes: str) -> list[Any]:
    """Return the headers to write: of the image, preceded by the primary one if they differ.

    All cards of the input's stay but those on storage, extremes and check sums. Pixel sizes of
    an image from another format become CDELT and CUNIT. The history becomes HISTORY cards.
    """
    from astropy.io import fits

    kept = image.metadata.get("fits", {})
    primary = kept.get("primary")
    header = _structure(image, axes, primary is not None)
    if kept:
        given = _cleaned(fits.Header.fromstring(kept["header"], sep="\n"))
        move_reference_pixels(given, first_pixels(image, axes))
        header.extend(given, strip=True)
    else:
        _describe(header, image, axes)
    for line in image.metadata.get("history", ()):
        if line not in [str(h) for h in header.get("HISTORY", ())]:
            header.add_history(line.encode("ascii", "replace").decode())
    if primary is None:
        return [header]
    first = fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True)])
    first.extend(_cleaned(fits.Header.fromstring(primary, sep="\n")), strip=True)
    return [first, header]


def _structure(image: Image, axes: str, extension: bool) -> Any:
    from astropy.io import fits

    begin = ("XTENSION", "IMAGE") if extension else ("SIMPLE", True)
    header = fits.Header([begin, ("BITPIX", BITPIX[image.dtype.name]), ("NAXIS", len(axes))])
    for number, axis in enumerate(reversed(axes), start=1):
        header[f"NAXIS{number}"] = image.extent(axis)
    if extension:
        header["PCOUNT"], header["GCOUNT"] = 0, 1
    zero = _ZERO.get(image.dtype.name, 0)
    if zero:
        header["BSCALE"], header["BZERO"] = 1, zero
    if image.nodata is not None and image.dtype.kind in "iu":
        header["BLANK"] = int(image.nodata) - zero
    return header


def first_pixels(image: Image, axes: str) -> dict[int, int]:
    """Return the first pixel of a cropped image along each FITS axis, counted from 0."""
    letters = enumerate(reversed(axes), start=1)
    return {number: image.origin.get(letter, 0) for number, letter in letters}


def _cleaned(header: Any) -> Any:
    header = header.copy(strip=True)
    for key in _STALE:
        header.remove(key, ignore_missing=True, remove_all=True)
    return header


def _describe(header: Any, image: Image, axes: str) -> None:
    for number, axis in enumerate(reversed(axes), start=1):
        if axis in _NAMES:
            header[f"CTYPE{number}"] = _NAMES[axis]
        if axis in image.pixel_size:
            header[f"CDELT{number}"] = float(np.float64(image.pixel_size[axis]))
            unit = image.units.get(axis, "")
            header[f"CUNIT{number}"] = unit.replace("µ", "u").encode("ascii", "replace").decode()
    for key, value, comment in _microscope_cards(image):
        text = value.encode("ascii", "replace").decode() if isinstance(value, str) else value
        header[key] = (text, comment)


def _microscope_cards(image: Image) -> Iterator[tuple[str, Any, str]]:
    """Yield the channels and the optics of a microscope, for which FITS has no keywords."""
    optics: Mapping[str, Any] = image.metadata.get("optics", {})
    for key, name, comment in _OPTICS:
        if optics.get(name):
            yield key, optics[name], comment
    channels = image.channels if image.channels not in COLOURS.values() else ()
    for number, channel in enumerate(channels, start=1):
        yield f"CHNAME{number}", channel, "name of the channel"
    for number, facts in enumerate(optics.get("channels", ()), start=1):
        for key, name, comment in _CHANNEL_OPTICS:
            if facts.get(name):
                yield f"{key}{number}", float(facts[name]), comment
