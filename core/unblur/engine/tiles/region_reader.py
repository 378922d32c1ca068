"""Reading of an image by regions, piece by piece where a part of it cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.accel.chunk_cache import cached
from unblur.accel.memory import is_out_of_memory
from unblur.engine.tiles.tiling import Box
from unblur.errors import describe_exception
from unblur.model.image import AXES, Image, sample_blocks

Array = NDArray[Any]
Flags = NDArray[np.bool_]


@dataclass(eq=False)
class RegionRead:
    """The readable values of a region of an image.

    Attributes
    ----------
    values : (T, C, Z, Y, X) array
        0 where nothing could be read.
    unreadable : (T, Z, Y, X) bool array, optional
        Pixels that could not be read; `None` if all could.
    failures : list of (region, str)
        Regions that could not be read, with bounds along TCZYX, and the cause.
    """

    values: Array
    unreadable: Flags | None = None
    failures: list[tuple[Box, str]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class RegionReader:
    """Reads an image by regions of TCZYX, from any thread or process.

    Parameters
    ----------
    data : numpy or dask array
        The image's data.
    axes : str
        The image's axes.
    pieces : tuple of int
        Extents along `axes` of the parts that are stored, and damaged, as one: a chunk of the file.
    """

    data: Any
    axes: str
    pieces: tuple[int, ...]

    @classmethod
    def of(cls, image: Image) -> RegionReader:
        """Return the reader of `image`; its pieces are the file's chunks where it has any."""
        pieces = image.shape
        if image.is_lazy:
            stored = image.metadata.get("chunks", ())
            known = stored if len(stored) == len(image.shape) else image.data.chunksize
            pieces = tuple(int(n) for n in known)
        return cls(image.data, image.axes, pieces)

    def cached(self) -> RegionReader:
        """Return the reader for the tiles of one process, which reads each chunk once."""
        return replace(self, data=cached(self.data))

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent along TCZYX."""
        own = dict(zip(self.axes, self.data.shape, strict=True))
        return tuple(int(own.get(axis, 1)) for axis in AXES)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        dtype: np.dtype[Any] = np.dtype(self.data.dtype)
        return dtype

    def to_image_axes(self, region: Box) -> Box:
        """Return a region of TCZYX along the image's axes, with bounds."""
        whole = self.bounds(region)
        return tuple(whole[AXES.index(axis)] for axis in self.axes)

    def bounds(self, region: Box) -> Box:
        """Return a region of TCZYX whose slices have a start and a stop."""
        return tuple(
            slice(*part.indices(n)[:2]) for part, n in zip(region, self.shape, strict=True)
        )

    def fetch(self, region: Box) -> Array:
        """Return the values of a region of TCZYX, or raise the error of reading them."""
        part = self.data[self.to_image_axes(region)]
        if hasattr(part, "dask"):
            # In this thread: the threads and processes are the scheduler's.
            part = part.compute(scheduler="synchronous")
        extents = [part.stop - part.start for part in self.bounds(region)]
        return np.asarray(part).reshape(extents)

    def read(self, region: Box) -> RegionRead:
        """Return the values of a region of TCZYX; piece by piece if that fails."""
        try:
            return RegionRead(self.fetch(region))
        except Exception as error:
            if is_out_of_memory(error):
                raise
        whole = self.bounds(region)
        values = np.zeros([part.stop - part.start for part in whole], self.dtype)
        gaps = np.zeros(values.shape, bool)
        failures = []
        # A chunk of the cache may hold several pieces of the file, of which only some are damaged.
        direct = replace(self, data=getattr(self.data, "uncached", self.data))
        for piece in self._pieces_of(whole):
            place = tuple(
                slice(p.start - w.start, p.stop - w.start)
                for p, w in zip(piece, whole, strict=True)
            )
            try:
                values[place] = direct.fetch(piece)
            except Exception as error:
                gaps[place] = True
                failures.append((piece, describe_exception(error)))
        unreadable = np.asarray(gaps.any(axis=1)) if failures else None
        return RegionRead(values, unreadable, failures)

    def name(self, region: Box) -> str:
        """Return the bounds of a region along the image's axes, for a message."""
        spans = zip(self.axes, self.to_image_axes(region), strict=True)
        return ", ".join(f"{axis} {part.start}:{part.stop}" for axis, part in spans)

    def _pieces_of(self, whole: Box) -> Iterator[Box]:
        stored = dict(zip(self.axes, self.pieces, strict=True))
        spans = []
        for axis, part in zip(AXES, whole, strict=True):
            step = stored.get(axis, 1)
            first = part.start // step * step + step
            edges = [part.start, *range(first, part.stop, step), part.stop]
            spans.append([slice(a, b) for a, b in pairwise(edges)])
        return (tuple(piece) for piece in product(*spans))


def readable_blocks(image: Image, limit: int) -> Iterator[Array]:
    """Yield blocks of values as `sample_blocks` does, without unreadable pixels."""
    if not image.is_lazy:
        yield from sample_blocks(image.data)
        return
    reader = RegionReader.of(image)
    counts = image.data.numblocks
    total = int(np.prod(counts))
    edges = [np.cumsum([0, *chunks]) for chunks in image.data.chunks]
    for number in np.unique(np.linspace(0, total - 1, min(total, limit)).astype(int)):
        place = np.unravel_index(number, counts)
        own = {
            axis: slice(int(edge[i]), int(edge[i + 1]))
            for axis, edge, i in zip(image.axes, edges, place, strict=True)
        }
        part = reader.read(tuple(own.get(axis, slice(None)) for axis in AXES))
        yield from _readable(part)


def overlaps(piece: Sequence[slice], region: Sequence[slice]) -> bool:
    """Return whether two regions with bounds have a pixel in common."""
    return all(p.start < r.stop and r.start < p.stop for p, r in zip(piece, region, strict=True))


def _readable(part: RegionRead) -> Iterator[Array]:
    if part.unreadable is None:
        yield part.values
        return
    present = ~part.unreadable
    values = np.moveaxis(part.values, 1, -1)[present]
    if values.size:
        yield values
