"""OME-XML, the metadata of OME-TIFF: reading, and writing for a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from unblur.io.axes import COLOURS
from unblur.io.tiff.ome_optics import read_colours, read_optics, write_colours, write_optics
from unblur.model.image import Image
from unblur.model.units import length, symbol

SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06"

TYPES = {
    "bool": "bit",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
    "float32": "float",
    "float64": "double",
}
"""OME names of the dtypes that the schema defines."""

_HISTORY = "Annotation:unblur-history"
_INCREMENT = {"T": "TimeIncrement"} | {a: f"PhysicalSize{a}" for a in "ZYX"}
_DEFAULT_UNIT = {"T": "s", "Z": "µm", "Y": "µm", "X": "µm"}


@dataclass(frozen=True)
class OmeFacts:
    """Metadata of one image in OME-XML; see `Image` for the meanings."""

    pixel_size: Mapping[str, float]
    units: Mapping[str, str]
    channels: tuple[str, ...]
    significant_bits: int | None
    optics: Mapping[str, Any] = field(default_factory=dict)
    colours: tuple[str, ...] = ()


def parse(xml: str) -> ET.Element | None:
    """Return the root of an OME-XML document, or `None` if it is not one."""
    try:
        # External entities are not loaded, and expat limits the expansion of internal ones.
        root = ET.fromstring(xml)  # noqa: S314
    except ET.ParseError:
        return None
    return root if local_name(root) == "OME" else None


def read_facts(xml: str, number: int = 0) -> OmeFacts:
    """Return the metadata of the image with that number; empty if the document is invalid."""
    root = parse(xml)
    pixels = None if root is None else pixels_of(root, number)
    if root is None or pixels is None:
        return OmeFacts({}, {}, (), None)
    sizes, units = {}, {}
    for axis, attribute in _INCREMENT.items():
        size = _size(pixels.get(attribute))
        if size is not None:
            sizes[axis] = size
            units[axis] = symbol(pixels.get(f"{attribute}Unit") or _DEFAULT_UNIT[axis])
    names = [c.get("Name") for c in pixels if local_name(c) == "Channel"]
    channels = tuple(n for n in names if n) if all(names) and len(set(names)) == len(names) else ()
    bits = pixels.get("SignificantBits", "")
    significant = int(bits) if bits.isdecimal() else None
    return OmeFacts(
        sizes, units, channels, significant, read_optics(root, pixels), read_colours(pixels)
    )


def write_facts(image: Image, *, samples: int, original: str | None = None, number: int = 0) -> str:
    """Return OME-XML for an image whose planes are stored in the order T, C, Z of `Image`.

    Parameters
    ----------
    image : Image
        Image with the axes, shape, dtype, pixel size, channel names and white.
    samples : int
        Number of interleaved channels per plane: all channels of a colour image, else 1.
    original : str, optional
        The document of the input. It is preserved (instrument, objective, stage, annotations)
        except for the description of the pixels' layout and for other images in it.
    number : int
        Number of this image in the original document.
    """
    root = parse(original) if original else None
    pixels = None if root is None else pixels_of(root, number)
    is_new = root is None or pixels is None
    if root is None or pixels is None:
        root = ET.Element(f"{{{SCHEMA}}}OME")
        element = ET.SubElement(root, f"{{{SCHEMA}}}Image", ID="Image:0", Name=image.source)
        pixels = ET.SubElement(element, f"{{{SCHEMA}}}Pixels", ID="Pixels:0")
    _remove_other_images(root, pixels)
    _describe_layout(pixels, image)
    _describe_sizes(pixels, image)
    _describe_channels(pixels, image, samples)
    if is_new:
        write_optics(root, pixels, image)
        write_colours(pixels, image.metadata.get("colours", ()))
    _add_history(root, image.metadata.get("history", ()))
    ET.register_namespace("", _namespace(root))
    # ASCII with character references, as the TIFF tag requires.
    document: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
    return document.decode("ascii")


def _describe_layout(pixels: ET.Element, image: Image) -> None:
    for attribute in ("BigEndian", "Interleaved", "SignificantBits"):
        pixels.attrib.pop(attribute, None)
    pixels.set("DimensionOrder", "XYZCT")
    pixels.set("Type", TYPES[image.dtype.name])
    for axis in "XYZCT":
        pixels.set(f"Size{axis}", str(image.extent(axis)))
    bits = significant_bits(image)
    if bits is not None:
        pixels.set("SignificantBits", str(bits))


def _describe_sizes(pixels: ET.Element, image: Image) -> None:
    for axis, attribute in _INCREMENT.items():
        pixels.attrib.pop(attribute, None)
        pixels.attrib.pop(f"{attribute}Unit", None)
        if axis in image.pixel_size:
            pixels.set(attribute, repr(float(image.pixel_size[axis])))
            pixels.set(f"{attribute}Unit", image.units.get(axis, _DEFAULT_UNIT[axis]))


def _describe_channels(pixels: ET.Element, image: Image, samples: int) -> None:
    space = _namespace(pixels)
    count = image.extent("C") // samples
    channels = [child for child in pixels if local_name(child) == "Channel"]
    planes = [child for child in pixels if local_name(child) == "Plane"]
    if len(channels) != count:
        for channel in channels:
            pixels.remove(channel)
        channels = [
            ET.Element(f"{{{space}}}Channel", ID=f"Channel:0:{number}") for number in range(count)
        ]
        pixels[:0] = channels
    for channel, name in zip(channels, _channel_names(image, samples), strict=False):
        channel.set("Name", name)
    for channel in channels:
        channel.set("SamplesPerPixel", str(samples))
    total = count * image.extent("Z") * image.extent("T")
    for child in list(pixels):
        stale = local_name(child) in ("TiffData", "BinData", "MetadataOnly")
        if stale or (child in planes and len(planes) != total):
            pixels.remove(child)
        elif child in planes:
            _move_plane(child, image)
    data = ET.Element(f"{{{space}}}TiffData", IFD="0", PlaneCount=str(total))
    pixels.insert(list(pixels).index(channels[-1]) + 1, data)


def _move_plane(plane: ET.Element, image: Image) -> None:
    """Move the stage position of a plane to the first pixel of a cropped image."""
    for axis in "YX":
        unit = symbol(plane.get(f"Position{axis}Unit", ""))
        position, size = plane.get(f"Position{axis}"), image.pixel_size.get(axis)
        step = None if size is None else length(size, image.units.get(axis, ""), unit)
        if image.origin.get(axis) and position is not None and step is not None:
            plane.set(f"Position{axis}", repr(float(position) + image.origin[axis] * step))


def _channel_names(image: Image, samples: int) -> Sequence[str]:
    return image.channels if samples == 1 and image.channels not in COLOURS.values() else ()


def _remove_other_images(root: ET.Element, pixels: ET.Element) -> None:
    root.attrib.pop("UUID", None)
    for child in list(root):
        if local_name(child) == "Image" and pixels not in list(child):
            root.remove(child)


def _add_history(root: ET.Element, lines: Sequence[str]) -> None:
    if not lines:
        return
    space = _namespace(root)
    holder = next((c for c in root if local_name(c) == "StructuredAnnotations"), None)
    if holder is None:
        holder = ET.Element(f"{{{space}}}StructuredAnnotations")
        after = [i for i, c in enumerate(root) if local_name(c) not in ("ROI", "BinaryOnly")]
        root.insert(max(after) + 1, holder)
    for annotation in list(holder):
        if annotation.get("ID") == _HISTORY:
            holder.remove(annotation)
    note = ET.SubElement(holder, f"{{{space}}}CommentAnnotation", ID=_HISTORY)
    ET.SubElement(note, f"{{{space}}}Value").text = "\n".join(lines)


def read_history(xml: str) -> tuple[str, ...]:
    """Return the history lines that `write_facts` put into a document."""
    root = parse(xml)
    for element in () if root is None else root.iter():
        if element.get("ID") == _HISTORY:
            return tuple("".join(element.itertext()).strip().splitlines())
    return ()


def significant_bits(image: Image) -> int | None:
    """Return the number of bits of the image if it is smaller than that of its dtype."""
    if image.dtype.kind != "u" or image.white >= np.iinfo(image.dtype).max:
        return None
    bits = int(image.white + 1).bit_length() - 1
    return bits if 2**bits - 1 == image.white and bits > 0 else None


def pixels_of(root: ET.Element, number: int) -> ET.Element | None:
    """Return the Pixels element of an image; of the first where there are fewer."""
    images = [child for child in root if local_name(child) == "Image"]
    if not images:
        return None
    image = images[number if number < len(images) else 0]
    return next((child for child in image if local_name(child) == "Pixels"), None)


def _size(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return abs(value) if value and np.isfinite(value) else None


def _namespace(element: ET.Element) -> str:
    return str(element.tag)[1:].split("}")[0] if str(element.tag).startswith("{") else SCHEMA


def local_name(element: Any) -> str:
    """Return an element's name without its namespace."""
    return str(element.tag).rsplit("}", 1)[-1]
