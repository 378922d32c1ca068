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
    "deg": ("degree", "degrees", "°"),
    "arcmin": ("arcminute", "'"),
    "arcsec": ("arcsecond", '"'),
    "mas": ("milliarcsecond",),
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

_ARCSECONDS = {"deg": 3600.0, "arcmin": 60.0, "arcsec": 1.0, "mas": 1e-3}
_SECONDS = {"d": 86400.0, "h": 3600.0, "min": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6}

_SYMBOL = {word: symbol for symbol, words in _SPELLINGS.items() for word in words}


def symbol(unit: str) -> str:
    r"""Return the symbol for a unit however it was spelled; an unknown unit stays as it is.

    ImageJ writes characters beyond ASCII as escapes, e.g. "\u00B5m".
    """
    unit = re.sub(r"\\u([0-9A-Fa-f]{4})", lambda code: chr(int(code[1], 16)), unit).strip()
    return _SYMBOL.get(unit) or _SYMBOL.get(unit.removesuffix("s"), unit)


def is_known(unit: str) -> bool:
    """Return whether a symbol is one of the units of length, angle and time of this module."""
    return unit in _SPELLINGS


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


def convert(size: float, unit: str, target: str) -> float | None:
    """Return a size in another unit, or `None` if the units are not of one kind.

    Lengths, angles and times are converted. An unknown unit is of one kind with itself only, and
    a size without a unit is taken to be in that of the other.

    >>> convert(300, "nm", "µm")
    0.3
    >>> convert(0.5, "arcsec", "µm") is None
    True
    """
    unit, target = symbol(unit), symbol(target)
    if unit == target or not unit or not target:
        return size
    for table in (_NANOMETRES, _ARCSECONDS, _SECONDS):
        if unit in table and target in table:
            return size * table[unit] / table[target]
    return None


def plane_size(
    sizes: Mapping[str, float], units: Mapping[str, str], target: str
) -> tuple[float, float] | None:
    """Return the pixel's (height, width) as lengths in `target`, or `None` if unknown."""
    if "Y" not in sizes or "X" not in sizes:
        return None
    height = length(sizes["Y"], units.get("Y", ""), target)
    width = length(sizes["X"], units.get("X", ""), target)
    return None if height is None or width is None else (height, width)
