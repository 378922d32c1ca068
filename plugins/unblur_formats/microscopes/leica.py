"""LIF and LOF, the formats of Leica's LAS X. Requires liffile, which the extra `bio` installs.

The pixels of an image are one block of the file, whose layout the header states for each dimension
and channel; regions of it are read directly.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ImageError
from unblur.io.files import split_part
from unblur.model.formats import Reader
from unblur.model.image import Image
from unblur_formats.assembly import (
    FileFacts,
    assemble,
    choose_part,
    import_package,
)
from unblur_formats.xml_text import parse_xml

_AXES = {1: "X", 2: "Y", 3: "Z", 4: "T", 5: "λ", 10: "M"}
"""Axes by the number of a dimension: λ is the detected wavelength, M a tile or position."""

_IMMERSIONS = {"dry": "air", "air": "air", "water": "water", "glycerol": "glycerol", "oil": "oil"}
_RED, _BLUE = 1, 3
_MICRO = 1e6


@dataclass(frozen=True)
class StridedFile:
    """An array in a file with a step in bytes for each axis, mapped while a region is copied.

    Parameters
    ----------
    path : Path
        The file.
    dtype : dtype
        Type of the values.
    offset, size : int
        Place and length of the block that holds the array, in bytes.
    first : int
        Place of the first value within the block, in bytes.
    shape, strides : tuple of int
        Extent, and step in bytes, along each axis.
    """

    path: Path
    dtype: np.dtype[Any]
    offset: int
    size: int
    first: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        spans = [(n - 1) * step for n, step in zip(self.shape, self.strides, strict=True)]
        low = self.first + sum(min(span, 0) for span in spans)
        needed = prod(self.shape) * self.dtype.itemsize  # steps of 0 would repeat values
        high = self.first + sum(max(span, 0) for span in spans) + self.dtype.itemsize
        end = max(high, needed)
        if low < 0 or end > self.size or self.offset + self.size > self.path.stat().st_size:
            raise ImageError(
                f"{self.path} is cut short or damaged: an image needs {end} bytes of a block of "
                f"{self.size}."
            )

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Return a copy of a region."""
        block = np.memmap(self.path, np.uint8, "r", self.offset, (self.size,))
        view: NDArray[Any] = np.ndarray(self.shape, self.dtype, block, self.first, self.strides)
        return np.array(view[index])


class LifReader(Reader):
    """Reads the first image of a LIF file, or `name.lif[1]`, `name.lif[name of image]`.

    Each tile or position of a mosaic counts as an image. Lengths are given in micrometres, which
    the file states in metres. White is that of the bit depth.
    """

    name = "lif"
    suffixes = (".lif", ".lof")
    has_parts = True

    def read(self, path: Path, *, axes: str | None = None, lazy: bool = False) -> Image:
        """Return the image; lazy ones read regions on demand."""
        file, part = split_part(path)
        liffile = import_package("liffile", "bio", "LIF")
        _check_header(file)
        with liffile.LifFile(file) as lif:
            found = list_images(lif)
            if not found:
                raise ImageError(f"{file} holds no image, or its images lie in other files.")
            number = choose_part(file, part, [name for _, _, name in found])
            image, tile, _ = found[number]
            facts, _ = describe_image(image, tile, file)
        return assemble(
            path, facts, open_image, name=self.name, file=file, part=str(number), given=axes,
            lazy=lazy, images=len(found),
        )  # fmt: skip


def open_image(path: Path, part: str) -> StridedFile:
    """Return an array-like over the pixels of the image with the number `part`."""
    import liffile

    with liffile.LifFile(path) as lif:
        image, tile, _ = list_images(lif)[int(part)]
        return describe_image(image, tile, path)[1]


def _check_header(path: Path) -> None:
    """Raise `ImageError` if the XML of a LIF file is longer than the file, or has entities."""
    with path.open("rb") as file:
        head = file.read(13)
        if len(head) == 13 and head[0] == 0x70:
            (count,) = struct.unpack_from("<I", head, 9)
            if 2 * count > path.stat().st_size:
                raise ImageError(f"{path} is cut short or damaged: its header is incomplete.")
            text = file.read(2 * count).decode("utf-16-le", "replace")
            if text.startswith("<"):
                parse_xml(text, str(path))


def list_images(lif: Any) -> list[tuple[Any, int, str]]:
    """Return the images in the file: object of liffile, number of the tile, name or ""."""
    images = [i for i in lif.images if not i.is_flim and i.memory_block.offset >= 0]
    names = [str(image.name) for image in images]
    listed = []
    for image, name in zip(images, names, strict=True):
        tiles = next((n for axis, n, _, _, _ in _dimensions(image.xml_element) if axis == "M"), 1)
        unique = tiles == 1 and names.count(name) == 1
        listed += [(image, tile, name if unique else "") for tile in range(tiles)]
    return listed


