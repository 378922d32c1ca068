"""Boxes, of which files of JPEG 2000, JPEG XL and AVIF consist: a length, a type, a content."""

from __future__ import annotations

import struct
from collections.abc import Iterator

Box = tuple[bytes, bytes]
"""Type, four letters, and content of a box."""


def split_boxes(data: bytes) -> Iterator[Box]:
    """Yield the boxes that follow one another; raise `ValueError` if one is incomplete."""
    place = 0
    while place < len(data):
        if len(data) - place < 8:
            raise ValueError("a box is incomplete")
        size, kind = struct.unpack_from(">I4s", data, place)
        head = 8
        if size == 1:
            if len(data) - place < 16:
                raise ValueError("a box is incomplete")
            (size,) = struct.unpack_from(">Q", data, place + 8)
            head = 16
        elif size == 0:
            size = len(data) - place
        if size < head or size > len(data) - place:
            raise ValueError(f"a box of {size} bytes lies in {len(data) - place}")
        yield kind, data[place + head : place + size]
        place += size
