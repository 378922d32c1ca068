"""Writing of TIFF, at once or tile by tile, in the dialect of the input."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unblur.io.region_writers import staged
from unblur.io.tiff.ome_xml import TYPES
from unblur.io.tiff.pages import IMAGEJ_LIMIT, TiffLayout, kept_facts, page_options, tile_of
from unblur.io.tiff.reader import SUFFIXES
from unblur.model.formats import Writer, require_dtype
from unblur.model.image import Image

_TYPES = (
    *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("float16", "float32", "float64"),
)


class TiffWriter(Writer):
    """Writes OME-TIFF, ImageJ or plain TIFF, according to the input or the name.

    Pixels are never rescaled. Lossless compression and tiles of the input are preserved. A dask
    array is written in tiles, computed one row of chunks at a time, and as BigTIFF if necessary.
    """

    name = "tiff"
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES

    def __init__(self, imagej_limit: float = IMAGEJ_LIMIT) -> None:
        self.imagej_limit = imagej_limit

    def check(self, image: Image) -> None:
        """Raise `OutputError` for a dtype that TIFF does not support."""
        require_dtype(image, _TYPES, "TIFF", "write .zarr or .npy instead")

    def write(self, image: Image, path: Path) -> None:
        """Write the image; see the class."""
        import tifffile

        layout = TiffLayout.of(image, path, self.imagej_limit)
        streamed = image.is_lazy and image.dtype.kind != "b" and layout.flavour != "imagej"
        options = page_options(image, layout)
        with (
            staged(image, path, layout.band_axes) if streamed else nullcontext(image) as source,
            tifffile.TiffWriter(
                path, bigtiff=layout.big, imagej=layout.flavour == "imagej", ome=False
            ) as tif,
        ):
            data = source.data.transpose([image.axes.index(a) for a in layout.axes])
            if streamed:
                tile = tile_of(image)
                options.update(shape=data.shape, dtype=image.dtype, tile=tile)
                tif.write(iterate_tiles(data, layout, tile), **options)
            else:
                if kept_facts(image).get("tile") is not None and image.dtype.kind != "b":
                    options["tile"] = tile_of(image)
                tif.write(np.ascontiguousarray(data), **options)


class OmeTiffWriter(TiffWriter):
    """Writes OME-TIFF: a TIFF with the axes, sizes and channels in XML."""

    name = "ome-tiff"
    suffixes = (".ome.tif", ".ome.tiff", ".ome.btf")

    def check(self, image: Image) -> None:
        """Raise `OutputError` for a dtype that the OME schema does not define."""
        require_dtype(image, tuple(TYPES), "OME-TIFF", "write .tif or .ome.zarr instead")


def iterate_tiles(data: Any, layout: TiffLayout, tile: tuple[int, int]) -> Iterator[NDArray[Any]]:
    """Yield the tiles of all pages in file order, each at most `tile` in extent.

    `data` is a dask array with axes in the order of `layout`. Every chunk is computed once,
    and at most one row of chunks and one row of tiles is in memory.
    """
    contig = layout.samples == "contig"
    planes = data.shape[: data.ndim - (3 if contig else 2)]
    for index in product(*(range(n) for n in planes)):
        for band in bands(data[index], tile[0]):
            for left in range(0, band.shape[1], tile[1]):
                yield np.ascontiguousarray(band[:, left : left + tile[1]])


def bands(plane: Any, height: int) -> Iterator[NDArray[Any]]:
    """Yield a plane (H, W) or (H, W, C) in bands of `height` rows, computing each chunk once."""
    pending: list[NDArray[Any]] = []  # rows of earlier chunks, fewer than a band
    stop = 0
    for rows in plane.chunks[0]:
        start, stop = stop, stop + rows
        block = np.asarray(plane[start:stop])
        first = height - sum(len(part) for part in pending)
        if pending and len(block) >= first:
            yield np.concatenate([*pending, block[:first]])
            pending, block = [], block[first:]
        whole = len(block) - len(block) % height if not pending else 0
        for top in range(0, whole, height):
            yield block[top : top + height]
        if whole < len(block):
            pending.append(block[whole:].copy())
    if pending:
        yield np.concatenate(pending)
