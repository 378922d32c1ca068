"""ND2, the format of Nikon's NIS-Elements. Requires nd2, which the extra `bio` installs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

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
from unblur_formats.plane_array import PlaneArray

_POSITION = "P"


class Nd2Reader(Reader):
    """Reads the first position of an ND2 file, or `name.nd2[1]`, `name.nd2[name of position]`.

    Lengths are in micrometres, the interval of frames in seconds. White is that of the significant
    bits.
    """

    name = "nd2"
    suffixes = (".nd2",)
    has_parts = True

    def read(self, path: Path, *, axes: str | None = None, lazy: bool = False) -> Image:
        """Return the image; lazy ones read planes on demand."""
        file, part = split_part(path)
        nd2 = import_package("nd2", "bio", "ND2")
        with nd2.ND2File(file) as found:
            loops = {loop.type: loop for loop in found.experiment}
            names = _position_names(found, loops)
            number = choose_part(file, part, names)
            facts = _facts(found, loops, _absent_planes(found, file), file)
        plane = [n if a in "CYX" else 1 for a, n in zip(facts.axes, facts.shape, strict=True)]
        return assemble(
            path, facts, open_position, name=self.name, file=file, part=str(number), chunk=plane,
            given=axes, lazy=lazy, images=len(names),
        )  # fmt: skip


def open_position(path: Path, part: str) -> PlaneArray:
    """Return an array-like over the planes of position number `part`; it keeps the file open."""
    import nd2

    found = nd2.ND2File(path)
    position = int(part)
    axes, extents = _loop_axes(found, path)
    frames: dict[tuple[int, ...], int] = {}
    for frame, place in enumerate(found.loop_indices or ({},)):
        if place.get(_POSITION, 0) == position:
            frames[tuple(place.get(a, 0) for a in axes)] = frame
    plane_axes, plane = _plane(found, path)
    rows, columns = (plane[plane_axes.index(a)] for a in "YX")
    channels = int(found.attributes.channelCount or 1)

    def read(index: tuple[int, ...]) -> Any:
        values = np.asarray(found.read_frame(frames[index]))
        samples = values.reshape(channels, rows, columns, -1)
        return (samples if plane_axes == "YXC" else np.moveaxis(samples, -1, 1)).reshape(plane)

    return PlaneArray((*extents, *plane), np.dtype(found.dtype), read, len(plane), found.close)


def _loop_axes(found: Any, path: Path) -> tuple[str, tuple[int, ...]]:
    """Return the axes of time and depth that the file has, and their extents."""
    sizes: Mapping[str, int] = found.sizes
    unknown = [a for a in sizes if a not in "TZCYXS" + _POSITION]
    if unknown:
        raise ImageError(f"{path} has an axis '{unknown[0]}' of unknown meaning.")
    axes = "".join(a for a in sizes if a in "TZ")
    return axes, tuple(int(sizes[a]) for a in axes)


def _plane(found: Any, path: Path) -> tuple[str, tuple[int, ...]]:
    """Return the axes and extents of a frame: channels before, colours after rows and columns."""
    attributes = found.attributes
    plane = (int(attributes.heightPx), int(attributes.widthPx))
    channels = int(attributes.channelCount or 1)
    components = int(attributes.componentCount)
    if channels > 1 and components != channels:
        raise ImageError(f"{path} holds colour images in {channels} channels; export them singly.")
    if components == 3 and channels == 1:
        return "YXC", (*plane, 3)
    return ("YX", plane) if components == 1 else ("CYX", (components, *plane))


def _facts(found: Any, loops: Mapping[str, Any], notes: tuple[str, ...], path: Path) -> FileFacts:
    loop_axes, extents = _loop_axes(found, path)
    plane_axes, plane = _plane(found, path)
    channels = list(found.metadata.channels or ())
    sizes: dict[str, float] = {}
    if channels:
        volume = channels[0].volume
        sizes = {
            axis: float(size)
            for axis, size, known in zip(
                "XYZ", volume.axesCalibration, volume.axesCalibrated, strict=True
            )
            if known
        }
    if "TimeLoop" in loops:
        period = loops["TimeLoop"].parameters
        sizes["T"] = float(period.periodMs or period.periodDiff.avg) / 1000
    bits = int(found.attributes.bitsPerComponentSignificant)
    dtype = np.dtype(found.dtype)
    narrow = dtype.kind == "u" and 0 < bits < 8 * dtype.itemsize
    colours = plane_axes == "YXC"
    return FileFacts(
        (*extents, *plane),
        dtype,
        loop_axes + plane_axes,
        sizes,
        {"T": "s", "Z": "µm", "Y": "µm", "X": "µm"},
        ("red", "green", "blue") if colours else tuple(c.channel.name for c in channels),
        float(2**bits - 1) if narrow else 0.0,
        _optics(channels, colours),
        notes,
    )


def _optics(channels: list[Any], colours: bool) -> dict[str, Any]:
    if not channels:
        return {}
    microscope = channels[0].microscope
    optics: dict[str, Any] = {
        "na": microscope.objectiveNumericalAperture,
        "refractive_index": microscope.immersionRefractiveIndex,
        "magnification": microscope.objectiveMagnification,
        "objective": microscope.objectiveName,
    }
    stated = [
        {
            "excitation_nm": c.channel.excitationLambdaNm,
            "emission_nm": c.channel.emissionLambdaNm,
            "pinhole_um": c.microscope.pinholeDiameterUm,
        }
        for c in channels
    ]
    lengths = tuple({k: float(v) for k, v in facts.items() if v} for facts in stated)
    if any(lengths) and not colours:
        optics["channels"] = lengths
    return {key: value for key, value in optics.items() if value}


def _position_names(found: Any, loops: Mapping[str, Any]) -> list[str]:
    """Return the names of the positions of the stage, "" where they have none."""
    count = int(found.sizes.get(_POSITION, 1))
    points = loops["XYPosLoop"].parameters.points if "XYPosLoop" in loops else ()
    return [str(points[n].name or "") if n < len(points) else "" for n in range(count)]


def _absent_planes(found: Any, path: Path) -> tuple[str, ...]:
    """Return a note on the planes that the file does not hold, which nd2 reads as 0."""
    offsets = getattr(getattr(found, "_rdr", None), "_frame_offsets", None)
    if not isinstance(offsets, Mapping):
        return ()
    count = len(found.loop_indices or ({},))
    size = path.stat().st_size
    plane = int(found.attributes.heightPx) * int(found.attributes.widthBytes or 0)
    packed = found.attributes.compressionType is not None
    whole = sum(n in offsets and (packed or int(offsets[n]) + plane <= size) for n in range(count))
    if whole == count:
        return ()
    return (f"{path} lacks {count - whole} of its {count} planes, which are read as 0.",)
