"""OIB and OIF, the formats of Olympus FluoView. Requires oiffile, which the extra `bio` installs.

Each plane is a TIFF beside text files of settings: in a folder beside an OIF, inside of an OIB.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ImageError
from unblur.model.formats import Reader
from unblur.model.image import Image
from unblur.model.units import convert, symbol
from unblur_formats.assembly import FileFacts, assemble, import_package
from unblur_formats.microscopes.compound_file import check_compound_file
from unblur_formats.plane_array import PlaneArray

_LOOPS = "TCZ"
_NO_APERTURE = 9999.0
"""Numerical aperture that stands for an unknown one, dimensionless."""


class OibReader(Reader):
    """Reads an OIB file, or an OIF file with its folder `name.oif.files`.

    Lengths are given in micrometres, the interval of frames in seconds. White is that of the valid
    bits.
    """

    name = "oib"
    suffixes = (".oib", ".oif")

    def read(self, path: Path, *, axes: str | None = None, lazy: bool = False) -> Image:
        """Return the image; lazy ones read planes on demand."""
        oiffile = import_package("oiffile", "bio", "OIB and OIF")
        with _open_oif(path) as oif:
            planes = list_planes(oif, path)
            facts = _facts(oif, oiffile, planes, path)
        chunk = [n if a in "YX" else 1 for a, n in zip(facts.axes, facts.shape, strict=True)]
        return assemble(
            path, facts, open_planes, name=self.name, file=path, chunk=chunk, given=axes, lazy=lazy
        )


def open_planes(path: Path, part: str) -> PlaneArray:
    """Return an array-like over the planes; it keeps an OIB file open."""
    oif = _open_oif(path)
    planes = list_planes(oif, path)
    axes, indices = _loops(planes)
    first = _read_plane(oif, path, next(iter(planes.values())))
    shape = (*(len(indices[a]) for a in axes), *first.shape)

    def read(index: tuple[int, ...]) -> Any:
        place = dict(zip(axes, index, strict=True))
        key = tuple(indices[a][place.get(a, 0)] for a in _LOOPS)
        return _read_plane(oif, path, planes[key]) if key in planes else np.zeros_like(first)

    return PlaneArray(shape, first.dtype, read, close=oif.close)


def _open_oif(path: Path) -> Any:
    """Open a file with oiffile, which does not end where the sectors of an OIB file do not."""
    import oiffile

    if path.suffix.lower() != ".oif":
        check_compound_file(path)
    return oiffile.OifFile(path)


def list_planes(oif: Any, path: Path) -> dict[tuple[int, ...], str]:
    """Return the file of each plane by its numbers along T, C and Z, which begin with 1.

    Names are such as `s_C001Z002T003.tif`. Bands of wavelength (L) are channels where there is one
    channel only.
    """
    found: dict[str, dict[str, int]] = {}
    for file in _files(oif, path):
        name = re.split(r"[\\/]", str(file))[-1]
        match = re.fullmatch(r"s_((?:[A-Z]\d+)+)\.tif", name)
        if match is not None:
            found[str(file)] = {a: int(n) for a, n in re.findall(r"([A-Z])(\d+)", match[1])}
    if not found:
        raise ImageError(f"{path} holds no plane of an image; its folder may be missing.")
    letters = {a for numbers in found.values() for a in numbers}
    varying = {a for a in letters if len({n.get(a, 1) for n in found.values()}) > 1}
    if "L" in varying and "C" not in varying:
        found = {f: {**n, "C": n["L"]} for f, n in found.items()}
        varying = varying - {"L"} | {"C"}
    unknown = sorted(varying - set(_LOOPS))
    if unknown:
        raise ImageError(f"{path} has images along an axis '{unknown[0]}', which is not read.")
    return {tuple(n.get(a, 1) for a in _LOOPS): file for file, n in found.items()}


def _files(oif: Any, path: Path) -> list[str]:
    """Return the files of an image; oiffile does not find them in a folder such as `run [1]`."""
    if path.suffix.lower() != ".oif":
        return [str(file) for file in oif.filesystem.files()]
    folder = path.with_name(f"{path.name}.files")
    return sorted(f"{folder.name}/{file.name}" for file in folder.iterdir())


def _open_file(oif: Any, path: Path, file: str) -> BinaryIO:
    """Return an open file of an image."""
    if path.suffix.lower() == ".oif":
        return (path.parent / file).open("rb")
    found: BinaryIO = oif.open_file(file)
    return found


def _read_plane(oif: Any, path: Path, file: str) -> NDArray[Any]:
    """Return the values of a plane (rows, columns)."""
    import tifffile

    with _open_file(oif, path, file) as stream:
        return np.asarray(tifffile.imread(stream))


def _loops(planes: Mapping[tuple[int, ...], str]) -> tuple[str, dict[str, list[int]]]:
    """Return the axes of more than one plane, and the numbers along each axis."""
    indices = {a: sorted({key[n] for key in planes}) for n, a in enumerate(_LOOPS)}
    return "".join(a for a in _LOOPS if len(indices[a]) > 1), indices


def _facts(oif: Any, oiffile: Any, planes: Mapping[tuple[int, ...], str], path: Path) -> FileFacts:
    settings = oif.mainfile
    axes, indices = _loops(planes)
    first = _read_plane(oif, path, next(iter(planes.values())))
    if first.ndim != 2:
        raise ImageError(f"{path}: its planes have {first.ndim} axes, which is not supported.")
    shape = (*(len(indices[a]) for a in axes), *first.shape)
    sizes = _sizes(settings)
    properties = [
        _properties(oif, oiffile, path, planes[key]) for key in (min(planes), max(planes))
    ]
    interval = _interval(settings, properties, len(indices["T"]))
    if interval:
        sizes["T"] = interval
    bits = _number(_section(settings, "Reference Image Parameter").get("ValidBitCounts"))
    narrow = first.dtype.kind == "u" and 0 < bits < 8 * first.dtype.itemsize
    tables = [_section(settings, f"Channel {number} Parameters") for number in indices["C"]]
    absent = int(np.prod([len(n) for n in indices.values()])) - len(planes)
    notes = f"{path} lacks {absent} of its planes, which are read as 0."
    return FileFacts(
        shape,
        first.dtype,
        axes + "YX",
        sizes,
        {"T": "s", "Z": "µm", "Y": "µm", "X": "µm"},
        _channel_names(tables),
        float(2**bits - 1) if narrow else 0.0,
        _optics(tables, _section(properties[0], "Acquisition Parameters Common")),
        (notes,) if absent else (),
    )


def _sizes(settings: Mapping[str, Any]) -> dict[str, float]:
    """Return the lengths of a pixel and of a step in depth, in µm."""
    plane = _section(settings, "Reference Image Parameter")
    stated = {
        "X": (_number(plane.get("WidthConvertValue")), plane.get("WidthUnit")),
        "Y": (_number(plane.get("HeightConvertValue")), plane.get("HeightUnit")),
    }
    depth = _axis(settings, "Z")[1]
    stated["Z"] = (abs(_number(depth.get("Interval"))), depth.get("PixUnit"))
    sizes = {}
    for axis, (size, unit) in stated.items():
        length = convert(size, symbol(str(unit)), "µm") if unit else None
        if length:
            sizes[axis] = length
    return sizes


def _interval(settings: Mapping[str, Any], properties: list[Any], count: int) -> float | None:
    """Return the time between frames in s, by the settings of the first and the last plane."""
    number, common = _axis(settings, "T")
    if count < 2 or number is None:
        return None
    tables = [_section(table, f"Axis {number} Parameters") for table in properties]
    if all("AbsPositionValue" in table for table in tables):
        first, last = (_number(table["AbsPositionValue"]) for table in tables)
        if last > first:
            return (last - first) / (count - 1) / 1000
    return convert(_number(common.get("Interval")), symbol(str(common.get("PixUnit"))), "s")


def _axis(settings: Mapping[str, Any], code: str) -> tuple[int | None, Mapping[str, Any]]:
    """Return number and settings of an axis."""
    for number in range(9):
        table = _section(settings, f"Axis {number} Parameters Common")
        if table.get("AxisCode") == code:
            return number, table
    return None, {}


def _properties(oif: Any, oiffile: Any, path: Path, file: str) -> Mapping[str, Any]:
    """Return the settings of a plane, empty where its file has none."""
    name = file.removesuffix(".tif") + ".pty"
    with suppress(FileNotFoundError, ValueError):
        found: Mapping[str, Any] = oiffile.SettingsFile(_open_file(oif, path, name), name)
        return found
    return {}


def _channel_names(tables: list[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the names of the dyes, or those of the channels where the dyes are not all named."""
    for key in ("DyeName", "CH Name"):
        names = tuple(str(table.get(key, "")) for table in tables)
        if all(names) and "None" not in names and len(set(names)) == len(names):
            return names
    return ()


