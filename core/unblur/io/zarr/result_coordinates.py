"""Coordinates of a result in OME-Zarr, with the coordinate systems that its input states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unblur.io.zarr.coordinates import LINKS, Coordinates, Entry, name_of, path_of
from unblur.model.image import Image
from unblur.model.units import long_name, symbol

_TYPE = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}


def level_transformations(
    image: Image, coordinates: Coordinates | None, factors: Sequence[int], path: str
) -> list[dict[str, Any]]:
    """Return the transformations of a level, whose pixels lie at the centre of those averaged.

    Parameters
    ----------
    image : Image
        Full-size image, with its pixel size and its place in the image of the file.
    coordinates : Coordinates, optional
        Those of the file, along the axes of `image`, if it was an OME-Zarr.
    factors : sequence of int
        Size of the level's pixels over the full size, along the axes of `image`.
    path : str
        Name of the level's array.
    """
    count = len(image.axes)
    moved = [image.origin.get(a, 0) + (f - 1) / 2 for a, f in zip(image.axes, factors, strict=True)]
    if coordinates is not None and coordinates.steps:
        scale, shift = [float(f) for f in factors], moved
    else:
        ratio = (1.0,) * count if coordinates is None else coordinates.ratio
        first = (0.0,) * count if coordinates is None else coordinates.translation
        sizes = [
            float(image.pixel_size.get(a, 1.0) / r) for a, r in zip(image.axes, ratio, strict=True)
        ]
        scale = [s * f for s, f in zip(sizes, factors, strict=True)]
        shift = [t + s * m for t, s, m in zip(first, sizes, moved, strict=True)]
    steps: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if any(shift):
        steps.append({"type": "translation", "translation": shift})
    if coordinates is None or not coordinates.intrinsic:
        return steps
    for step in coordinates.steps:
        inner = step.get("transformations", ()) if step.get("type") == "sequence" else (step,)
        steps += [{k: v for k, v in s.items() if k not in (*LINKS, "name")} for s in inner]
    links: dict[str, Any] = {"input": {"path": path}, "output": {"name": coordinates.intrinsic}}
    if coordinates.links_are_names:
        links = {"input": path, "output": coordinates.intrinsic}
    if len(steps) == 1:
        return [{**steps[0], **links}]
    return [{"type": "sequence", "transformations": steps, **links}]


def systems_of_result(
    multiscale: Entry, image: Image, coordinates: Coordinates, *, is_reordered: bool
) -> dict[str, Any]:
    """Return coordinate systems and transformations between them, as the input has them.

    Systems of other axes orders than the image's are left out, and transformations to labels,
    which a result does not have.

    Parameters
    ----------
    multiscale : mapping
        Metadata of the input.
    image : Image
        The result, whose units the intrinsic system gets.
    coordinates : Coordinates
        Coordinates of the input, along the axes of `image`.
    is_reordered : bool
        Whether the stored axes of the input had another order than the image's.
    """
    systems = []
    for system in multiscale.get("coordinateSystems", ()):
        if str(system.get("name")) == coordinates.intrinsic:
            entries = _intrinsic_entries(system, image, coordinates, is_reordered)
            systems.append({**system, "axes": entries})
        elif not is_reordered:
            systems.append(system)
    names = {str(system.get("name")) for system in systems}
    further = [
        step
        for step in multiscale.get("coordinateTransformations") or ()
        if all(name_of(step.get(end)) in names and not path_of(step.get(end)) for end in LINKS)
    ]
    made: dict[str, Any] = {"coordinateSystems": systems}
    if further and not is_reordered:
        made["coordinateTransformations"] = further
    return made


def axis_entry(image: Image, axis: str) -> dict[str, Any]:
    """Return the description of an axis of an image: name, type and unit."""
    entry = {"name": axis.lower(), "type": _TYPE[axis]}
    if image.units.get(axis):
        entry["unit"] = long_name(image.units[axis])
    return entry


def _intrinsic_entries(
    system: Entry, image: Image, coordinates: Coordinates, is_reordered: bool
) -> list[dict[str, Any]]:
    stored = list(system.get("axes", ()))
    made = []
    for number, axis in enumerate(image.axes):
        entry = axis_entry(image, axis)
        is_other = coordinates.system != coordinates.intrinsic
        if not is_reordered and number < len(stored):
            old = dict(stored[number])
            unit = str(old.get("unit", ""))
            if is_other or symbol(unit) == symbol(str(entry.get("unit", ""))):
                entry.pop("unit", None)
            entry = {**old, **entry}
        made.append(entry)
    return made
