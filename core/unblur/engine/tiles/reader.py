"""Reading pieces of an image, and going on where a piece of it cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.engine.tiles.memory import is_out_of_memory
from unblur.engine.tiles.tiling import Box
from unblur.errors import describe_exception
from unblur.model.image import AXES, Image, sample_blocks

Array = NDArray[Any]
Flags = NDArray[np.bool_]


@dataclass(eq=False)
class Reading:
    """A region of an image as it could be read.

    Attributes
    ----------
    values : (T, C, Z, Y, X) array
        0 where nothing could be read.
    absent : (T, Z, Y, X) bool array, optional
        Where that is; `None` if it is nowhere.
    unread : list of (region, str)
        What could not be read, with bounds along TCZYX, and why.
    """

    values: Array
    absent: Flags | None = None
    unread: list[tuple[Box, str]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Source:
    """The pixels of an image, to be read by regions of TCZYX from any thread or process.

    Parameters
    ----------
    data : numpy or dask array
        The image's own.
    axes : str
        Its axes.
    pieces : tuple of int
        Extents along `axes` of what is stored, and damaged, as one: a chunk of the file.
    """

    data: Any
    axes: str
    pieces: tuple[int, ...]

    @classmethod
    def of(cls, image: Image) -> Source:
        """Return the source of `image`; its pieces are the file's chunks where it has any."""
        pieces = image.shape
        if image.is_lazy:
            stored = image.metadata.get("chunks", ())
            known = stored if len(stored) == len(image.shape) else image.data.chunksize
            pieces = tuple(int(n) for n in known)
        return cls(image.data, image.axes, pieces)

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

    def own(self, region: Box) -> Box:
        """Return a region of TCZYX along the image's own axes, with bounds."""
        whole = self.bounds(region)
        return tuple(whole[AXES.index(axis)] for axis in self.axes)

    def bounds(self, region: Box) -> Box:
        """Return a region of TCZYX whose slices have a start and a stop."""
        return tuple(
            slice(*part.indices(n)[:2]) for part, n in zip(region, self.shape, strict=True)
        )

    def fetch(self, region: Box) -> Array:
        """Return the values of a region of TCZYX, or raise what reading them raises."""
        part = self.data[self.own(region)]
        if hasattr(part, "dask"):
            # In this thread: the threads and processes are the scheduler's.
            part = part.compute(scheduler="synchronous")
        extents = [part.stop - part.start for part in self.bounds(region)]
        return np.asarray(part).reshape(extents)

    def read(self, region: Box) -> Reading:
        """Return the values of a region of TCZYX; piece by piece if they cannot be had at once."""
        try:
            return Reading(self.fetch(region))
        except Exception as error:
            if is_out_of_memory(error):
                raise
        whole = self.bounds(region)
        values = np.zeros([part.stop - part.start for part in whole], self.dtype)
        gaps = np.zeros(values.shape, bool)
        unread = []
        for piece in self._pieces_of(whole):
            place = tuple(
                slice(p.start - w.start, p.stop - w.start)
                for p, w in zip(piece, whole, strict=True)
            )
            try:
                values[place] = self.fetch(piece)
            except Exception as error:
                gaps[place] = True
                unread.append((piece, describe_exception(error)))
        absent = np.asarray(gaps.any(axis=1)) if unread else None
        return Reading(values, absent, unread)

    def name(self, region: Box) -> str:
        """Return what to call a region in a message: its bounds along the image's axes."""
        spans = zip(self.axes, self.own(region), strict=True)
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


def sound_blocks(image: Image, limit: int) -> Iterator[Array]:
    """Yield blocks of values as `sample_blocks` does, without what cannot be read."""
    if not image.is_lazy:
        yield from sample_blocks(image.data)
        return
    source = Source.of(image)
    counts = image.data.numblocks
    total = int(np.prod(counts))
    edges = [np.cumsum([0, *chunks]) for chunks in image.data.chunks]
    for number in np.unique(np.linspace(0, total - 1, min(total, limit)).astype(int)):
        place = np.unravel_index(number, counts)
        own = {
            axis: slice(int(edge[i]), int(edge[i + 1]))
            for axis, edge, i in zip(image.axes, edges, place, strict=True)
        }
        reading = source.read(tuple(own.get(axis, slice(None)) for axis in AXES))
        yield from _sound(reading)


def meets(piece: Sequence[slice], region: Sequence[slice]) -> bool:
    """Return whether two regions with bounds have a pixel in common."""
    return all(p.start < r.stop and r.start < p.stop for p, r in zip(piece, region, strict=True))


def _sound(reading: Reading) -> Iterator[Array]:
    if reading.absent is None:
        yield reading.values
        return
    present = ~reading.absent
    values = np.moveaxis(reading.values, 1, -1)[present]
    if values.size:
        yield values
