"""CZI, the format of Zeiss ZEN. Requires czifile, which the extra `bio` installs.

The planes are put together here from the tiles (subblocks) of a scene, so that they are read lazily
by every version of czifile; those for Python 3.11 lack Zstandard, which is decoded here, too.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

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
from unblur_formats.microscopes.zeiss_metadata import (
    scene_names,
    stated_bits,
    stated_channels,
    stated_optics,
    stated_sizes,
)
from unblur_formats.plane_array import PlaneArray
from unblur_formats.xml_text import parse_xml

# czifile logs what it finds unusual; what matters raises errors below.
logging.getLogger("czifile").addHandler(logging.NullHandler())

_LOOPS = "TCZ"
_ZSTD, _ZSTD_WITH_HEADER = 5, 6


@dataclass(frozen=True)
class CziTile:
    """One tile of a plane.

    Parameters
    ----------
    entry : object
        The entry of czifile's directory.
    start, extent : mapping of str to int
        First index and extent along each dimension of the file, without samples.
    stored : tuple of int
        Extents of rows and columns as they are stored, smaller in a pyramid.
    dtype : dtype
        Type of the values.
    samples : int
        Number of colour samples, 1 for grey.
    """

    entry: Any
    start: Mapping[str, int]
    extent: Mapping[str, int]
    stored: tuple[int, int]
    dtype: np.dtype[Any]
    samples: int

    @classmethod
    def of(cls, entry: Any) -> CziTile:
        """Return the tile of an entry of any version of czifile."""
        if hasattr(entry, "dimension_entries"):
            found = {d.dimension: d for d in entry.dimension_entries}
            start = {n: int(d.start) for n, d in found.items()}
            extent = {n: int(d.size) for n, d in found.items()}
            stored = (int(found["Y"].stored_size), int(found["X"].stored_size))
            kind = np.dtype(entry.dtype)
            samples = kind.shape[0] if kind.shape else 1
            return cls(entry, start, extent, stored, kind.base, samples)
        names = entry.dims[:-1]  # without the samples, which newer versions call S
        start = dict(zip(names, (int(n) for n in entry.start), strict=False))
        extent = dict(zip(names, (int(n) for n in entry.shape), strict=False))
        start |= {"S": max(int(entry.scene_index), 0), "M": max(int(entry.mosaic_index), 0)}
        plane = dict(zip(names, (int(n) for n in entry.stored_shape), strict=False))
        kind, samples = np.dtype(entry.dtype), int(entry.pixel_type.samples)
        return cls(entry, start, extent, (plane["Y"], plane["X"]), kind, samples)

    @property
    def is_reduced(self) -> bool:
        """Whether the tile is of a level of the pyramid."""
        whole = self.stored == (self.extent["Y"], self.extent["X"])
        return not whole or int(self.entry.pyramid_type) > 0

    def pixels(self, czi: Any) -> NDArray[Any]:
        """Return the values (rows, columns, samples)."""
        shape = (*self.stored, self.samples)
        if hasattr(self.entry, "read_segment_data"):
            return np.asarray(self.entry.read_segment_data(czi).data()).reshape(shape)
        segment = self.entry.data_segment()
        if self.entry.compression not in (_ZSTD, _ZSTD_WITH_HEADER):
            return np.asarray(segment.data(resize=False)).reshape(shape)
        size = int(np.prod(shape)) * self.dtype.itemsize
        packed = self.entry.compression == _ZSTD_WITH_HEADER
        data = _decode_zstd(segment.data(raw=True), packed, size)
        values = np.frombuffer(data, self.dtype).reshape(shape)
        return values[..., [2, 1, 0, 3][: self.samples]] if self.samples > 1 else values


def _decode_zstd(data: bytes, has_header: bool, size: int) -> bytes:
    """Return the bytes of a tile; a header may state that high and low bytes are stored apart."""
    import imagecodecs

    start, apart = 0, False
    if has_header:
        start = data[0]
        apart = start >= 3 and data[1] == 1 and bool(data[2] & 1)
    plain = bytes(imagecodecs.zstd_decode(data[start:], out=size))
    if len(plain) != size:
        raise ValueError("a tile has another size than stated")
    return np.frombuffer(plain, np.uint8).reshape(2, -1).T.tobytes() if apart else plain


class CziReader(Reader):
    """Reads the first scene of a CZI file, or `name.czi[1]`, `name.czi[name of scene]`.

    The tiles of a mosaic are put together, later ones on top; pixels without a tile are 0. Lengths
    are given in micrometres, which the file states in metres.
    """

    name = "czi"
    suffixes = (".czi",)
    has_parts = True

    def read(self, path: Path, *, axes: str | None = None, lazy: bool = False) -> Image:
        """Return the image; lazy ones read planes on demand."""
        file, part = split_part(path)
        czifile = import_package("czifile", "bio", "CZI")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with czifile.CziFile(file) as czi:
                tiles = read_tiles(czi, file)
                root = parse_xml(czi.metadata() or "<ImageDocument/>", str(file))
        scenes = sorted({tile.start.get("S", 0) for tile in tiles})
        names = scene_names(root)
        number = choose_part(file, part, [names.get(scene, "") for scene in scenes])
        chosen = [tile for tile in tiles if tile.start.get("S", 0) == scenes[number]]
        facts = _facts(chosen, root)
        chunk = [n if a in "YX" or (facts.axes.endswith("XC") and a == "C") else 1
                 for a, n in zip(facts.axes, facts.shape, strict=True)]  # fmt: skip
        return assemble(
            path, facts, open_scene, name=self.name, file=file, part=str(scenes[number]),
            chunk=chunk, given=axes, lazy=lazy, images=len(scenes),
        )  # fmt: skip


def read_tiles(czi: Any, path: Path) -> list[CziTile]:
    """Return the tiles at full resolution, in the order in which they are put together."""
    tiles = [CziTile.of(entry) for entry in czi.subblock_directory]
    full = [tile for tile in tiles if not tile.is_reduced]
    if not full:
        raise ImageError(f"{path} holds no image at full resolution.")
    if any(int(tile.entry.file_part) for tile in full):
        raise ImageError(f"{path} is one of several files of an image; save it as one file.")
    for name in sorted({n for tile in full for n in tile.start} - {*"YXMS", *_LOOPS}):
        if len({tile.start.get(name, 0) for tile in full}) > 1:
            raise ImageError(
                f"{path} has images along the axis '{name}' (a phase, angle, block or view), which "
                "are not supported; process them in ZEN and save the result."
            )
    return sorted(full, key=lambda tile: tile.start.get("M", 0))


def _layout(tiles: list[CziTile]) -> tuple[str, dict[str, list[int]], tuple[int, int], Any]:
    """Return axes, their indices in the file, the first row and column, and the type."""
    if len({tile.samples for tile in tiles}) > 1:
        raise ValueError("grey and colour tiles in one scene")
    if any(tile.extent.get(a, 1) > 1 for tile in tiles for a in _LOOPS):
        raise ValueError("a tile of several planes")
    indices = {a: sorted({tile.start.get(a, 0) for tile in tiles}) for a in _LOOPS}
    for axis, start in (("Y", 0), ("X", 0)):
        start = min(tile.start[axis] for tile in tiles)
        stop = max(tile.start[axis] + tile.extent[axis] for tile in tiles)
        indices[axis] = [start, stop]
    axes = "".join(a for a in _LOOPS if len(indices[a]) > 1) + "YX"
    origin = (indices["Y"][0], indices["X"][0])
    return axes, indices, origin, np.result_type(*{tile.dtype for tile in tiles})


def _shape(axes: str, indices: Mapping[str, list[int]], samples: int) -> tuple[int, ...]:
    extents = [indices[a][1] - indices[a][0] if a in "YX" else len(indices[a]) for a in axes]
    return (*extents, *((samples,) if samples > 1 else ()))


def open_scene(path: Path, part: str) -> PlaneArray:
    """Return an array-like over the planes of the scene with that index; it keeps the file open."""
    import czifile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        czi = czifile.CziFile(path)
        tiles = [t for t in read_tiles(czi, path) if t.start.get("S", 0) == int(part)]
    axes, indices, origin, dtype = _layout(tiles)
    samples = tiles[0].samples
    shape = _shape(axes, indices, samples)
    ndim = 3 if samples > 1 else 2
    planes: dict[tuple[int, ...], list[CziTile]] = {}
    for tile in tiles:
        index = tuple(indices[a].index(tile.start.get(a, 0)) for a in axes[:-2])
        planes.setdefault(index, []).append(tile)

    def read(index: tuple[int, ...]) -> NDArray[Any]:
        plane = np.zeros((*shape[len(axes) - 2 : len(axes)], samples), dtype)
        for tile in planes.get(index, ()):
            top, left = tile.start["Y"] - origin[0], tile.start["X"] - origin[1]
            values = tile.pixels(czi)
            plane[top : top + values.shape[0], left : left + values.shape[1]] = values
        return plane if samples > 1 else plane[..., 0]

    return PlaneArray(shape, np.dtype(dtype), read, ndim, czi.close)


def _facts(tiles: list[CziTile], root: ET.Element) -> FileFacts:
    axes, indices, _, dtype = _layout(tiles)
    samples = tiles[0].samples
    if samples > 1 and "C" in axes:
        raise ValueError("colour images in several channels")
    channels = stated_channels(root, indices["C"])
    bits = stated_bits(root)
    narrow = dtype.kind == "u" and 0 < bits < 8 * dtype.itemsize
    colours = ("red", "green", "blue", "alpha")[:samples]
    return FileFacts(
        _shape(axes, indices, samples),
        np.dtype(dtype),
        axes + ("C" if samples > 1 else ""),
        stated_sizes(root),
        {"T": "s", "Z": "µm", "Y": "µm", "X": "µm"},
        colours if samples > 1 else tuple(c.get("Name") or "" for c in channels),
        float(2**bits - 1) if narrow else 0.0,
        stated_optics(root, [] if samples > 1 else channels),
    )
