"""OME-Zarr 0.4, 0.5 and the draft of 0.6: multiscale images in zarr groups of versions 2 and 3.

The layout is defined by https://ngff.openmicroscopy.org: a group whose attributes name axes,
units and the scale of each level of a pyramid, and an array for each level. Chunks that are not
stored hold the fill value; a note counts them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from unblur.errors import ImageError, shorten
from unblur.io.axes import WHITE, canonical, check_given, reordered
from unblur.io.files import is_store
from unblur.io.zarr.absent_chunks import describe_absent_chunks, stated_nodata
from unblur.io.zarr.arrays import (
    OWN,
    chunk_metadata,
    letters,
    read_array,
    read_values,
    storage,
)
from unblur.io.zarr.coordinates import read_coordinates
from unblur.io.zarr.pyramids import steps_between
from unblur.model.formats import Reader
from unblur.model.image import Image, positive_sizes
from unblur.model.units import symbol


class ZarrReader(Reader):
    """Reads OME-Zarr images at full resolution, and plain zarr arrays.

    For a group with several images (a plate, a set of series) the path continues inside the
    store, e.g. `plate.zarr/A/1/0`.
    """

    name = "zarr"
    suffixes = (".zarr",)

    def can_read(self, path: Path) -> bool:
        """Return whether `path` is a folder that holds a zarr array or group."""
        return path.is_dir() and is_store(path)

    def read(self, path: Path, *, axes: str | None = None, lazy: bool = False) -> Image:
        """Return the image; lazy images read chunks on demand."""
        import zarr

        found = zarr.open(path, mode="r")
        if isinstance(found, zarr.Array):
            return read_array(path, found, axes, lazy)
        attributes: dict[str, Any] = dict(found.attrs)
        ome: Any = attributes.get("ome", attributes)
        multiscales = ome.get("multiscales")
        if multiscales:
            return _read_multiscale(path, found, multiscales[0], attributes, axes, lazy)
        name, notes = _only_member(path, found, ome)
        image = self.read(path / name, axes=axes, lazy=lazy)
        found_notes = (*notes, *image.metadata.get("notes", ()))
        return replace(image, metadata={**image.metadata, "notes": found_notes})


def _only_member(path: Path, group: Any, ome: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return the name of the image in a group, and a note if it is the first of several."""
    if "plate" in ome or "well" in ome:
        raise ImageError(
            f"{path} is a {'plate' if 'plate' in ome else 'well'} of many images; give the path "
            f"of one field, e.g. '{path}/{'A/1/0' if 'plate' in ome else '0'}'."
        )
    names = sorted(str(name) for name, _ in group.members() if name not in ("OME", "labels"))
    if "bioformats2raw.layout" in ome and "0" in names:
        if len(names) == 1:
            return "0", ()
        return "0", (
            f"{path} holds {len(names)} images, of which this is the first; the next is "
            f"'{path}/{names[1]}'.",
        )
    if len(names) == 1:
        return names[0], ()
    if not names:
        raise ImageError(f"{path} is a zarr group without any array in it.")
    raise ImageError(
        f"{path} holds several arrays; give the path of one, e.g. "
        + " or ".join(f"'{path}/{name}'" for name in names[:3])
        + "."
    )