def _optics(tables: list[Mapping[str, Any]], acquisition: Mapping[str, Any]) -> dict[str, Any]:
    aperture = _number(acquisition.get("ObjectiveLens NAValue"))
    optics: dict[str, Any] = {
        "na": aperture if aperture < _NO_APERTURE else None,
        "magnification": _number(acquisition.get("Magnification")),
        "objective": " ".join(str(acquisition.get("ObjectiveLens Name", "")).split()),
    }
    pinhole = _number(acquisition.get("PinholeDiameter")) / 1000
    channels = []
    for table in tables:
        stated = {
            "excitation_nm": _number(table.get("ExcitationWavelength")),
            "emission_nm": _number(table.get("EmissionWavelength")),
            "pinhole_um": pinhole,
        }
        channels.append({key: float(value) for key, value in stated.items() if value > 0})
    if any(channels):
        optics["channels"] = tuple(channels)
    return {key: value for key, value in optics.items() if value}


def _section(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = settings.get(name)
    return found if isinstance(found, Mapping) else {}


def _number(value: Any) -> float | int:
    """Return a number, 0 for none. Some versions write `0,207.0` for 0.207."""
    if isinstance(value, str):
        match = re.fullmatch(r"(-?\d+),(\d+)(?:\.0)?", value.strip())
        value = float(f"{match[1]}.{match[2]}") if match else 0
    return value if isinstance(value, int | float) and np.isfinite(value) else 0
