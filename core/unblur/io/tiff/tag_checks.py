"""Checks of the directories of a TIFF before its tags are read, and of strips and tiles after."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO, Any

import numpy as np

from unblur.errors import ImageError
from unblur.io.size_limits import MAX_PAGES, MAX_TAG_BYTES, check_count

MAX_TAGS = 4096
"""Largest number of tags of a page, dimensionless."""

_WIDTHS = np.ones(256, np.int64)
_WIDTHS[[3, 8]] = 2
_WIDTHS[[4, 9, 11, 13]] = 4
_WIDTHS[[5, 10, 12, 16, 17, 18]] = 8


def check_tags(path: Path) -> None:
    """Raise `ImageError` if a TIFF has too many pages or tags, or a tag with too many values.

    Pages of the main list are visited; of a file that is no TIFF nothing is checked.
    """
    size = path.stat().st_size
    limit = max(MAX_TAG_BYTES, size // 64)
    with path.open("rb") as file:
        layout = _Layout.of(file.read(16))
        if layout is None:
            return
        offset, count, seen = layout.first, 0, set[int]()
        while offset and offset < size and offset not in seen:
            seen.add(offset)
            count += 1
            check_count(count, MAX_PAGES, "pages or more", path)
            file.seek(offset)
            tags, offset = layout.read_page(file, path)
            values = tags["count"].astype(np.float64) * _WIDTHS[tags["type"] & 255]
            check_count(values.max(initial=0), limit, "bytes in one tag", path)


class _Layout:
    """Byte order and widths of a TIFF or BigTIFF, and the place of its first page."""

    def __init__(self, order: str, big: bool, first: int) -> None:
        self.order, self.first = order, first
        self.number, self.offset = ("Q", "Q") if big else ("H", "I")
        wide = "u8" if big else "u4"
        self.tag = np.dtype(
            [
                ("code", f"{order}u2"),
                ("type", f"{order}u2"),
                ("count", order + wide),
                ("value", order + wide),
            ]
        )

    @classmethod
    def of(cls, head: bytes) -> _Layout | None:
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        if order is None or len(head) < 16:
            return None
        version = struct.unpack_from(f"{order}H", head, 2)[0]
        if version == 43:
            return cls(order, True, struct.unpack_from(f"{order}Q", head, 8)[0])
        return cls(order, False, struct.unpack_from(f"{order}I", head, 4)[0])

    def read_page(self, file: IO[bytes], path: Path) -> tuple[Any, int]:
        """Return the tags of the page at the present place, and the place of the next page."""
        head = file.read(struct.calcsize(self.number))
        if len(head) < struct.calcsize(self.number):
            return np.empty(0, self.tag), 0
        (count,) = struct.unpack(self.order + self.number, head)
        check_count(count, MAX_TAGS, "tags on a page", path)
        data = file.read(count * self.tag.itemsize)
        whole = len(data) - len(data) % self.tag.itemsize
        tags = np.frombuffer(data[:whole], self.tag)
        following = file.read(struct.calcsize(self.offset))
        if len(following) < struct.calcsize(self.offset):
            return tags, 0
        return tags, int(struct.unpack(self.order + self.offset, following)[0])


def check_layout(page: Any, path: Path) -> int:
    """Return the number of strips or tiles of a page.

    Raises
    ------
    ImageError
        If they have an extent of 0, or the places of some are not stated, whose pixels readers
        commonly take for zeros.
    """
    height, width = int(page.imagelength), int(page.imagewidth)
    if page.is_tiled:
        rows, columns = int(page.tilelength or 0), int(page.tilewidth or 0)
        depth, stated = int(page.tiledepth or 0), int(page.imagedepth or 1)
    else:
        rows, columns = int(page.rowsperstrip or 0) or height, width
        depth, stated = 1, 1
    if min(rows, columns, depth) < 1:
        raise ImageError(f"{path} is damaged: its strips or tiles have an extent of 0.")
    planes = int(page.samplesperpixel) if int(page.planarconfig) == 2 else 1
    expected = -(-height // rows) * -(-width // columns) * -(-stated // depth) * planes
    found = min(len(page.dataoffsets), len(page.databytecounts))
    if found < expected:
        raise ImageError(
            f"{path} is damaged: it states the places of {found} of the {expected} strips or tiles "
            "of a page; copy it again."
        )
    return expected


def describe_absent_segments(page: Any, path: Path) -> tuple[str, ...]:
    """Return a note on strips or tiles of a page that the file states not to hold."""
    offsets, counts = np.asarray(page.dataoffsets), np.asarray(page.databytecounts)
    size = min(len(offsets), len(counts))
    absent = int(np.count_nonzero((offsets[:size] == 0) | (counts[:size] == 0)))
    if not absent:
        return ()
    return (
        f"{absent} of the {size} strips or tiles of a page of {path} are not stored, so that their "
        "pixels count as 0 or as no data; if light is missing there, copy the image again.",
    )
