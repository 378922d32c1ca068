"""An ICC profile of linear light with the primaries of sRGB.

Specification ICC.1:2001-04 (version 2 profiles). The primaries are those of IEC 61966-2-1 adapted
to the white point D50, as in the profile of sRGB.
"""

from __future__ import annotations

import struct
from functools import cache

_WHITE = (0.9642, 1.0, 0.8249)
_PRIMARIES = {
    b"rXYZ": (0.4360, 0.2225, 0.0139),
    b"gXYZ": (0.3851, 0.7169, 0.0971),
    b"bXYZ": (0.1431, 0.0606, 0.7141),
}
"""Tristimulus values of the primaries for the white point D50, dimensionless."""

_NAME = b"Linear light, sRGB primaries"
_HEADER_BYTES = 128


@cache
def linear_srgb_profile() -> bytes:
    """Return the profile: three primaries, and curves that are straight lines."""
    text = struct.pack(">4s4xI", b"desc", len(_NAME) + 1) + _NAME + b"\0"
    tags = {
        b"desc": text + bytes(4 + 4 + 2 + 1 + 67),
        b"cprt": b"text\0\0\0\0" + b"Public domain\0",
        b"wtpt": _xyz(_WHITE),
        **{name: _xyz(values) for name, values in _PRIMARIES.items()},
    }
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), struct.pack(">4s4xI", b"curv", 0))
    offset = _HEADER_BYTES + 4 + 12 * len(tags)
    table, blocks = struct.pack(">I", len(tags)), b""
    for name, block in tags.items():
        table += struct.pack(">4sII", name, offset + len(blocks), len(block))
        blocks += block + bytes(-len(block) % 4)
    header = struct.pack(
        ">I4sI4s4s4s6H4s4s", offset + len(blocks), b"\0\0\0\0", 0x02400000, b"mntr", b"RGB ",
        b"XYZ ", 2026, 1, 1, 0, 0, 0, b"acsp", b"\0\0\0\0",
    )  # fmt: skip
    header = header.ljust(68, b"\0") + _numbers(_WHITE)
    return header.ljust(_HEADER_BYTES, b"\0") + table + blocks


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + _numbers(values)


def _numbers(values: tuple[float, ...]) -> bytes:
    """Return numbers in the fixed-point type of ICC, with 16 bits after the point."""
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))
