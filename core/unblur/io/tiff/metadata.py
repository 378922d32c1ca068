"""Metadata from the tags of a TIFF: pixel sizes, units, colour samples, bit depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unblur.io.axes import COLOURS
from unblur.io.kernel_facts import noted_pixel_size
from unblur.io.tiff.ome_xml import OmeFacts, read_facts, read_history
from unblur.model.units import symbol

_DESCRIPTIVE = (269, 271, 272, 285, 305, 306, 315, 316, 700, 33432, 33723, 34377)
_GEOGRAPHIC = (33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113)
KEPT_TAGS = frozenset((*_DESCRIPTIVE, *_GEOGRAPHIC))
"""Codes of tags that describe the image and not its storage; they are preserved."""

LOSSLESS = frozenset((1, 5, 8, 32773, 32946, 34925, 50000))
"""Codes of lossless compressions: none, LZW, deflate, PackBits, LZMA, zstd."""

SCREEN_DPI = (72.0, 96.0)
"""Default resolutions of programs, which do not define a pixel size, in dots per inch."""

MAX_SAMPLE_VALUE = 281
"""Code of the tag MaxSampleValue."""

ORIENTATION = 274
_NODATA = 42113
ALPHA_CODES = (1, 2)
"""Codes of the tag ExtraSamples that denote alpha."""
_RGB, _SEPARATED, _PALETTE, _CFA = 2, 5, 3, 32803
_COLOUR_SPACES = {
    6: "YCbCr",
    8: "CIELab",
    9: "ICCLab",
    10: "ITULab",
    32844: "LogL",
    32845: "LogLuv",
}
"""Names of colour spaces, by PhotometricInterpretation, whose samples are not light."""
_JPEG = frozenset((6, 7, 33007, 34892))
"""Compressions whose decoder returns RGB for YCbCr."""


@dataclass(frozen=True)
class TiffFacts:
    """Metadata of a series; the TIFF writer restores the entries of `kept`."""

    pixel_size: Mapping[str, float]
    units: Mapping[str, str]
    channels: tuple[str, ...]
    white: float
    icc: bytes | None
    orientation: int
    nodata: float | None
    history: tuple[str, ...]
    optics: Mapping[str, Any]
    colours: tuple[str, ...]
    kept: Mapping[str, Any] = field(repr=False)


def read_tags(tif: Any, series: Any, number: int) -> TiffFacts:
    """Return the metadata of one series of an open `tifffile.TiffFile`."""
    page = series.keyframe
    ome_xml = tif.ome_metadata if tif.is_ome else None
    ome = read_facts(ome_xml, number) if ome_xml else OmeFacts({}, {}, (), None)
    imagej = dict(tif.imagej_metadata or {}) if tif.is_imagej else None
    shaped = dict((tif.shaped_metadata or ({},))[0]) if series.kind == "shaped" else {}
    sizes, units = _plane_size(page, imagej)
    _stack_sizes(sizes, units, imagej or shaped)
    kernel_sizes, kernel_units = noted_pixel_size(page.description)
    sizes.update(kernel_sizes)
    units.update(kernel_units)
    sizes.update(ome.pixel_size)
    units.update(ome.units)
    bits = ome.significant_bits or page.bitspersample
    history = read_history(ome_xml) if ome_xml else tuple(shaped.get("history", ()))
    icc = page.tags.valueof(34675)
    kept = {
        "flavour": "ome" if ome_xml else "imagej" if imagej is not None else "plain",
        "big": bool(tif.is_bigtiff),
        "ome": ome_xml,
        "number": number,
        "imagej": imagej,
        "description": "" if shaped or ome_xml or imagej is not None else page.description,
        "compression": int(page.compression),
        "predictor": int(page.predictor),
        "tile": (page.tilelength, page.tilewidth) if page.is_tiled else None,
        "rowsperstrip": int(page.rowsperstrip or 0),
        "samples": _sample_layout(page),
        "photometric": int(page.photometric),
        "extrasamples": tuple(int(e) for e in page.extrasamples),
        "resolution": _resolution(page),
        "sizes": dict(sizes),
        "tags": [
            (t.code, int(t.dtype), t.count, t.value) for t in page.tags if t.code in KEPT_TAGS
        ],
    }
    return TiffFacts(
        sizes,
        units,
        sample_names(page) or ome.channels or tuple(shaped.get("channels", ())),
        _white(page, series.dtype, bits),
        bytes(icc) if icc is not None else None,
        int(page.tags.valueof(ORIENTATION) or 1),
        _nodata(page, np.dtype(series.dtype)),
        history,
        ome.optics,
        ome.colours,
        kept,
    )


def sample_names(page: Any) -> tuple[str, ...]:
    """Return the names of the samples of a colour page; empty for a single grey sample."""
    extra = tuple(int(e) for e in page.extrasamples)
    return names_of_samples(int(page.samplesperpixel), extra, int(page.photometric))


def names_of_samples(count: int, extra: Sequence[int], photometric: int) -> tuple[str, ...]:
    """Return the names that tags imply for the samples of a page; empty for a single one.

    Parameters
    ----------
    count : int
        Number of samples.
    extra : sequence of int
        Value of ExtraSamples.
    photometric : int
        Value of PhotometricInterpretation.
    """
    plain = count - len(extra)
    if count == 1 or plain < 1:
        return ()
    if photometric == _SEPARATED and plain == 4:
        base: tuple[str, ...] = ("cyan", "magenta", "yellow", "black")
    elif plain == 3:
        base = COLOURS[3]
    else:
        base = ("grey",) if plain == 1 else ()
    if len(base) != plain:
        return ()
    names = list(base)
    for code in extra:
        alpha = code in ALPHA_CODES and "alpha" not in names
        names.append("alpha" if alpha else f"extra {len(names) - plain + 1}")
    return tuple(names)


def is_signed(imagej: Mapping[str, Any] | None) -> bool:
    """Return whether ImageJ's calibration says that 16-bit values are signed ones plus 32768."""
    found = imagej or {}
    return (found.get("cf"), found.get("c0"), found.get("c1")) == (0, -32768, 1)


