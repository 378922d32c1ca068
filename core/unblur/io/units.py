"""Units of length, angle and time: symbols, spellings in files, and conversion."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SPELLINGS = {
    "m": ("meter", "metre"),
    "cm": ("centimeter", "centimetre"),
    "mm": ("millimeter", "millimetre"),
    "µm": ("micrometer", "micrometre", "micron", "microns", "um", "\u03bcm"),
    "nm": ("nanometer", "nanometre"),
    "pm": ("picometer", "picometre"),
    "Å": ("angstrom", "Angstrom", "\u212b"),
    "inch": ("in", "inches"),
    "deg": ("degree", "degrees"),
    "arcsec": ("arcsecond", '"'),
    "s": ("second", "sec", "seconds"),
    "ms": ("millisecond", "msec"),
    "µs": ("microsecond", "us", "\u03bcs"),
    "min": ("minute", "minutes"),
    "h": ("hour", "hours"),
    "d": ("day", "days"),
}
"""Symbols in `Image.units` with their other spellings; the first is that of OME-Zarr."""

_NANOMETRES = {
    "m": 1e9,
    "cm": 1e7,
    "mm": 1e6,
    "µm": 1e3,
    "nm": 1.0,
    "pm": 1e-3,
    "Å": 0.1,
    "inch": 2.54e7,
}

_SYMBOL = {word: symbol for symbol, words in _SPELLINGS.items() for word in words}


def symbol(unit: str) -> str:
    r"""Return the symbol for a unit however it was spelled; an unknown unit stays as it is.

    ImageJ writes characters beyond ASCII as escapes, e.g. "\u00B5m".
    """
    unit = re.sub(r"\\u([0-9A-Fa-f]{4})", lambda code: chr(int(code[1], 16)), unit).strip()
    return _SYMBOL.get(unit, unit)


def long_name(unit: str) -> str:
    """Return the name of a unit in OME-Zarr, e.g. "micrometer" for "µm"."""
    names = _SPELLINGS.get(unit)
    return names[0] if names else unit


def length(size: float, unit: str, target: str) -> float | None:
    """Return a length in another unit, or `None` if either unit is not a length.

    >>> length(0.5, "µm", "nm")
    500.0
    """
    if unit not in _NANOMETRES or target not in _NANOMETRES:
        return None
    return size * (_NANOMETRES[unit] / _NANOMETRES[target])


def plane_size(
    sizes: Mapping[str, float], units: Mapping[str, str], target: str
) -> tuple[float, float] | None:
    """Return the pixel's (height, width) as lengths in `target`, or `None` if unknown."""
    if "Y" not in sizes or "X" not in sizes:
        return None
    height = length(sizes["Y"], units.get("Y", ""), target)
    width = length(sizes["X"], units.get("X", ""), target)
    return None if height is None or width is None else (height, width)
