"""Base classes of file formats: readers, writers, and stores that are written by regions.

A plugin adds a format by registering subclasses of `Reader` and `Writer`; the built-in ones in
`unblur.io` are written against the same two classes. Formats hand each other what they know
through `Image.metadata`, where these keys have a meaning to all of them:

========== =========================================================================
format     name of the reader that made the image, e.g. "tiff"
file_axes  the axes in the file's own order, e.g. "YXC"; a writer puts that order back
chunks     extents of one chunk, in the order of `Image.axes`, where the file has chunks
shards     extents of one shard, likewise
icc        ICC colour profile, bytes
exif       EXIF block, bytes, beginning with the TIFF header
history    what was done to the pixels, one line each; written where a format has room
notes      sentences about the file that its reader has for the user; warnings of the report
colours    colour in which each channel is displayed, "RRGGBB", where the file states them: white
           for a channel without one beside others
images     number of images in the file, where there are several and none was asked for; number
           n is `name[n]`, the first `name[0]`
optics     what a microscope states of its optics; see below
<format>   a mapping that only the format of that name reads
========== =========================================================================

The mapping `optics` has those of these keys that the file states: `na`, `immersion` ("air",
"water", "glycerol", "oil"), `refractive_index` of the immersion medium, `magnification`,
`objective` (its name), and `channels`, a sequence with a mapping for each channel: `excitation_nm`
and `emission_nm` (wavelengths, nm) and `pinhole_um` (diameter, µm). OME-TIFF and OME-Zarr keep it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unblur.errors import OutputError
from unblur.model.image import Image

LOSSY_FORMATS = frozenset({"jpeg", "webp", "avif", "heic"})
"""Names of the formats whose compression changes values, as in `metadata["format"]`."""


class Reader(ABC):
    """Reads the images of one file format.

    Attributes
    ----------
    name : str
        The format's name, unique among readers, e.g. "tiff".
    suffixes : tuple of str
        Endings of file names, in lower case with the dot, e.g. (".tif", ".tiff").
    has_parts : bool
        Whether one file may hold several images, of which `name[part]` selects one. If false,
        `unblur.io.read_image` rejects a part before `read` is called.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    has_parts: ClassVar[bool] = False

    def can_read(self, path: Path) -> bool:
        """Return whether the file at `path`, which exists, is of this format; by its suffix."""
        return path.name.lower().endswith(self.suffixes)

    @abstractmethod
    def read(self, path: Path, *, axes: str | None = None, lazy: bool = False) -> Image:
        """Return the image in the file, values as they are stored and never rescaled.

        Parameters
        ----------
        path : Path
            The file or store. `name[part]` asks for a part of a file that holds several
            images, e.g. `night.fits[2]`; `unblur.io.split_part` takes it apart.
        axes : str, optional
            Axes in the file's order, letters of "TCZYX", where the file does not name them or
            names them wrongly.
        lazy : bool
            Return a dask array that reads from the file only what is computed. A format that
            cannot read piece by piece ignores this. The value "large" counts as true, save
            that a small image may be read at once.

        Raises
        ------
        ImageError
            If the file holds no image that can be read. Any other exception is turned into an
            `ImageError` that names the file.
        """


class RegionWriter(ABC):
    """An image being written region by region, in any order, from several threads.

    Attributes
    ----------
    shape : tuple of int
        Extent of the whole image, axes as in the `like` image it was made for.
    dtype : dtype
        Type of the stored values.
    write_alignment : tuple of int
        Extents whose multiples bound what is stored in one piece (a chunk or a shard). Regions
        that begin and end on multiples of it, or at the image's end, may be written by
        several processes at once. Any other region may be written too, by the threads of one
        process only, and costs a read of the pieces that it cuts.
    resumed : bool
        Whether the store was there already, with what an interrupted run had written; false
        for a new and empty one.

    Notes
    -----
    A writer can be pickled, so that the workers of a cluster fill one store on a shared disk.
    What was written stays after a crash: `unblur.io.create_store(..., resume=True)` takes it up.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    write_alignment: tuple[int, ...]
    resumed: bool = False

    @abstractmethod
    def write(self, region: tuple[slice, ...], values: NDArray[Any]) -> None:
        """Store `values` at `region`, one slice with bounds and step 1 for each axis.

        Raises
        ------
        OutputError
            If the disk is full or the store cannot be written. Regions written before stay.
        """

    @abstractmethod
    def finish(self) -> None:
        """Complete the file once every region is written: pyramid levels, headers.

        May be called again after it was interrupted.
        """

    @abstractmethod
    def discard(self) -> None:
        """Remove everything that was written."""


class Writer(ABC):
    """Writes images to one file format, and puts back the metadata its reader found.

    Attributes
    ----------
    name : str
        The format's name, unique among writers.
    suffixes : tuple of str
        Endings of file names, in lower case with the dot.
    lossy : bool
        Whether the stored values differ from the image's; the command warns of it.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    lossy: ClassVar[bool] = False

    def can_write(self, path: Path, image: Image) -> bool:
        """Return whether a file of that name is of this format; by its suffix."""
        return path.name.lower().endswith(self.suffixes)

    def check(self, image: Image) -> None:  # noqa: B027 - a format may hold everything
        """Raise `OutputError` if the format cannot hold the image's type, axes or size.

        Called before any work is done, on the input image with the result's dtype; looks at
        no values.
        """

    @abstractmethod
    def write(self, image: Image, path: Path) -> None:
        """Write the image to `path`, which does not exist yet.

        `path` is a temporary name with the right suffix; the caller renames it once the file is
        whole. A dask-backed image is written piece by piece if the format allows it.

        Raises
        ------
        OutputError
            If the image cannot be written. An `OSError` is turned into an `OutputError`.
        """

    def regions(
        self, like: Image, path: Path, *, chunks: Sequence[int] | None, resume: bool
    ) -> RegionWriter | None:
        """Return a store at `path` to be filled region by region, or `None` for the usual way.

        The usual way keeps the regions in a scratch store beside `path` and has `write` stream
        from there at the end; a format that can be filled in any order returns its own.

        Parameters
        ----------
        like : Image
            Axes, shape, dtype and metadata of the image to come; its values are not read.
        path : Path
            The temporary name.
        chunks : sequence of int, optional
            Extents of a piece along `like.axes`; by default those of the input, or the format's.
        resume : bool
            Take up a store that an interrupted run left at `path`, if there is one; without
            this, it is removed.
        """
        return None


def describe_images(path: Path, count: int, notes: Sequence[str] = ()) -> dict[str, Any]:
    """Return the entries `images` and `notes` of the first of `count` images in a file.

    The images are `path[0]`, `path[1]`, and so on.
    """
    if count < 2:
        return {"notes": tuple(notes)}
    return {"images": count, "notes": (*describe_others(path, count, "1"), *notes)}


def describe_others(path: Path, count: int, following: str) -> tuple[str, ...]:
    """Return a note on the other images of a file of `count`, whose next is `path[following]`.

    There is none if there are no others.
    """
    if count < 2:
        return ()
    return (
        f"{path} holds {count} images, of which this is the first; the next is "
        f"{path}[{following}].",
    )


def require_dtype(image: Image, allowed: Sequence[str], holder: str, instead: str) -> None:
    """Raise `OutputError` unless the image's dtype is one of the names in `allowed`."""
    if image.dtype.name not in allowed:
        raise OutputError(
            f"{holder} holds {', '.join(allowed)}, but {image.source} has {image.dtype.name} "
            f"values; {instead}."
        )
