"""Plain zarr arrays of versions 2 and 3, read and written chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from unblur.errors import ImageError
from unblur.io.axes import canonical, check_given, guess_axes, in_file_order, reordered
from unblur.io.files import explained, is_store, remove
from unblur.io.lazy_pixels import StoredPixels, check_fits_memory
from unblur.io.region_writers import ZarrRegions, check_same, default_chunks, store_dask
from unblur.io.size_limits import check_expansion, stored_bytes
from unblur.io.zarr.absent_chunks import check_chunk_count, describe_absent_chunks, stated_nodata
from unblur.model.formats import RegionWriter, Writer, require_dtype
from unblur.model.image import Image, positive_sizes

OWN = "unblur"
"""Key of the attributes of unblur, for metadata that the format does not define."""

TYPES = (
    *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("float16", "float32", "float64"),
)

_AXIS_WORDS = {
    "T": ("t", "time"),
    "C": ("c", "ch", "channel", "channels", "band", "wavelength"),
    "Z": ("z", "depth", "plane"),
    "Y": ("y", "row", "rows", "height", "lat"),
    "X": ("x", "col", "column", "columns", "width", "lon"),
}
_LETTER = {word: letter for letter, words in _AXIS_WORDS.items() for word in words}


def letters(names: Sequence[str | None]) -> str | None:
    """Return axis letters for the names of dimensions, or `None` if one is unknown."""
    found = [_LETTER.get(str(name).lower()) for name in names]
    known = [letter for letter in found if letter]
    if len(known) < len(found) or len(set(known)) < len(known) or not {"Y", "X"} <= set(known):
        return None
    return "".join(known)


def open_pixels(path: Path, part: str) -> Any:
    """Return the zarr array at `path`, or its member `part`, open for reading."""
    from unblur.io.zarr.checked_store import open_checked
    from unblur.io.zarr.piecewise import PiecewiseArray, has_many_chunks

    array = open_checked(path / part if part else path)
    return PiecewiseArray(array) if has_many_chunks(array) else array


def read_values(path: Path, part: str, array: Any, names: str, lazy: bool) -> Any:
    """Return the values of a zarr array: a numpy array, or a dask array over its chunks.

    Values that are stored in another byte order come in that of this machine.
    """
    dtype = np.dtype(array.dtype).newbyteorder("=")
    folder = path / part
    chunk = prod(array.chunks) * dtype.itemsize
    check_expansion(chunk, lambda: stored_bytes(folder), folder, "chunks")
    if lazy:
        stored = StoredPixels(open_pixels, path, part, tuple(array.shape), dtype)
        return stored.to_dask(array.chunks, [names.index(a) for a in "YX"])
    check_fits_memory(array.shape, dtype, path)
    whole = prod(array.shape) * dtype.itemsize
    check_expansion(whole, lambda: stored_bytes(folder), folder)
    check_chunk_count(folder, array)
    return np.asarray(open_pixels(path, part)[...], dtype)


def storage(array: Any) -> dict[str, Any]:
    """Return the zarr version, codecs and fill value of an array, as input of `create_like`."""
    version = array.metadata.zarr_format
    codecs = [c.to_dict() if version == 3 else c.get_config() for c in array.compressors]
    return {"version": version, "compressors": codecs, "fill_value": array.fill_value}


def chunk_metadata(array: Any, names: str, axes: str) -> dict[str, Any]:
    """Return the chunks and shards of an array in the order of `axes`, as image metadata."""
    found = {"chunks": reordered(array.chunks, names, axes)}
    if array.shards:
        found["shards"] = reordered(array.shards, names, axes)
    return found


def read_array(path: Path, array: Any, axes: str | None, lazy: bool) -> Image:
    """Return the image in a plain zarr array.

    Chunks that are not stored hold the fill value, as zarr defines; a note counts them.
    """
    source = str(path)
    attributes = dict(array.attrs)
    extra = attributes.get(OWN, {})
    extra = extra if isinstance(extra, Mapping) else {}
    if axes is not None:
        names = check_given(axes, array.shape, source)
    else:
        dimensions = getattr(array.metadata, "dimension_names", None)
        stated = letters(dimensions or attributes.get("_ARRAY_DIMENSIONS") or ())
        named = stated is not None and len(stated) == array.ndim
        names = stated if named and stated else guess_axes(array.shape, source)
    if 0 in array.shape:
        raise ImageError(f"{source}: the image is empty (shape {tuple(array.shape)}).")
    from unblur.io.zarr.checked_store import check_array

    check_array(array, path)
    data, order = canonical(read_values(path, "", array, names, lazy), names)
    extra = extra if extra.get("axes") == order else {}
    metadata: dict[str, Any] = {
        "format": "zarr",
        "file_axes": names,
        **chunk_metadata(array, names, order),
        "notes": describe_absent_chunks(path, array),
        "zarr": {**storage(array), "attributes": attributes},
    }
    if extra.get("history"):
        metadata["history"] = tuple(extra["history"])
    return Image(
        data,
        order,
        positive_sizes({a: s for a, s in extra.get("pixel_size", {}).items() if a in order}),
        {a: str(u) for a, u in extra.get("units", {}).items() if a in order},
        float(extra.get("white", 0.0)),
        tuple(extra.get("channels", ())),
        metadata,
        source,
        nodata=stated_nodata(attributes, np.dtype(array.dtype)),
    )


def create_like(
    target: Any,
    image: Image,
    axes: str,
    stored: Mapping[str, Any],
    *,
    name: str | None = None,
    chunks: Sequence[int] | None = None,
) -> Any:
    """Create a zarr array for an image, with the chunks, shards and codecs of its input.

    Parameters
    ----------
    target : Path or zarr.Group
        Path of a single array, or the group that gets the member `name`.
    image : Image
        Image with the shape and dtype, and with chunks and shards if it has any.
    axes : str
        Axis order of the array.
    stored : mapping
        Result of `storage`, or {"version": 2 or 3}.
    chunks : sequence of int, optional
        Chunk shape along `axes` instead of the image's, without shards.
    """
    import zarr

    version: Any = int(stored.get("version", 3))
    extent = reordered(image.shape, image.axes, axes)
    pieces = reordered(_chunks(image), image.axes, axes) if chunks is None else tuple(chunks)
    options: dict[str, Any] = {"chunks": pieces, "shape": extent, "dtype": image.dtype}
    options["fill_value"] = _fill_value(stored.get("fill_value"), image.dtype)
    shards = image.metadata.get("shards") if chunks is None else None
    if shards is not None and version == 3:
        options["shards"] = reordered(shards, image.axes, axes)
    codecs = stored.get("compressors")
    if codecs is not None:
        options["compressors"] = [dict(codec) for codec in codecs] or None
    if version == 3:
        options["dimension_names"] = [a.lower() for a in axes]
    else:
        options["chunk_key_encoding"] = {"name": "v2", "separator": "/"}
    if name is None:
        return zarr.create_array(target, zarr_format=version, **options)
    return target.create_array(name, **options)


def _fill_value(stated: Any, dtype: np.dtype[Any]) -> Any:
    """Return the input's fill value, or 0 if the type of the result cannot hold it."""
    if stated is None:
        return 0
    with np.errstate(invalid="ignore"):
        held = np.asarray(stated).astype(dtype)
    return stated if np.array_equal(held, stated, equal_nan=dtype.kind == "f") else 0


