"""Pixel sizes that FITS headers state by a keyword, for images without world coordinates.

No standard defines these keywords. SECPIX is in seconds of arc by its name; PIXSCALE and PIXSIZE
are taken only if the comment of the card names the unit, since PIXSIZE is mostly the size of a
detector's pixel in µm, and PIXSCALE is also found in degrees and in metres.
"""

from __future__ import annotations

import math
import re
from typing import Any

_PAIRS = (("SECPIX2", "SECPIX1"), ("PIXSCAL2", "PIXSCAL1"), ("PIXSCALY", "PIXSCALX"))
"""Keywords of the size along Y and along X."""

_SINGLE = ("SECPIX", "PIXSCALE", "PIXSCAL", "PIXSIZE")
"""Keywords of one size for both axes, in the order in which they are tried."""

_UNITS = (
    ("mas", r"\bmas\b|milli-?arc-?sec"),
    ("arcmin", r"arc-?min"),
    ("arcsec", r"arc-?s(ec)?\b|arc-?sec|\bsec(ond)?s? of arc|\basec|''|\"|″"),
)
"""Units with the words of comments that name them, the first that is found."""


def keyword_pixel_size(*headers: Any) -> tuple[dict[str, float], str, tuple[str, ...]]:
    """Return pixel sizes along Y and X, their unit, and notes that name the keyword.

    Parameters
    ----------
    headers : astropy.io.fits.Header
        Headers of the image and of what applies to it as well, in the order of their rank.
    """
    unsure: tuple[str, ...] = ()
    for header in headers:
        for keys in (*_PAIRS, *((key, key) for key in _SINGLE)):
            stated = [_number(header, key) for key in keys]
            if not all(stated):
                continue
            units = {_unit(header, key) for key in keys}
            if len(units) == 1 and (unit := units.pop()):
                sizes = dict(zip("YX", stated, strict=True))
                named = " and ".join(dict.fromkeys(reversed(keys)))
                note = (
                    f"the pixel size of {_listed(sizes)} {unit} is that of {named}, since the "
                    "header has no world coordinates"
                )
                return sizes, unit, (note,)
            if keys[0].startswith("PIXSCAL"):
                unsure = (
                    f"{keys[0]} states {stated[0]:g}, and is not taken for the pixel size, since "
                    "the comment of its card does not name arcsec, arcmin or mas",
                )
    return {}, "", unsure


def _number(header: Any, key: str) -> float:
    """Return the amount of a finite number, 0 for anything else."""
    try:
        value = header.get(key)
    except Exception:  # astropy parses a card when it is read
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0.0
    return abs(float(value))


def _unit(header: Any, key: str) -> str:
    comment = str(header.comments[key]).lower()
    named = [unit for unit, words in _UNITS if re.search(words, comment)]
    if named:
        return named[0]
    is_other = re.search(r"deg|rad|µm|\bum\b|micron|mm\b|meter|metre", comment)
    return "arcsec" if key.startswith("SECPIX") and not is_other else ""


def _listed(sizes: dict[str, float]) -> str:
    found = [f"{size:.6g}" for size in dict.fromkeys(sizes.values())]
    return " x ".join(found)
