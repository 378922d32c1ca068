"""Structure of a HEIF file, checked before the file is handed to its decoder.

The file is a tree of boxes, each with its length and a type of four letters (ISO/IEC 14496-12 and
23008-12). Lengths that lead out of the enclosing box, units of the decoder's configuration that do,
places of pixels beyond the file, and types that are not text are refused here, since decoders in C
rely on them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from unblur.errors import ImageError
from unblur.io.lazy_pixels import check_fits_memory
from unblur.io.size_limits import check_expansion

_CONTAINERS = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0,
               b"stbl": 0}  # fmt: skip
"""Boxes that hold boxes, and the length of what precedes these, in bytes."""

_CONFIGURATION_BYTES = 22
_MAX_DEPTH = 8
_BYTES_PER_PIXEL = 8

Box = tuple[bytes, int, int]
"""Type, begin and end of the content of a box."""


def check_boxes(path: Path) -> None:
    """Raise `ImageError` if the boxes of a HEIF file do not fit into each other and the file."""
    data = path.read_bytes()
    try:
        for kind, begin, end in _boxes(data, 0, len(data)):
            if kind == b"hvcC":
                _check_configuration(data[begin:end])
            elif kind == b"iloc":
                _check_places(data[begin:end], len(data))
            elif kind == b"iinf":
                head = 6 if data[begin : begin + 1] == b"\0" else 8
                for _, first, last in _boxes(data, begin + head, end, 1):
                    _check_item(data[first:last])
            elif kind == b"ispe" and end - begin >= 12:
                columns, rows = struct.unpack_from(">II", data, begin + 4)
                _check_size(rows, columns, len(data), path)
    except (ValueError, struct.error) as error:
        raise ImageError(f"{path} is damaged or cut short: {error}.") from None


def _boxes(data: bytes, begin: int, end: int, depth: int = 0) -> Iterator[Box]:
    """Yield all boxes between two places, those within containers included."""
    if depth > _MAX_DEPTH:
        raise ValueError("its boxes are nested too deeply")
    while begin < end:
        if end - begin < 8:
            raise ValueError("a box is incomplete")
        size, kind = struct.unpack_from(">I4s", data, begin)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, begin + 8)
            head = 16
        elif size == 0 and depth == 0:
            size = end - begin
        if size < head or size > end - begin:
            raise ValueError(f"a box of {size} bytes lies in {end - begin}")
        yield kind, begin + head, begin + size
        if kind in _CONTAINERS:
            yield from _boxes(data, begin + head + _CONTAINERS[kind], begin + size, depth + 1)
        begin += size


def _check_configuration(data: bytes) -> None:
    """Raise `ValueError` if units of the configuration of HEVC lie beyond its end."""
    if len(data) <= _CONFIGURATION_BYTES:
        raise ValueError("the configuration of its decoder is incomplete")
    place = _CONFIGURATION_BYTES + 1
    for _ in range(data[_CONFIGURATION_BYTES]):
        (count,) = struct.unpack_from(">H", data, place + 1)
        place += 3
        for _ in range(count):
            (size,) = struct.unpack_from(">H", data, place)
            place += 2 + size
            if place > len(data):
                raise ValueError("a unit of the configuration of its decoder is incomplete")


def _check_item(data: bytes) -> None:
    """Raise `ValueError` if the type of an item is not text, or its names are not."""
    version = data[0] if data else 0
    if version < 2:
        return
    place = 8 if version == 2 else 10
    kind, names = data[place : place + 4], data[place + 4 :]
    if len(kind) < 4 or not all(32 <= code < 127 for code in kind):
        raise ValueError("the type of an item is not text")
    names.decode("utf-8")  # a UnicodeDecodeError is a ValueError


def _check_places(data: bytes, file_size: int) -> None:
    """Raise `ValueError` if an item whose place is stated from the file's begin lies beyond it."""
    version = data[0]
    offset_size, length_size, base_size = data[4] >> 4, data[4] & 15, data[5] >> 4
    index_size = data[5] & 15 if version else 0
    if not {offset_size, length_size, base_size, index_size} <= {0, 4, 8}:
        raise ValueError("the places of its items cannot be read")
    wide = version >= 2
    place = 6

    def number(size: int) -> int:
        nonlocal place
        place += size
        if place > len(data):
            raise ValueError("the places of its items are incomplete")
        return int.from_bytes(data[place - size : place], "big")

    for _ in range(number(4 if wide else 2)):
        number(4 if wide else 2)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(base_size)
        for _ in range(number(2)):
            number(index_size)
            first = base + number(offset_size)
            if method == 0 and first + number(length_size) > file_size:
                raise ValueError("an item lies beyond the end of the file")
            if method:
                number(length_size)


def _check_size(rows: int, columns: int, file_size: int, path: Path) -> None:
    import numpy as np

    check_fits_memory((rows, columns, 4), np.dtype(np.uint16), path)
    check_expansion(float(rows) * columns * _BYTES_PER_PIXEL, file_size, path)