def colour_space(page: Any) -> str | None:
    """Return the name of a colour space in which sums of samples are not sums of light."""
    code = int(page.photometric)
    if code == 6 and int(page.compression) in _JPEG:
        return None
    return _COLOUR_SPACES.get(code)


def _nodata(page: Any, dtype: np.dtype[Any]) -> float | None:
    """Return the value of pixels without data by the tag of GDAL, in the type of the image."""
    text = page.tags.valueof(_NODATA)
    try:
        value = float(str(text).strip("\0 "))
    except ValueError:
        return None
    if not np.isfinite(value):
        return None  # NaN marks such pixels by itself
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return value if value.is_integer() and info.min <= value <= info.max else None
    return float(dtype.type(value)) if dtype.kind == "f" else None


def is_mosaic(page: Any) -> bool:
    """Return whether the page is the raw Bayer mosaic of a camera."""
    return int(page.photometric) == _CFA


def colour_table(page: Any, is_imagej: bool) -> Any:
    """Return the (2**bits, 3) palette of a colour image, or `None` for intensities.

    A palette whose brightness increases monotonically with the index is a display table for
    intensities and is ignored; any other palette defines the colours of the image.
    """
    if int(page.photometric) != _PALETTE or page.colormap is None or is_imagej:
        return None
    table = np.asarray(page.colormap).T
    brightness = table.astype(float) @ (0.299, 0.587, 0.114)
    if (np.diff(brightness) >= 0).all():
        return None
    return (table // 257).astype(np.uint8) if (table % 257 == 0).all() else table


def _sample_layout(page: Any) -> str | None:
    if page.samplesperpixel == 1:
        return None
    return "contig" if int(page.planarconfig) == 1 else "separate"


def _white(page: Any, dtype: Any, bits: Any) -> float:
    """Return the white value of the bit depth, 0 if it is that of the dtype."""
    kind = np.dtype(dtype)
    if kind.kind != "u":
        return 0.0
    full = kind.itemsize * 8
    if isinstance(bits, int) and 0 < bits < full:
        return float(2**bits - 1)
    stated = page.tags.valueof(MAX_SAMPLE_VALUE)
    if isinstance(stated, int) and 255 <= stated < 2**full - 1 and (stated + 1).bit_count() == 1:
        return float(stated)
    return 0.0


def _resolution(page: Any) -> tuple[tuple[int, int], tuple[int, int], int] | None:
    x, y = page.tags.valueof(282), page.tags.valueof(283)
    if not (_is_ratio(x) and _is_ratio(y)):
        return None
    unit = page.tags.valueof(296)  # 1, without a unit, is false as an enumeration of tifffile
    return (int(x[0]), int(x[1])), (int(y[0]), int(y[1])), 2 if unit is None else int(unit)


def _is_ratio(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(int(v) > 0 for v in value)


def _plane_size(
    page: Any, imagej: Mapping[str, Any] | None
) -> tuple[dict[str, float], dict[str, str]]:
    found = _resolution(page)
    if found is None:
        return {}, {}
    (xn, xd), (yn, yd), code = found
    unit = {2: "inch", 3: "cm"}.get(code, "")
    width, height = xd / xn, yd / yn
    if width == height == 1 and imagej is None:
        return {}, {}  # the default without a size
    if imagej is not None:
        unit = imagej_unit(imagej, "X")
        return (
            ({"Y": height, "X": width}, {"Y": imagej_unit(imagej, "Y"), "X": unit})
            if unit
            else ({}, {})
        )
    if unit == "inch":
        if round(xn / xd, 3) in SCREEN_DPI:
            return {}, {}
        unit, width, height = "µm", width * 25400, height * 25400
    elif unit == "cm":
        unit, width, height = "µm", width * 1e4, height * 1e4
    else:
        return {}, {}
    return {"Y": height, "X": width}, {"Y": unit, "X": unit}


def imagej_unit(found: Mapping[str, Any], axis: str) -> str:
    """Return the unit of an axis by ImageJ's keys, "" where it states none.

    `unit` serves all axes that have no `yunit` or `zunit` of their own; time is in `tunit`,
    or in seconds.
    """
    key, default = {"Y": ("yunit", "unit"), "Z": ("zunit", "unit"), "T": ("tunit", "")}.get(
        axis, ("unit", "unit")
    )
    unit = symbol(str(found.get(key) or found.get(default) or ("s" if axis == "T" else "")))
    return "" if unit in ("pixel", "pixels") else unit


def _stack_sizes(sizes: dict[str, float], units: dict[str, str], found: Mapping[str, Any]) -> None:
    """Add Z and T from ImageJ's `spacing`, `finterval` and `fps`, or from such keys of our own.

    ImageJ takes the amount of a negative spacing, whose sign is the direction of the scan.
    """
    rate = _number(found.get("fps"))
    interval = _number(found.get("finterval")) or (1 / rate if rate else None)
    spacing = _number(found.get("spacing"))
    for axis, value in (("Z", spacing), ("T", interval)):
        unit = imagej_unit(found, axis)
        if value and unit:
            sizes[axis], units[axis] = abs(value), unit


def _number(value: Any) -> float | None:
    """Return a finite number other than 0, or None."""
    good = isinstance(value, int | float) and np.isfinite(value) and value != 0
    return float(value) if good else None
