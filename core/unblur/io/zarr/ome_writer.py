"""Writing of OME-Zarr 0.4 and 0.5, at once or region by region, with the pyramid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unblur.io.axes import COLOURS
from unblur.io.files import explained, is_store, remove, suffix_of
from unblur.io.region_writers import ZarrRegions, check_same, store_dask
from unblur.io.zarr.arrays import OWN, TYPES, create_like, stored_chunk_shape
from unblur.io.zarr.ome_reader import labels
from unblur.io.zarr.pyramids import fill_level, level_shapes
from unblur.model.formats import Writer, require_dtype
from unblur.model.image import Image
from unblur.model.units import long_name

_TYPE = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}
_COLOUR = {"red": "FF0000", "green": "00FF00", "blue": "0000FF"}


class OmeZarrWriter(Writer):
    """Writes OME-Zarr with a pyramid: version 0.4 where the input was 0.4, else 0.5.

    The attributes of the input are preserved, including channels and rendering settings, and its
    chunks, shards and codecs are used. Each level halves the rows and columns of the finer one by
    means over 2x2 pixels.
    """

    name = "ome-zarr"
    suffixes = (".zarr",)

    def can_write(self, path: Path, image: Image) -> bool:
        """Return whether the name ends in .ome.zarr, or in .zarr but for plain zarr arrays."""
        suffix = suffix_of(path)
        return suffix == ".ome.zarr" or (
            suffix == ".zarr" and image.metadata.get("format") != "zarr"
        )

    def check(self, image: Image) -> None:
        """Raise `OutputError` for a dtype that zarr does not support."""
        require_dtype(image, TYPES, "OME-Zarr", "convert it first")

    def write(self, image: Image, path: Path) -> None:
        """Write the image and its pyramid; a dask array is written chunk by chunk."""
        regions = self.regions(image, path, chunks=None, resume=False)
        if image.is_lazy:
            store_dask(image.data, regions.array)
        else:
            regions.array[...] = image.data
        regions.finish()

    def regions(
        self, like: Image, path: Path, *, chunks: Sequence[int] | None, resume: bool
    ) -> OmeZarrRegions:
        """Return the full-size level, to be filled in any order; `finish` adds the others."""
        import zarr

        stored = like.metadata.get("ome-zarr", {})
        resumed = resume and is_store(path / "0")
        if resumed:
            array = zarr.open_group(path, mode="r+")["0"]
            check_same(array, like.shape, like.dtype, chunks or stored_chunk_shape(like), path)
        else:
            remove(path)
            with explained(path):
                version: Any = int(stored.get("version", 3))
                group = zarr.create_group(path, zarr_format=version)
                array = create_like(group, like, like.axes, stored, name="0", chunks=chunks)
        return OmeZarrRegions(array, path, like, resumed=resumed)


class OmeZarrRegions(ZarrRegions):
    """Regions written into the full-size level of an OME-Zarr image."""

    def __init__(self, array: Any, folder: Path, like: Image, *, resumed: bool = False) -> None:
        super().__init__(array, folder, resumed=resumed)
        self._axes = like.axes
        self._attributes = group_attributes(like)

    def finish(self) -> None:
        """Add the coarser levels and the attributes of a multiscale image."""
        import zarr

        group = zarr.open_group(self.folder, mode="r+")
        below = self.array
        for number, shape in enumerate(level_shapes(self.shape)[1:], start=1):
            with explained(self.folder):
                level = _create_level(group, str(number), below, shape, self._axes)
                fill_level(below, level)
            below = level
        with explained(self.folder):
            group.update_attributes(self._attributes)


def _create_level(group: Any, name: str, below: Any, shape: Sequence[int], axes: str) -> Any:
    if name in group:
        del group[name]
    whole = below.shards is not None and all(
        n >= s or n == b for n, s, b in zip(shape, below.shards, below.shape, strict=True)
    )
    version = below.metadata.zarr_format
    return group.create_array(
        name,
        shape=tuple(shape),
        dtype=below.dtype,
        chunks=below.chunks,
        shards=below.shards if whole else None,
        compressors=below.compressors,
        fill_value=0,
        dimension_names=[a.lower() for a in axes] if version == 3 else None,
        chunk_key_encoding={"name": "v2", "separator": "/"} if version == 2 else None,
    )


def group_attributes(image: Image) -> dict[str, Any]:
    """Return the input's group attributes with the axes, levels and scales of the result."""
    stored = image.metadata.get("ome-zarr", {})
    attributes = dict(stored.get("attributes", {}))
    modern = int(stored.get("version", 3)) == 3
    ome = dict(attributes.pop("ome", {})) if modern else attributes
    multiscale = {
        key: value
        for key, value in stored.get("multiscale", {"name": Path(image.source).stem}).items()
        if key not in ("coordinateTransformations", "version")
    }
    multiscale["axes"] = [_axis(image, a) for a in image.axes]
    multiscale["datasets"] = [
        {"path": str(n), "coordinateTransformations": _level_transform(image, n, stored)}
        for n in range(len(level_shapes(image.shape)))
    ]
    multiscale["type"] = "mean"
    ome["multiscales"] = [multiscale]
    ome.pop("labels", None)
    ome.pop("bioformats2raw.layout", None)
    if image.channels and not labels({"ome": ome}, len(image.channels)):
        ome["omero"] = {"channels": [_channel(image, name) for name in image.channels]}
    own: dict[str, Any] = {}
    if image.metadata.get("history"):
        own["history"] = list(image.metadata["history"])
    if image.white:
        own["white"] = float(image.white)
    if modern:
        return {**attributes, "ome": {**ome, "version": "0.5"}, OWN: own}
    multiscale["version"] = "0.4"
    return {**ome, OWN: own}


def _axis(image: Image, axis: str) -> dict[str, str]:
    entry = {"name": axis.lower(), "type": _TYPE[axis]}
    if image.units.get(axis):
        entry["unit"] = long_name(image.units[axis])
    return entry


def _level_transform(image: Image, level: int, stored: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return scale and translation of a level, whose pixels lie at the centre of those averaged."""
    factor = 2**level
    scale = [float(image.pixel_size.get(a, 1.0)) * (factor if a in "YX" else 1) for a in image.axes]
    origin = stored.get("translation", {})
    first = {a: image.origin.get(a, 0) + (factor - 1) / 2 for a in "YX"}
    shift = [
        float(origin.get(a, 0.0)) + float(image.pixel_size.get(a, 1.0)) * first.get(a, 0)
        for a in image.axes
    ]
    steps: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if any(shift):
        steps.append({"type": "translation", "translation": shift})
    return steps


def _channel(image: Image, name: str) -> dict[str, Any]:
    colour = _COLOUR.get(name, "FFFFFF") if image.channels in COLOURS.values() else "FFFFFF"
    window = {"min": 0.0, "max": image.white, "start": 0.0, "end": image.white}
    return {"label": name, "color": colour, "window": window, "active": True}
