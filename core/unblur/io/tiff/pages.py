"""Layout of an image in a TIFF: dialect, axes of a page, tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from unblur.io.axes import CMYK_CHANNELS, COLOURS
from unblur.io.exif import orientation_of
from unblur.io.files import suffix_of
from unblur.io.tiff.geotiff import move_geotiff
from unblur.io.tiff.metadata import (
    LOSSLESS,
    MAX_SAMPLE_VALUE,
    ORIENTATION,
    names_of_samples,
)
from unblur.io.tiff.ome_xml import TYPES, significant_bits, write_facts
from unblur.model.image import ALPHA, Image
from unblur.model.units import length, plane_size

CLASSIC_LIMIT = 2**32 - 2**25
"""Largest size of the pixels in a TIFF without BigTIFF's 64-bit offsets, in bytes.

It leaves space for the tags.
"""

IMAGEJ_LIMIT = 2**28
"""Largest lazy ImageJ stack that is computed at once, in bytes; ImageJ does not read tiles."""

TILE = 512
"""Default side of a tile, in pixels."""

_IMAGEJ_TYPES = ("uint8", "uint16", "float32")
_GREY, _RGB, _SEPARATED = 1, 2, 5


@dataclass(frozen=True)
class TiffLayout:
    """The layout of one TIFF.

    Attributes
    ----------
    flavour : str
        Dialect of the metadata: "ome", "imagej" or "plain".
    axes : str
        Axis order of the stored pixels.
    samples : str or None
        "contig" or "separate" if axis C lies inside a page, else `None`.
    big : bool
        Whether offsets have 64 bits.
    """

    flavour: str
    axes: str
    samples: str | None
    big: bool

    @classmethod
    def of(cls, image: Image, path: Path, imagej_limit: float = IMAGEJ_LIMIT) -> TiffLayout:
        """Return the layout for an image, that of the input if it was a TIFF.

        A lazy image of more than `imagej_limit` bytes is not written as an ImageJ stack.
        """
        kept = kept_facts(image)
        samples = _samples(image, kept)
        flavour = _flavour(image, path, kept, samples, imagej_limit)
        if samples == "contig":
            axes = "TZYXC"
        elif samples == "separate" or flavour == "imagej":
            axes = "TZCYX"
        else:
            axes = "TCZYX"
        ordered = "".join(a for a in axes if a in image.axes)
        big = size_of(image) > CLASSIC_LIMIT or bool(kept.get("big"))
        return cls(flavour, ordered, samples, big and flavour != "imagej")

    @property
    def band_axes(self) -> str:
        """The axes written together: rows, columns, and interleaved samples."""
        return "YXC" if self.samples == "contig" else "YX"


def size_of(image: Image) -> float:
    """Return the size of the pixels, in bytes."""
    return float(np.prod([float(n) for n in image.shape])) * image.dtype.itemsize


def kept_facts(image: Image) -> Mapping[str, Any]:
    """Return the metadata that the TIFF reader kept; empty for images from other formats."""
    found = image.metadata.get("tiff", {})
    return found if isinstance(found, Mapping) else {}


def page_options(image: Image, layout: TiffLayout) -> dict[str, Any]:
    """Return the arguments of `tifffile.TiffWriter.write` that describe pages and their tags."""
    kept = kept_facts(image)
    tags = [
        (code, dtype, count, value, True)
        for code, dtype, count, value in move_geotiff(kept.get("tags", ()), image.origin)
    ]
    once = {code: value for code, _, _, value, _ in tags}
    turned = orientation_of(image)
    if turned != 1:
        tags.append((ORIENTATION, 3, 1, turned, True))
    bits = significant_bits(image)
    if bits is not None:
        tags.append((MAX_SAMPLE_VALUE, 3 if bits <= 16 else 4, 1, 2**bits - 1, False))
    options: dict[str, Any] = {
        "photometric": _photometric(image, layout, kept),
        "extratags": [t for t in tags if t[0] not in (305, 306)],
        "software": once.get(305, "unblur"),
        "datetime": once.get(306),
        "iccprofile": image.metadata.get("icc"),
        "metadata": None,
        **_resolution(image, layout, kept),
    }
    if layout.samples is not None:
        options["planarconfig"] = layout.samples
        options["extrasamples"] = _extrasamples(image, kept)
    compression = kept.get("compression", 1)
    if compression != 1:
        # Lossy codecs would change the result and are replaced by deflate.
        options["compression"] = compression if compression in LOSSLESS else 8
        fits = {2: "iu", 3: "f"}.get(kept.get("predictor", 1), "")
        options["predictor"] = True if image.dtype.kind in fits else None
    return {**options, **_description(image, layout, kept)}


def tile_of(image: Image) -> tuple[int, int]:
    """Return the tile's height and width: the input's, else a square; multiples of 16."""
    tile = kept_facts(image).get("tile")
    if tile is not None and all(n % 16 == 0 for n in tile):
        return int(tile[0]), int(tile[1])
    return TILE, TILE


def _samples(image: Image, kept: Mapping[str, Any]) -> str | None:
    count = image.extent("C")
    if "C" not in image.axes:
        return None
    if kept.get("samples"):
        photometric, extra = kept.get("photometric", _GREY), kept.get("extrasamples", ())
        colours = {_GREY: 1, _RGB: 3, _SEPARATED: 4}.get(photometric, 1)
        # Samples have no names of their own in a file; channels on pages have.
        names = names_of_samples(count, extra, photometric)
        if count == colours + len(extra) and image.channels in ((), names):
            return str(kept["samples"])
    if image.channels == CMYK_CHANNELS:
        return "contig"
    return "contig" if image.channels and image.channels == COLOURS.get(count) else None


def _flavour(
    image: Image, path: Path, kept: Mapping[str, Any], samples: str | None, imagej_limit: float
) -> str:
    if suffix_of(path).startswith(".ome."):
        return "ome"
    source = kept.get("flavour")
    if source == "imagej" and _suits_imagej(image, samples, imagej_limit):
        return "imagej"
    stack = set(image.axes) - set("YX") - (set("C") if samples else set())
    if image.dtype.name in TYPES and (source in ("ome", "imagej") or stack):
        return "ome"
    return "plain"


def _suits_imagej(image: Image, samples: str | None, imagej_limit: float) -> bool:
    colours = samples == "contig" and image.dtype.name == "uint8" and image.extent("C") in (3, 4)
    return (
        image.dtype.name in _IMAGEJ_TYPES
        and (samples is None or colours)
        and size_of(image) <= (imagej_limit if image.is_lazy else CLASSIC_LIMIT)
    )


def _photometric(image: Image, layout: TiffLayout, kept: Mapping[str, Any]) -> int:
    if layout.samples is None:
        return 0 if kept.get("photometric") == 0 and kept.get("flavour") == "plain" else _GREY
    if image.channels == CMYK_CHANNELS:
        return _SEPARATED
    if kept.get("samples") == layout.samples and kept.get("photometric") in (_GREY, _SEPARATED):
        return int(kept["photometric"])
    return _GREY if image.extent("C") < 3 else _RGB


def _extrasamples(image: Image, kept: Mapping[str, Any]) -> tuple[int, ...] | None:
    if kept.get("extrasamples"):
        return tuple(kept["extrasamples"])
    return (2,) if ALPHA in image.channels else None


def _ratio(value: float) -> tuple[int, int]:
    """Return a positive number as a ratio of two integers of 32 bits, as near as they allow.

    Older versions of tifffile round such a ratio to a few digits.
    """
    largest = 2**32 - 2
    value = min(max(value, 1 / largest), float(largest))
    above = max(value, 1 / value)
    ratio = Fraction(above).limit_denominator(max(1, int(largest / above)))
    parts = ratio.numerator, ratio.denominator
    return parts if value >= 1 else parts[::-1]


def _resolution(image: Image, layout: TiffLayout, kept: Mapping[str, Any]) -> dict[str, Any]:
    sizes = {a: image.pixel_size[a] for a in "YX" if a in image.pixel_size}
    original = kept.get("resolution")
    stated = {a: s for a, s in kept.get("sizes", {}).items() if a in "YX"}
    has_one_unit = image.units.get("Y") == image.units.get("X")
    if original is not None and sizes == stated and has_one_unit:
        x, y, code = original
        return {"resolution": (x, y), "resolutionunit": code}
    if layout.flavour == "imagej" and len(sizes) == 2:
        unit = image.units.get("X", "pixel")
        height = length(sizes["Y"], image.units.get("Y", ""), unit) or sizes["Y"]
        return {"resolution": (_ratio(1 / sizes["X"]), _ratio(1 / height)), "resolutionunit": 1}
    plane = plane_size(image.pixel_size, image.units, "cm")
    if plane is None:
        return {}
    return {"resolution": (_ratio(1 / plane[1]), _ratio(1 / plane[0])), "resolutionunit": 3}


def _description(image: Image, layout: TiffLayout, kept: Mapping[str, Any]) -> dict[str, Any]:
    if layout.flavour == "ome":
        samples = image.extent("C") if layout.samples else 1
        number = int(kept.get("number", 0))
        xml = write_facts(image, samples=samples, original=kept.get("ome"), number=number)
        return {"description": xml}
    if layout.flavour == "imagej":
        return {"metadata": _imagej(image, layout, kept)}
    history = tuple(image.metadata.get("history", ()))
    if layout.axes in ("YX", "YXC", "CYX") and (layout.samples or "C" not in layout.axes):
        text = "\n".join([str(kept.get("description") or ""), *history]).strip()
        return {"description": _ascii(text)} if text else {}
    found: dict[str, Any] = {"axes": layout.axes}
    if image.channels:
        found["channels"] = list(image.channels)
    if history:
        found["history"] = list(history)
    for axis, key in (("Z", "spacing"), ("T", "finterval")):
        if axis in image.pixel_size:
            found[key] = image.pixel_size[axis]
    if "Z" in image.pixel_size:
        found["unit"] = image.units.get("Z", "")
    return {"metadata": found}


def _imagej(image: Image, layout: TiffLayout, kept: Mapping[str, Any]) -> dict[str, Any]:
    generated = ["images", "channels", "slices", "frames", "hyperstack", "shape"]
    if image.pixel_size:
        generated += ["unit", "yunit", "zunit", "tunit", "spacing", "finterval", "fps"]
    found = {k: v for k, v in dict(kept.get("imagej") or {}).items() if k not in generated}
    found["axes"] = layout.axes.replace("C", "S") if layout.samples else layout.axes
    unit = image.units.get("X", image.units.get("Z", ""))
    if unit:
        found["unit"] = "um" if unit == "µm" else _escaped(unit)
    if "Z" in image.pixel_size:
        depth = length(image.pixel_size["Z"], image.units.get("Z", ""), unit)
        found["spacing"] = depth if depth is not None else image.pixel_size["Z"]
    if "T" in image.pixel_size:
        found["finterval"] = image.pixel_size["T"]
        if image.units.get("T", "s") != "s":
            found["tunit"] = _escaped(image.units["T"])
    history = tuple(image.metadata.get("history", ()))
    if history:
        found["Info"] = "\n".join([str(found.get("Info", "")).strip(), *history]).strip()
    return found


def _escaped(unit: str) -> str:
    """Return a unit with characters beyond ASCII as ImageJ writes them."""
    return "".join(c if c.isascii() else f"\\u{ord(c):04X}" for c in unit)


def _ascii(text: str) -> str:
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")
