"""World coordinates of FITS headers when an image is cropped."""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_uppercase
from typing import Any

_DESCRIPTIONS = ("", *ascii_uppercase)
"""Suffixes of the alternate world coordinate systems of a header."""
_OF_AN_AXIS = ("CTYPE", "CRVAL", "CDELT", "CRPIX", "CUNIT")
_REGIONS = ("DATASEC", "TRIMSEC", "BIASSEC", "CCDSEC", "DETSEC", "AMPSEC")
"""Keywords of regions of the whole detector image, in its pixels."""


def move_reference_pixels(header: Any, first: Mapping[int, int]) -> None:
    """Move a header's world coordinates to a part of its image, in place.

    Moves CRPIX of the primary and of every alternate system (SIP polynomials are relative to
    it), and IRAF's LTV. Keywords of regions of the whole image are removed.

    Parameters
    ----------
    header : astropy.io.fits.Header
        Header of the whole image.
    first : mapping of int to int
        First pixel of the part along each FITS axis (from 1), counted from 0.
    """
    moved = {axis: shift for axis, shift in first.items() if shift}
    for axis, shift in moved.items():
        for letter in _DESCRIPTIONS:
            if any(f"{word}{axis}{letter}" in header for word in _OF_AN_AXIS) or any(
                f"{matrix}{i}_{axis}{letter}" in header for matrix in ("CD", "PC") for i in (1, 2)
            ):
                key = f"CRPIX{axis}{letter}"
                header[key] = header.get(key, 0.0) - shift
        if f"LTV{axis}" in header:
            header[f"LTV{axis}"] -= shift
    if moved:
        for key in _REGIONS:
            header.remove(key, ignore_missing=True, remove_all=True)


def move_lookup_table(header: Any, first: Mapping[int, int]) -> None:
    """Move a distortion table (`WCSDVARR`, `D2IMARR`) to a part of its image, in place.

    The table's own CRVAL are pixel positions in the image.
    """
    for axis, shift in first.items():
        if shift:
            header[f"CRVAL{axis}"] = header.get(f"CRVAL{axis}", 0.0) - shift
