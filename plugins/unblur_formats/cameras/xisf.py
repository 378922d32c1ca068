"""XISF, the format of PixInsight: an XML header and blocks of pixels.

J. Conejero, "XISF Version 1.0 Specification", 2017, https://pixinsight.com/doc/docs/XISF-1.0-spec.
Monolithic files are read. Of the compressions, LZ4 and Zstandard are those of imagecodecs.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from unblur.errors import ImageError
from unblur.io.axes import COLOURS
from unblur.io.files import split_part
from unblur.model.formats import Reader
from unblur.model.image import Image
from unblur_formats.assembly import FileFacts, assemble, choose_part
from unblur_formats.cameras.xisf_blocks import DataBlock, find_block, open_block
from unblur_formats.xml_text import parse_xml

_SIGNATURE = b"XISF0100"
_PREFIX = 16
_MAX_HEADER = 2**28
"""Largest XML header that is read, in bytes."""

_FORMATS = {
    "UInt8": "u1",
    "UInt16": "u2",
    "UInt32": "u4",
    "UInt64": "u8",
    "Float32": "f4",
    "Float64": "f8",
    "Complex32": "c8",
    "Complex64": "c16",
}


class XisfReader(Reader):
    """Reads the first image of an XISF file, or `name.xisf[1]`, `name.xisf[id]`.

    FITS keywords are kept for FITS files, and state the pixel size if they have world coordinates
    and astropy is installed. White of floats is the upper bound that the file states.
    """

    name = "xisf"
    suffixes = (".xisf",)
    has_parts = True

    def read(self, path: Path, *, axes: str | None = None, lazy: bool = False) -> Image:
        """Return the image; lazy ones read regions on demand if the block is not compressed."""
        file, part = split_part(path)
        header = read_header(file)
        found = find_images(header)
        number = choose_part(file, part, [image.get("id", "") for image in found])
        facts, block = describe_image(found[number], file)
        facts = replace(facts, notes=describe_order(header, facts))
        if not lazy:
            block.verify(file)
        return assemble(
            path, facts, open_image, name=self.name, file=file, part=str(number), given=axes,
            lazy=lazy, images=len(found),
        )  # fmt: skip


def read_header(path: Path) -> ET.Element:
    """Return the root element of the header of a file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(_PREFIX)
        if len(prefix) < _PREFIX or not prefix.startswith(_SIGNATURE):
            raise ImageError(f"{path} is no XISF file: it does not begin with XISF0100.")
        (length,) = struct.unpack_from("<I", prefix, len(_SIGNATURE))
        if length > min(size - _PREFIX, _MAX_HEADER):
            raise ImageError(f"{path} is cut short or damaged: its header states {length} bytes.")
        text = file.read(length).decode("utf-8", "replace").rstrip("\0")
    return parse_xml(text, str(path))


def find_images(header: ET.Element) -> list[ET.Element]:
    """Return the elements of the images in a header."""
    return list(header.iterfind("{*}Image"))


def describe_order(header: ET.Element, facts: FileFacts) -> tuple[str, ...]:
    """Return a note if the program that wrote the file may have scrambled the pixels, or none.

    The Python package xisf (0.9.7) takes arrays of 1 or 3 channels to have them last, and stores
    all others as they lie, below a geometry that is their shape.
    """
    writer = next(
        (
            element.text or ""
            for element in header.iterfind("{*}Metadata/{*}Property")
            if element.get("id") == "XISF:CreatorModule"
        ),
        "",
    )
    count = facts.shape[facts.axes.index("C")] if "C" in facts.axes else 1
    if count in (1, 3) or not writer.startswith("XISF Python Module"):
        return ()
    return (
        f"the file was written by the Python package xisf, which (version 0.9.7) stores images of "
        f"{count} channels in another order than the file states: see whether its pixels are in "
        "their places.",
    )


