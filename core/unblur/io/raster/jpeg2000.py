"""JPEG 2000, read and not written: its bit depth, channels, ICC profile, EXIF and resolution."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unblur.errors import ImageError
from unblur.io.axes import CMYK_CHANNELS, COLOURS
from unblur.io.files import file_type
from unblur.io.lazy_pixels import check_fits_memory
from unblur.io.raster.boxes import Box, split_boxes
from unblur.io.raster.samples import check_bomb, from_samples
from unblur.model.formats import Reader
from unblur.model.image import Image, bit_depth_white

_START = b"\xff\x4f\xff\x51"
_EXIF_UUID = b"JpgTiffExif->JP2"
_CMYK, _SRGB, _GREY = 12, 16, 17
"""Enumerated colour spaces that are read as they are, codes of ISO/IEC 15444-1 and -2."""

_NAMES = {1: "bi-level", 3: "YCbCr", 4: "YCbCr", 13: "YCCK", 14: "CIELab", 18: "sYCC",
          20: "e-sRGB", 24: "e-sYCC"}  # fmt: skip


@dataclass
class _Found:
    """What the boxes around the codestream state."""

    codestream: bytes = b""
    icc: bytes | None = None
    exif: bytes | None = None
    colour_space: int | None = None
    palette_samples: int = 0
    has_alpha: bool = False
    density: tuple[float, float] | None = None
    kept: dict[str, bytes] = field(default_factory=dict)


class Jpeg2000Reader(Reader):
    """Reads JPEG 2000, in boxes or as a plain codestream, with up to 16 bits.

    Palettes become colours. White is the largest value of the bit depth.
    """

    name = "jpeg2000"
    suffixes = (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx")

    def read(self, path: Path, *, axes: str | None = None, lazy: bool = False) -> Image:
        """Return the image; `lazy` is ignored."""
        import imagecodecs

        kind = file_type(path)
        if kind != "a JPEG 2000 file":
            raise ImageError(
                f"{path} is {kind or 'not a JPEG 2000 file'}; rename it or export it again."
            )
        data = path.read_bytes()
        try:
            found = _Found(data) if data.startswith(_START) else _unpacked(data)
            columns, rows, depths = _sizes(found.codestream)
        except (ValueError, struct.error) as error:
            raise ImageError(f"{path} is damaged or cut short: {error}; copy it again.") from None
        _check_supported(found, depths, path)
        bits, is_signed = depths[0][:2]
        count = found.palette_samples or len(depths)
        pixel_bytes = count * (1 if bits <= 8 else 2)
        check_bomb(columns, rows, pixel_bytes, len(data), str(path))
        check_fits_memory((rows, columns, pixel_bytes), np.dtype(np.uint8), path)
        values = np.asarray(imagecodecs.jpeg2k_decode(data))
        if values.ndim == 3 and values.shape[2] == 1:
            values = values[..., 0]
        count = values.shape[2] if values.ndim == 3 else 1
        metadata: dict[str, Any] = {"format": self.name}
        if found.icc:
            metadata["icc"] = found.icc
        if found.exif:
            metadata["exif"] = found.exif
        white = bit_depth_white(8 * values.dtype.itemsize if found.palette_samples else bits)
        white = (white - 1) / 2 if is_signed else white
        names = _channel_names(count, found)
        return from_samples(values, axes, found.density, metadata, str(path), names, white)


def _channel_names(count: int, found: _Found) -> tuple[str, ...]:
    """Return names; of two and four samples without a statement, such as bands, none."""
    if found.colour_space == _CMYK and count == 4:
        return CMYK_CHANNELS
    if count in (1, 3) or (count in (2, 4) and found.has_alpha):
        return COLOURS[count]
    return ()


def _check_supported(found: _Found, depths: list[tuple[int, bool, int, int]], path: Path) -> None:
    """Raise `ImageError` for components of unlike sizes and colours that would need conversion."""
    if len(set(depths)) > 1 or depths[0][2:] != (1, 1):
        raise ImageError(
            f"{path} has components of unlike bit depths or resolutions; convert it to TIFF."
        )
    if depths[0][0] > 16:
        raise ImageError(
            f"{path} has {depths[0][0]} bits, and at most 16 are read; convert it to TIFF."
        )
    if found.colour_space not in (None, _SRGB, _GREY, _CMYK):
        name = _NAMES.get(found.colour_space, f"number {found.colour_space}")
        raise ImageError(
            f"{path} has the colour space {name}, and grey, sRGB, CMYK and ICC profiles are read; "
            "convert it to TIFF."
        )


def _unpacked(data: bytes) -> _Found:
    """Return what the boxes state.

    What follows the image need not be boxes: imagecodecs 2024.6 leaves a remainder there.
    """
    found = _Found()
    for kind, content in _boxes_with_remainder(data, found):
        if kind == b"jp2h":
            for inner, part in split_boxes(content):
                _take_header(inner, part, found)
        elif kind == b"jp2c" and not found.codestream:
            found.codestream = content
        elif kind == b"uuid" and content[:16] == _EXIF_UUID:
            found.exif = content[16:].removeprefix(b"Exif\0\0")
    if not found.codestream.startswith(_START):
        raise ValueError("it has no codestream")
    return found


def _boxes_with_remainder(data: bytes, found: _Found) -> Iterator[Box]:
    """Yield boxes; once the codestream is found, what is no box ends them."""
    try:
        yield from split_boxes(data)
    except ValueError:
        if not found.codestream:
            raise


def _take_header(kind: bytes, content: bytes, found: _Found) -> None:
    """Add what one box of the header states; of several colour spaces the first that counts."""
    if kind == b"colr" and content[0] == 1 and found.colour_space is None and not found.icc:
        (found.colour_space,) = struct.unpack_from(">I", content, 3)
    elif kind == b"colr" and content[0] in (2, 3) and found.colour_space is None and not found.icc:
        found.icc = content[3:]
    elif kind == b"pclr":
        found.palette_samples = content[2]
    elif kind == b"cdef":
        (count,) = struct.unpack_from(">H", content)
        kinds = [struct.unpack_from(">HHH", content, 2 + 6 * n)[1:] for n in range(count)]
        found.has_alpha = (1, 0) in kinds and (2, 0) not in kinds
    elif kind == b"res ":
        for inner, part in split_boxes(content):
            if inner == b"resc":  # of the scan or the camera; `resd` is that of a display
                found.density = _density(part)


def _density(content: bytes) -> tuple[float, float] | None:
    """Return samples per metre, (vertical, horizontal)."""
    above, below, across, under, power, aside = struct.unpack_from(">HHHHbb", content)
    if 0 in (above, below, across, under):
        return None
    return above / below * 10.0**power, across / under * 10.0**aside


def _sizes(codestream: bytes) -> tuple[int, int, list[tuple[int, bool, int, int]]]:
    """Return columns, rows, and of each component the bits, sign and subsampling (SIZ marker)."""
    x1, y1, x0, y0 = struct.unpack_from(">4I", codestream, 8)
    (count,) = struct.unpack_from(">H", codestream, 40)
    parts = [struct.unpack_from(">BBB", codestream, 42 + 3 * n) for n in range(count)]
    if x1 <= x0 or y1 <= y0 or not parts:
        raise ValueError("it states no pixels")
    return x1 - x0, y1 - y0, [((b & 127) + 1, b > 127, x, y) for b, x, y in parts]
