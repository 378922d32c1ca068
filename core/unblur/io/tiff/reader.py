"""Reading of TIFF: plain, BigTIFF, OME-TIFF, ImageJ hyperstacks, pyramids, strips or tiles."""

from __future__ import annotations

import logging
import operator
import struct
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from unblur.errors import ImageError
from unblur.io.axes import canonical, check_given, named_axes, reordered
from unblur.io.files import split_part
from unblur.io.kernel_facts import is_kernel_volume
from unblur.io.lazy_pixels import (
    Lazy,
    MappedFile,
    StoredPixels,
    check_fits_memory,
    is_read_lazily,
)
from unblur.io.size_limits import check_expansion
from unblur.io.tiff.metadata import colour_space, colour_table, is_mosaic, is_signed, read_tags
from unblur.io.tiff.ome_files import check_files_of_set, image_parts, open_tiff
from unblur.io.tiff.tag_checks import check_layout, describe_absent_segments
from unblur.model.formats import Reader, describe_images, describe_others
from unblur.model.image import Image

# tifffile logs defects of files; those that matter raise errors below.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

SUFFIXES = (".tif", ".tiff", ".btf", ".tf2", ".tf8")


class TiffReader(Reader):
    """Reads the first series of a TIFF, or series n of `name.tif[n]`; of a pyramid, the base.

    Colour samples become axis C. Palettes become colours, unless they are a display table for
    intensities. An axis of pages without a name is Z, or C if its length is 1, 3 or 4.
    """

    name = "tiff"
    suffixes = SUFFIXES
    has_parts = True

    def read(self, path: Path, *, axes: str | None = None, lazy: Lazy = False) -> Image:
        """Return the image; lazy ones read strips or tiles as needed."""
        file, part = split_part(path)
        with open_tiff(file) as tif:
            check_chain(tif, file)
            series, number = _series(tif, part, file)
            _check_series(series, file)
            check_layout(series.keyframe, file)
            check_files_of_set(tif, series, number, file)
            parts = image_parts(tif) if part is None else [number]
            notes = describe_absent_segments(series.keyframe, file)
            facts = read_tags(tif, series, number)
            names = _file_axes(series, axes, str(path))
            table = colour_table(series.keyframe, tif.is_imagej)
            native = _native_chunk(series)
            dtype = np.dtype(series.dtype).newbyteorder("=")
            is_lazy = is_read_lazily(lazy, series.shape, dtype)
            at_once = prod(native if is_lazy else series.shape) * dtype.itemsize
            check_expansion(at_once, lambda: _set_bytes(series), file)
            if is_lazy:
                stored = StoredPixels(open_series, file, str(number), series.shape, dtype)
                data = stored.to_dask(native, [names.index(a) for a in "YX"])
            else:
                check_fits_memory(series.shape, np.dtype(series.dtype), file)
                check_segments(series, tif.filehandle.size, file)
                data = np.asarray(series.asarray())
                data = data.astype(data.dtype.newbyteorder("="), copy=False)
        image = _image(path, data, names, facts, table, native)
        metadata = {**image.metadata, **_describe_parts(file, parts, number, notes)}
        return replace(image, metadata=metadata)


def _describe_parts(
    file: Path, parts: Sequence[int], number: int, notes: Sequence[str]
) -> dict[str, Any]:
    """Return the entries on images beside that of series `number`, which is the first."""
    if list(parts) == list(range(len(parts))):
        return describe_images(file, len(parts), notes)
    others = [part for part in parts if part != number]
    following = str(others[0]) if others else ""
    return {"notes": (*describe_others(file, len(others) + 1, following), *notes)}


def _image(path: Path, data: Any, names: str, facts: Any, table: Any, native: Any) -> Image:
    channels, kept = facts.channels, dict(facts.kept)
    if table is not None:
        if "C" in names:
            raise ImageError(f"{path}: a palette with several samples is not supported.")
        data, names = _apply_palette(data, table), names + "C"
        native = (*native, 3)
        channels = ("red", "green", "blue")
        kept.update(samples="contig", photometric=2, extrasamples=(), sizes=facts.pixel_size)
    if data.dtype == np.uint16 and is_signed(kept["imagej"]):
        data = _map(data, _as_signed, np.int16)
    data, axes = canonical(data, names)
    metadata: dict[str, Any] = {"format": "tiff", "file_axes": names, "tiff": kept}
    if kept["tile"] is not None:
        metadata["chunks"] = reordered(native, names, axes)
    if facts.icc is not None:
        metadata["icc"] = facts.icc
    if facts.orientation != 1:
        metadata["orientation"] = facts.orientation
    if facts.optics:
        metadata["optics"] = facts.optics
    if facts.colours:
        metadata["colours"] = facts.colours
    if facts.history:
        metadata["history"] = facts.history
    count = data.shape[axes.index("C")] if "C" in axes else 1
    return Image(
        data,
        axes,
        {a: s for a, s in facts.pixel_size.items() if a in axes},
        {a: u for a, u in facts.units.items() if a in axes},
        facts.white if data.dtype.kind == "u" and table is None else 0.0,
        channels if len(channels) == count else (),
        metadata,
        str(path),
        nodata=facts.nodata if table is None else None,
    )


def open_series(path: Path, part: str) -> Any:
    """Return an array-like that reads the pixels of series `part` when it is indexed."""
    import zarr

    tif = open_tiff(path)
    series = tif.series[int(part)]
    if series.dataoffset is not None:
        tif.close()
        dtype = np.dtype(series.dtype).newbyteorder(tif.byteorder)
        return MappedFile(path, dtype, series.dataoffset, tuple(series.shape))
    check_segments(series, tif.filehandle.size, path)
    store = series.aszarr(level=0)
    return zarr.open_array(store, mode="r")