def open_image(path: Path, part: str) -> Any:
    """Return an array-like over the pixels of the image with the number `part`."""
    facts, block = describe_image(find_images(read_header(path))[int(part)], path)
    return open_block(path, block, facts.dtype, facts.shape)


def describe_image(element: ET.Element, path: Path) -> tuple[FileFacts, DataBlock]:
    """Return what the element of an image states, and where its pixels are."""
    if element.find("{*}ColorFilterArray") is not None:
        raise ImageError(
            f"{path} holds the raw mosaic of a colour camera; develop it to colours first, in the "
            "program that stacks or calibrates the frames."
        )
    space = element.get("colorSpace", "Gray")
    if space not in ("Gray", "RGB"):
        raise ImageError(f"{path} holds {space} colours; convert it to RGB first.")
    stated = element.get("geometry", "").split(":")
    kind = _FORMATS.get(element.get("sampleFormat", ""))
    if len(stated) != 3 or not all(n.isdecimal() and 0 < int(n) < 2**31 for n in stated):
        raise ImageError(f"{path}: its geometry '{element.get('geometry')}' is not supported.")
    if kind is None:
        raise ImageError(f"{path}: its samples '{element.get('sampleFormat')}' are not supported.")
    columns, rows, count = (int(n) for n in stated)
    order = ">" if element.get("byteOrder", "little") == "big" else "<"
    if count == 1:
        shape, axes = (rows, columns), "YX"
    elif element.get("pixelStorage", "Planar") == "Normal":
        shape, axes = (rows, columns, count), "YXC"
    else:
        shape, axes = (count, rows, columns), "CYX"
    dtype = np.dtype(order + kind)
    header = _fits_header(element)
    sizes, units = _pixel_scale(header, axes)
    kept: dict[str, Any] = {"xisf": {"id": element.get("id", "")}}
    if header is not None:
        kept["fits"] = {"header": header.tostring(sep="\n"), "primary": None, "companions": ()}
    colours = count - (3 if space == "RGB" else 1) in (0, 1)
    facts = FileFacts(
        shape,
        dtype,
        axes,
        sizes,
        units,
        COLOURS.get(count, ()) if colours else (),
        _upper_bound(element.get("bounds", "")) if dtype.kind == "f" else 0.0,
        kept=kept,
    )
    return facts, find_block(element, facts, path)


def _upper_bound(bounds: str) -> float:
    """Return the upper bound of the values, 0 where none is stated or the lower is not 0."""
    with suppress(ValueError):
        lower, upper = (float(n) for n in bounds.split(":"))
        return upper if lower == 0 and 0 < upper < np.inf else 0.0
    return 0.0


def _fits_header(element: ET.Element) -> Any:
    """Return the FITS keywords as a header of astropy; None without keywords or astropy."""
    keywords = list(element.iterfind("{*}FITSKeyword"))
    try:
        from astropy.io import fits
    except ImportError:
        return None
    if not keywords:
        return None
    header = fits.Header()
    for keyword in keywords:
        name, comment = keyword.get("name", "").upper(), keyword.get("comment", "")
        with suppress(ValueError):  # a keyword that FITS does not allow
            if name in ("COMMENT", "HISTORY", ""):
                header.add_history(comment) if name == "HISTORY" else header.add_comment(comment)
            elif name not in ("SIMPLE", "BITPIX", "EXTEND") and not name.startswith("NAXIS"):
                header[name] = (_value(keyword.get("value", "")), comment)
    return header


def _value(text: str) -> Any:
    """Return the value of a FITS keyword from its text: string, logical, integer or float."""
    text = text.strip()
    if text.startswith("'"):
        return text.strip("'").replace("''", "'").rstrip()
    if text in ("T", "F"):
        return text == "T"
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def _pixel_scale(header: Any, axes: str) -> tuple[Mapping[str, float], Mapping[str, str]]:
    if header is None:
        return {}, {}
    from unblur.io.fits.header import pixel_scale

    plane = "".join(a for a in axes if a in "YX")
    return pixel_scale(header, plane)