def _dimensions(element: ET.Element) -> list[tuple[str, int, int, float, str]]:
    """Return axis, extent, step in bytes, step in its unit, and unit of each dimension."""
    found = []
    for dimension in element.iterfind(
        "./Data/Image/ImageDescription/Dimensions/DimensionDescription"
    ):
        number = int(dimension.get("DimID", "0"))
        count = int(dimension.get("NumberOfElements", "0"))
        length = abs(float(dimension.get("Length") or 0))
        size = length / (count - 1) if count > 1 else 0.0
        stride = int(dimension.get("BytesInc", "0"))
        found.append((_AXES.get(number, "?"), count, stride, size, dimension.get("Unit", "")))
    return found


def describe_image(image: Any, tile: int, path: Path) -> tuple[FileFacts, StridedFile]:
    """Return what the header states of an image, and its pixels."""
    element = image.xml_element
    dimensions = {d[0]: d for d in _dimensions(element)}
    channels = _channels(element)
    if "λ" in dimensions and len(channels) == 1:
        dimensions["C"] = ("C", *dimensions.pop("λ")[1:])
    unknown = [a for a, d in dimensions.items() if a not in "TCZYXM" and d[1] > 1]
    if unknown or not {"Y", "X"} <= set(dimensions):
        listed = " x ".join(f"{n} ({a})" for a, n, *_ in dimensions.values())
        raise ImageError(f"{path}: an image with the dimensions {listed} is not supported.")
    dtype = np.dtype(image.dtype)
    first = tile * dimensions["M"][2] if "M" in dimensions else 0
    if len(channels) > 1:
        offsets = [channel[0] for channel in channels]
        steps = set(np.diff(offsets))
        if len(steps) != 1:
            raise ImageError(f"{path}: the channels of an image lie at uneven places.")
        dimensions["C"] = ("C", len(channels), int(steps.pop()), 0.0, "")
        first += offsets[0]
    axes = "".join(a for a in "TCZYX" if a in dimensions and (dimensions[a][1] > 1 or a in "YX"))
    shape = tuple(dimensions[a][1] for a in axes)
    strides = tuple(dimensions[a][2] for a in axes)
    block = image.memory_block
    stored = StridedFile(path, dtype, block.offset, block.size, first, shape, strides)
    sizes, units = {}, {}
    for axis, _, _, size, unit in dimensions.values():
        factor = _MICRO if unit == "m" else 1.0
        sizes[axis], units[axis] = size * factor, "µm" if unit == "m" else unit
    bits = {channel[1] for channel in channels}
    narrow = len(bits) == 1 and dtype.kind == "u" and max(bits) < 8 * dtype.itemsize
    colours = _are_colours(channels)
    return FileFacts(
        shape,
        dtype,
        axes,
        sizes,
        units,
        ("red", "green", "blue") if colours else tuple(name for *_, name in channels),
        float(2 ** bits.pop() - 1) if narrow else 0.0,
        _optics(element, 0 if colours else len(channels)),
    ), stored


def _channels(element: ET.Element) -> list[tuple[int, int, int, str]]:
    """Return place in bytes, bits, colour code and name of each channel, colours as R, G, B."""
    found = []
    for channel in element.iterfind("./Data/Image/ImageDescription/Channels/ChannelDescription"):
        dye = next(
            (
                entry.findtext("Value") or ""
                for entry in channel.iterfind("ChannelProperty")
                if entry.findtext("Key") == "DyeName"
            ),
            "",
        )
        numbers = (channel.get(name, "0") for name in ("BytesInc", "Resolution", "ChannelTag"))
        place, bits, tag = (int(number) for number in numbers)
        found.append((place, bits, tag, dye))
    found.sort()
    if _are_colours(found):
        found.sort(key=lambda channel: channel[2])
    return found


def _are_colours(channels: Sequence[tuple[int, int, int, str]]) -> bool:
    return sorted(tag for _, _, tag, _ in channels) == list(range(_RED, _BLUE + 1))


def _optics(element: ET.Element, count: int) -> dict[str, Any]:
    """Return the objective and wavelengths of the acquisition."""
    setting = next(
        (e for e in element.iter() if e.get("NumericalAperture") and e.get("ObjectiveName")), None
    )
    if setting is None:
        return {}
    immersion = (setting.get("Immersion") or "").lower()
    optics: dict[str, Any] = {
        "na": _positive(setting, "NumericalAperture"),
        "immersion": _IMMERSIONS.get(immersion),
        "refractive_index": _positive(setting, "RefractionIndex"),
        "magnification": _positive(setting, "Magnification"),
        "objective": (setting.get("ObjectiveName") or "").strip(),
    }
    pinhole = _positive(setting, "Pinhole")
    emissions = [_positive(e, "EmissionWavelength") for e in setting.iter("WideFieldChannelInfo")]
    if len(emissions) != count:
        emissions = [None] * count
    channels: list[dict[str, float]] = []
    for emission in emissions:
        stated = {"emission_nm": emission, "pinhole_um": pinhole and pinhole * _MICRO}
        channels.append({key: value for key, value in stated.items() if value})
    if any(channels):
        optics["channels"] = tuple(channels)
    return {key: value for key, value in optics.items() if value}


def _positive(element: ET.Element, name: str) -> float | None:
    with suppress(ValueError):
        value = float(element.get(name) or "")
        return value if 0 < value < np.inf else None
    return None