def check_chain(tif: Any, path: Path) -> None:
    """Raise `ImageError` if the list of pages ends prematurely, as in a truncated file.

    Many readers return the pages before the break as if they were all.
    """
    count = len(tif.pages)
    last = tif.pages[count - 1]
    offset = getattr(last, "offset", None)
    if count == 0 or not offset:
        return
    layout = tif.tiff
    handle = tif.filehandle
    handle.seek(offset)
    head = handle.read(layout.tagnosize)
    entries = struct.unpack(layout.tagnoformat, head)[0]
    handle.seek(offset + layout.tagnosize + entries * layout.tagsize)
    following = handle.read(layout.offsetsize)
    if len(following) < layout.offsetsize or (
        struct.unpack(layout.offsetformat, following)[0] != 0 and not tif.is_lsm
    ):
        raise ImageError(
            f"{path} is cut short or damaged: its list of pages breaks off after {count}; copy "
            "the file again."
        )


def check_segments(series: Any, size: int, path: Path) -> None:
    """Raise `ImageError` if strips or tiles are not stated, or lie beyond the end of the file."""
    expected = check_layout(series.keyframe, path)
    if series.dataoffset is not None:
        last = series.dataoffset + int(np.prod(series.shape)) * np.dtype(series.dtype).itemsize
    else:
        last = 0
        for page in series.pages:
            if page is None:
                continue
            offsets, counts = page.dataoffsets, page.databytecounts
            if min(len(offsets), len(counts)) < expected:
                check_layout(page, path)
            last = max(last, *map(operator.add, offsets, counts))
    if last > size:
        raise ImageError(
            f"{path} is cut short: its pixels need {last} bytes, but the file has {size}; copy "
            "it again."
        )


def _set_bytes(series: Any) -> int:
    """Return the size of all files of a series, in bytes."""
    files = {page.parent.filehandle for page in series.pages if page is not None}
    return sum(int(file.size) for file in files)


def _series(tif: Any, part: str | None, path: Path) -> tuple[Any, int]:
    series = [s for s in tif.series if s.kind != "unknown"] or list(tif.series)
    if not series:
        raise ImageError(f"{path} holds no image.")
    if part is None:
        full = [s for s in series if not s.keyframe.is_reduced]
        if not full and series[0].keyframe.subifds:
            raise ImageError(
                f"{path}: its first page is a thumbnail, and the picture is within that page, as "
                "in raw files of cameras; develop it first, e.g. with darktable."
            )
        first = (full or series)[0]
        return first, tif.series.index(first)
    if not (part.isdecimal() and int(part) < len(tif.series)):
        raise ImageError(
            f"{path} has no series [{part}]; there are {len(tif.series)}, numbered from 0."
        )
    return tif.series[int(part)], int(part)


def _check_series(series: Any, path: Path) -> None:
    if is_mosaic(series.keyframe):
        raise ImageError(
            f"{path} holds the raw mosaic of a camera; develop it to colours first, e.g. with "
            "darktable."
        )
    space = colour_space(series.keyframe)
    if space is not None:
        raise ImageError(f"{path} holds {space} colours; convert it to RGB first.")
    if series.dtype is None or 0 in series.shape:
        raise ImageError(f"{path}: the image is empty (shape {tuple(series.shape)}).")


def _file_axes(series: Any, given: str | None, source: str) -> str:
    if given is not None:
        return check_given(given, series.shape, source)
    if len(series.shape) == 3 and is_kernel_volume(series.keyframe.description):
        return "ZYX"  # which an axis of 3 or 4 planes would else not be
    names = str(series.axes)
    if "S" in names:
        axis = names.find("C")
        if axis >= 0 and series.shape[axis] > 1:
            raise ImageError(
                f"{source}: colour pictures in several channels (axes {names}) are not "
                "supported; save each channel as a file of its own."
            )
        names = names.replace("C", "Q").replace("S", "C")
    return named_axes(names, series.shape, source)


def _native_chunk(series: Any) -> tuple[int, ...]:
    """Return the extents of one strip or tile, in the axes of the series."""
    page = series.keyframe
    if page.is_tiled:
        rows, columns = page.tilelength, page.tilewidth
    elif series.dataoffset is not None:
        rows, columns = 256, 256  # a contiguous array has no strips or tiles
    else:
        rows, columns = page.rowsperstrip or page.imagelength, page.imagewidth
    extent = {"Y": rows, "X": columns}
    if int(page.planarconfig) == 1:
        extent["S"] = page.samplesperpixel
    return tuple(min(extent.get(a, 1), n) for a, n in zip(series.axes, series.shape, strict=True))


def _apply_palette(data: Any, table: Any) -> Any:
    """Return the colours (..., 3) of palette indices, lazily for dask arrays."""
    if not hasattr(data, "dask"):
        return table[data]
    options = {"chunks": (*data.chunks, (3,)), "new_axis": data.ndim, "dtype": table.dtype}
    return data.map_blocks(_table_colours, table, **options)


def _map(data: Any, function: Any, dtype: Any) -> Any:
    return data.map_blocks(function, dtype=dtype) if hasattr(data, "dask") else function(data)


def _as_signed(block: Any) -> Any:
    """Return 16-bit values from ones that have 32768 added."""
    return (block ^ np.uint16(0x8000)).view(np.int16)


def _table_colours(block: Any, table: Any) -> Any:
    return table[block]