def _read_multiscale(
    path: Path,
    group: Any,
    multiscale: Mapping[str, Any],
    attributes: dict[str, Any],
    given: str | None,
    lazy: bool,
) -> Image:
    source = str(path)
    dataset = multiscale["datasets"][0]
    part = _member_path(dataset["path"], source)
    array = group[part]
    if 0 in array.shape:
        raise ImageError(f"{source}: the image is empty (shape {tuple(array.shape)}).")
    from unblur.io.zarr.checked_store import check_array

    check_array(array, path / part)
    coordinates = read_coordinates(multiscale, dataset, array.ndim, group, source)
    entries = coordinates.entries
    stated = letters([entry["name"] for entry in entries])
    if given is not None:
        names = check_given(given, array.shape, source)
    elif stated is None or len(stated) != array.ndim:
        listed = ", ".join(shorten(str(entry["name"])) for entry in entries)
        raise ImageError(
            f"{source}: the axes {listed} of {array.ndim}-dimensional data are not all "
            "known; name them with --axes, letters of TCZYX."
        )
    else:
        names = stated
    data, order = canonical(read_values(path, part, array, names, lazy), names)
    units = {
        a: symbol(str(e["unit"])) for a, e in zip(names, entries, strict=False) if e.get("unit")
    }
    scale = positive_sizes(dict(zip(names, coordinates.scale, strict=True)))
    sizes = {a: s for a, s in scale.items() if a != "C" and (s != 1 or a in units)}
    coordinates = coordinates.reordered(names, order)
    own = attributes.get(OWN, {})
    metadata: dict[str, Any] = {
        "format": "ome-zarr",
        **chunk_metadata(array, names, order),
        "ome-zarr": {
            **storage(array),
            "attributes": attributes,
            "multiscale": dict(multiscale),
            "coordinates": coordinates,
            "is_reordered": names != order,
            "steps": _steps(group, multiscale, names, order),
        },
        "notes": (
            *coordinates.notes,
            *describe_absent_chunks(path / part, array),
            *_omitted_labels(path, group),
        ),
    }
    if own.get("history"):
        metadata["history"] = tuple(own["history"])
    count = data.shape[order.index("C")] if "C" in order else 1
    colours = display_colours(attributes, count)
    if colours:
        metadata["colours"] = colours
    if own.get("optics"):
        metadata["optics"] = own["optics"]
    return Image(
        data,
        order,
        sizes,
        {a: u for a, u in units.items() if a in sizes},
        float(own.get("white", 0.0)),
        labels(attributes, count),
        metadata,
        source,
        nodata=stated_nodata(dict(array.attrs), array.dtype),
    )


def _member_path(stated: Any, source: str) -> str:
    """Return the path of a level within the group, or raise `ImageError` if it leads outside."""
    parts = str(stated).replace("\\", "/").strip("/").split("/")
    if ".." in parts or "." in parts or str(stated).startswith("/"):
        raise ImageError(f"{source}: its metadata state a level outside of the store ({stated!r}).")
    return "/".join(part for part in parts if part)


def _steps(group: Any, multiscale: Mapping[str, Any], names: str, order: str) -> Any:
    """Return the factors between the levels that the store has, along `order`."""
    shapes = [
        reordered(group[str(level["path"])].shape, names, order)
        for level in multiscale["datasets"]
        if str(level["path"]) in group and group[str(level["path"])].ndim == len(names)
    ]
    return steps_between(shapes, order)


def _omitted_labels(path: Path, group: Any) -> tuple[str, ...]:
    if "labels" not in group:
        return ()
    return (f"the label images of {path} are not copied to the result.",)


def labels(attributes: Mapping[str, Any], count: int) -> tuple[str, ...]:
    """Return the channel labels of a group, or none unless there are `count` distinct ones."""
    ome = attributes.get("ome", attributes)
    channels = ome.get("omero", {}).get("channels", ())
    names = tuple(str(c.get("label", "")) for c in channels)
    return names if len(names) == count and all(names) and len(set(names)) == count else ()


def display_colours(attributes: Mapping[str, Any], count: int) -> tuple[str, ...]:
    """Return the display colour of each channel of a group, "RRGGBB"; empty unless each has one.

    White is what writers put where they know none; the colours are empty if all are white.
    """
    ome = attributes.get("ome", attributes)
    channels = ome.get("omero", {}).get("channels", ())
    colours = tuple(str(c.get("color", "")).upper() for c in channels)
    are_stated = all(re.fullmatch("[0-9A-F]{6}", colour) for colour in colours)
    return colours if len(colours) == count and are_stated and set(colours) != {WHITE} else ()
