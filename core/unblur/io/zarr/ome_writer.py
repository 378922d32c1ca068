"""Writing of OME-Zarr 0.4, 0.5 and 0.6, at once or region by region, with the pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unblur.io.axes import COLOURS, WHITE
from unblur.io.files import explained, is_store, remove, suffix_of
from unblur.io.region_writers import ZarrRegions, check_same, store_dask
from unblur.io.zarr.arrays import OWN, TYPES, create_like, stored_chunk_shape
from unblur.io.zarr.coordinates import Coordinates
from unblur.io.zarr.ome_reader import display_colours, labels
from unblur.io.zarr.pyramids import fill_level, halving_steps, level_shapes
from unblur.io.zarr.result_coordinates import (
    axis_entry,
    level_transformations,
    systems_of_result,
)
from unblur.model.formats import Writer, require_dtype
from unblur.model.image import Image

_COLOUR = {"red": "FF0000", "green": "00FF00", "blue": "0000FF"}


class OmeZarrWriter(Writer):
    """Writes OME-Zarr with a pyramid, in the version of the input, else 0.5.

    The attributes of the input are preserved, including channels, rendering settings and the
    coordinate systems of version 0.6, and its chunks, shards and codecs are used. The pyramid has
    as many levels as the input's, each smaller by the same factors; where the input has none,
    each level halves the rows and columns of the finer one. Levels are means over boxes of pixels.
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
        self._steps = _steps(like)

    def finish(self) -> None:
        """Add the coarser levels and the attributes of a multiscale image."""
        import zarr

        group = zarr.open_group(self.folder, mode="r+")
        below = self.array
        shapes = level_shapes(self.shape, self._steps)[1:]
        for number, (shape, factors) in enumerate(zip(shapes, self._steps, strict=True), start=1):
            with explained(self.folder):
                level = _create_level(group, str(number), below, shape, self._axes)
                fill_level(below, level, factors)
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
        fill_value=0 if below.fill_value is None else below.fill_value,
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
    coordinates: Coordinates | None = stored.get("coordinates")
    multiscale["datasets"] = [
        {
            "path": str(n),
            "coordinateTransformations": level_transformations(image, coordinates, factors, str(n)),
        }
        for n, factors in enumerate(_factors(image))
    ]
    if coordinates is not None and coordinates.intrinsic:
        multiscale.pop("axes", None)
        multiscale.update(
            systems_of_result(
                stored["multiscale"], image, coordinates, is_reordered=stored["is_reordered"]
            )
        )
        ngff = str(ome.get("version", "0.6"))
    else:
        multiscale["axes"] = [axis_entry(image, a) for a in image.axes]
        ngff = "0.5" if modern else "0.4"
    multiscale["type"] = "mean"
    ome["multiscales"] = [multiscale]
    ome.pop("labels", None)
    ome.pop("bioformats2raw.layout", None)
    count = image.extent("C")
    lacks_names = image.channels and not labels({"ome": ome}, count)
    has_colours = len(image.metadata.get("colours", ())) == count
    if lacks_names or (has_colours and not display_colours({"ome": ome}, count)):
        ome["omero"] = {"channels": [_channel(image, number) for number in range(count)]}
    own: dict[str, Any] = {}
    if image.metadata.get("history"):
        own["history"] = list(image.metadata["history"])
    if image.metadata.get("optics"):
        own["optics"] = dict(image.metadata["optics"])
    if image.white:
        own["white"] = float(image.white)
    if modern:
        return {**attributes, "ome": {**ome, "version": ngff}, OWN: own}
    multiscale["version"] = ngff
    return {**ome, OWN: own}


def _steps(image: Image) -> list[tuple[int, ...]]:
    """Return the factors of each level over the finer one: the input's, else halves."""
    stored = image.metadata.get("ome-zarr", {}).get("steps")
    return halving_steps(image.shape) if stored is None else list(stored)


def _factors(image: Image) -> list[tuple[int, ...]]:
    """Return the factors of each level over the full size."""
    factors = [(1,) * len(image.axes)]
    for step in _steps(image):
        factors.append(tuple(f * s for f, s in zip(factors[-1], step, strict=True)))
    return factors


def _channel(image: Image, number: int) -> dict[str, Any]:
    label = {"label": image.channels[number]} if image.channels else {}
    stated, colour = image.metadata.get("colours", ()), WHITE
    if len(stated) == image.extent("C"):
        colour = stated[number]
    elif image.channels in COLOURS.values():
        colour = _COLOUR.get(image.channels[number], colour)
    window = {"min": 0.0, "max": image.white, "start": 0.0, "end": image.white}
    return {**label, "color": colour, "window": window, "active": True}
