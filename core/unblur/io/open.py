"""Opening an image of any format: the built-in readers first, then those of plugins."""

from __future__ import annotations

import os
from pathlib import Path

from unblur.errors import ImageError, UnblurError
from unblur.io.files import FOREIGN, check_input, reason, split_part, suffix_of, what_it_is
from unblur.io.fits.images import FitsReader
from unblur.io.npy import NpyReader
from unblur.io.raster.jpeg import JpegReader
from unblur.io.raster.png import PngReader
from unblur.io.tiff.reader import TiffReader
from unblur.io.zarr.ome_reader import ZarrReader
from unblur.model.formats import Reader
from unblur.model.image import Image

READERS: tuple[type[Reader], ...] = (
    TiffReader,
    ZarrReader,
    PngReader,
    JpegReader,
    FitsReader,
    NpyReader,
)
"""The built-in readers, in the order in which they are asked."""


def read_image(
    path: str | os.PathLike[str], *, axes: str | None = None, lazy: bool = False
) -> Image:
    """Read an image of any known format, values as they are stored.

    Parameters
    ----------
    path : str or Path
        A file or a zarr store. `name[part]` picks one of several images: a series of a TIFF, an
        extension of a FITS file, an array of an .npz.
    axes : str, optional
        Axes in the file's order, letters of "TCZYX", where the file lacks them or is wrong.
    lazy : bool
        Return a dask array that reads from the file only what is computed: strips or tiles of
        TIFF, chunks of zarr, sections of FITS and .npy. PNG and JPEG are read whole all the same.

    Raises
    ------
    ImageError
        If there is no such file, or no image in it that can be read; the message names the file
        and what to do.
    """
    place = Path(path)
    file, part = split_part(place)
    check_input(file)
    reader = reader_for(file)
    if part is not None and not reader.has_parts:
        raise ImageError(f"{file} holds a single image; leave out [{part}].")
    try:
        return reader.read(place, axes=axes, lazy=lazy)
    except UnblurError:
        raise
    except MemoryError:
        raise ImageError(f"{place} does not fit into memory; read it lazily.") from None
    except Exception as error:
        found = what_it_is(file)
        hint = f"it is {found}" if found else "the file may be damaged or cut short"
        raise ImageError(
            f"{place} cannot be read as {reader.name.upper()} ({reason(error)}); {hint}."
        ) from error


def reader_for(path: Path) -> Reader:
    """Return the reader of an existing file, or raise `ImageError` listing what can be read."""
    for cls in READERS:
        if cls().can_read(path):
            return cls()
    from unblur.plugins.manager import registry

    known = registry()
    plugins = known.readers.values()
    for plugin in plugins:
        reader: Reader = plugin()
        if reader.can_read(path):
            return reader
    suffixes = sorted({s for cls in (*READERS, *plugins) for s in cls.suffixes})
    found = what_it_is(path)
    hint = "; convert it to PNG or TIFF"
    if found:
        remedy = "convert it to PNG or TIFF" if found in FOREIGN else "rename it"
        hint = f", but it looks like {found}; {remedy}"
    raise ImageError(
        f"{path} has the suffix '{suffix_of(path)}', which no reader knows{hint}. "
        f"Known: {', '.join(suffixes)}.{known.left_out()}"
    )
