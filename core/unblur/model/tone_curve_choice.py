"""The tone curve of an image, where a pipeline leaves it to its file."""

from __future__ import annotations

import struct
from typing import Literal

from unblur.model.context import ToneCurve
from unblur.model.image import ALPHA, Image
from unblur.model.units import symbol

COLOURS = 3
"""Number of colour channels of a colour photograph."""

INSTRUMENT_UNITS = ("µm", "nm", "pm", "Å", "mas", "arcsec", "arcmin", "deg")
"""Symbols of the units of pixel sizes that microscopes and telescopes state."""

CURVE_TAGS = (b"rTRC", b"gTRC", b"kTRC")
"""Tags of an ICC profile that hold a curve, of red, green or grey."""


def choose_tone_curve(stated: Literal["none", "srgb", "auto"], image: Image) -> ToneCurve:
    """Return the curve that a pipeline states, or for "auto" that of the image.

    It is sRGB's for 8-bit images and for colours of 16 bits, as photographs are stored, but none
    where an ICC profile states linear light, where the pixel size is that of an instrument, or
    for values of other types.
    """
    if stated != "auto":
        return stated
    colours = [name for name in image.channels if name != ALPHA] or [""] * image.extent("C")
    is_photograph = image.dtype.str[1:] == "u1" or (
        image.dtype.str[1:] == "u2" and len(colours) == COLOURS
    )
    by_instrument = any(symbol(image.units.get(axis, "")) in INSTRUMENT_UNITS for axis in "YX")
    if not is_photograph or by_instrument or image.extent("Z") > 1:
        return "none"
    return "none" if is_linear_profile(image.metadata.get("icc")) else "srgb"


def is_linear_profile(profile: bytes | None) -> bool:
    """Return whether an ICC profile states that values are proportional to light.

    Its curves are then the identity: without entries, a power of 1, or parametric of power 1
    (ICC.1:2022, 10.6 and 10.18). What cannot be read does not state it.
    """
    if not profile or len(profile) < 132:
        return False
    (count,) = struct.unpack_from(">I", profile, 128)
    for number in range(min(count, 100)):
        at = 132 + 12 * number
        if at + 12 > len(profile):
            return False
        tag, offset, size = struct.unpack_from(">4sII", profile, at)
        if tag in CURVE_TAGS:
            return _is_identity(profile[offset : offset + size])
    return False


def _is_identity(curve: bytes) -> bool:
    if curve[:4] == b"curv" and len(curve) >= 12:
        (entries,) = struct.unpack_from(">I", curve, 8)
        if entries == 1 and len(curve) >= 14:
            return bool(struct.unpack_from(">H", curve, 12)[0] == 256)
        return bool(entries == 0)
    if curve[:4] == b"para" and len(curve) >= 16:
        kind, _, power = struct.unpack_from(">HHI", curve, 8)
        return bool(kind == 0 and power == 1 << 16)
    return False