def own_attributes(image: Image) -> dict[str, Any]:
    """Return the metadata that a plain array does not define, as JSON values."""
    found = {
        "axes": image.axes,
        "pixel_size": {a: float(s) for a, s in image.pixel_size.items()},
        "units": dict(image.units),
        "channels": list(image.channels),
        "white": float(image.white),
        "history": list(image.metadata.get("history", ())),
    }
    return {key: value for key, value in found.items() if value}


class ZarrWriter(Writer):
    """Writes a single zarr array, with the version, chunks, shards and codecs of its input."""

    name = "zarr"
    suffixes = (".zarr",)

    def check(self, image: Image) -> None:
        """Raise `OutputError` for a dtype that zarr does not support."""
        require_dtype(image, TYPES, "zarr", "convert it first")

    def write(self, image: Image, path: Path) -> None:
        """Write the image; a dask array is written chunk by chunk."""
        data, axes = in_file_order(image.data, image.axes, image.metadata.get("file_axes"))
        array = self._create(image, axes, path, None)
        if image.is_lazy:
            store_dask(data, array)
        else:
            array[...] = data

    def regions(
        self, like: Image, path: Path, *, chunks: Sequence[int] | None, resume: bool
    ) -> RegionWriter:
        """Return the array, to be filled in any order."""
        import zarr

        axes = _stored_axes(like)
        resumed = resume and is_store(path)
        if resumed:
            array = zarr.open_array(path, mode="r+")
            chunk_shape = reordered(chunks or stored_chunk_shape(like), like.axes, axes)
            check_same(array, reordered(like.shape, like.axes, axes), like.dtype, chunk_shape, path)
        else:
            remove(path)
            pieces = None if chunks is None else reordered(chunks, like.axes, axes)
            array = self._create(like, axes, path, pieces)
        return ZarrRegions(array, path, [like.axes.index(a) for a in axes], resumed=resumed)

    def _create(self, image: Image, axes: str, path: Path, chunks: Sequence[int] | None) -> Any:
        stored = image.metadata.get("zarr", {})
        attributes = dict(stored.get("attributes", {}))
        attributes[OWN] = own_attributes(image)
        attributes["_ARRAY_DIMENSIONS"] = [a.lower() for a in axes]
        if stored.get("version", 3) == 3:
            del attributes["_ARRAY_DIMENSIONS"]
        with explained(path):
            array = create_like(path, image, axes, stored, chunks=chunks)
            array.update_attributes(attributes)
        return array


def stored_chunk_shape(image: Image) -> tuple[int, ...]:
    """Return the shape of what `create_like` stores as one object: a shard or a chunk."""
    shards = image.metadata.get("shards")
    stored = image.metadata.get("zarr", {})
    use = shards is not None and stored.get("version", 3) == 3
    return tuple(shards) if use and shards is not None else _chunks(image)


def _chunks(image: Image) -> tuple[int, ...]:
    chunks = image.metadata.get("chunks")
    if chunks is not None and len(chunks) == len(image.shape):
        return tuple(int(c) for c in chunks)
    return default_chunks(image.shape)


def _stored_axes(image: Image) -> str:
    file_axes = image.metadata.get("file_axes")
    return str(file_axes) if file_axes and sorted(file_axes) == sorted(image.axes) else image.axes
