"""Reading of images in any format, by the built-in readers or those of plugins."""

from __future__ import annotations

import os
from pathlib import Path

from unblur.errors import ImageError, PluginError, UnblurError
from unblur.io.files import FOREIGN, check_input, file_type, reason, split_part, suffix_of
from unblur.io.fits.hdu import FitsReader
from unblur.io.lazy_pixels import Lazy
from unblur.io.npy import NpyReader
from unblur.io.raster.avif import AvifReader
from unblur.io.raster.jpeg import JpegReader
from unblur.io.raster.jpeg2000 import Jpeg2000Reader
from unblur.io.raster.jpegxl import JpegXlReader
from unblur.io.raster.netpbm import NetpbmReader
from unblur.io.raster.pillow_formats import BmpReader, GifReader, WebpReader
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
    WebpReader,
    BmpReader,
    GifReader,
    AvifReader,
    Jpeg2000Reader,
    JpegXlReader,
    NetpbmReader,
    FitsReader,
    NpyReader,
)
"""The built-in readers, in the order in which they are tried."""


def read_image(
    path: str | os.PathLike[str], *, axes: str | None = None, lazy: Lazy = False
) -> Image:
    """Read an image of any known format without rescaling its values.

    Parameters
    ----------
    path : str or Path
        A file or a zarr store. `name[part]` picks one of several images: a series of a TIFF, an
        extension of a FITS file, an array of an .npz.
    axes : str, optional
        Axes in the file's order, letters of "TCZYX", if the file does not name them or names them
        wrongly.
    lazy : bool or "large"
        Return a dask array that reads from the file only what is computed: strips or tiles of
        TIFF, chunks of zarr, sections of FITS and .npy. PNG and JPEG are always read whole.
        With "large", TIFF, FITS and .npy of at most 4 MB of pixels are read at once.

    Raises
    ------
    ImageError
        If the file does not exist or contains no readable image; the message names the file
        and a remedy.
    """
    target = Path(path)
    file, part = split_part(target)
    check_input(file)
    reader = reader_for(file)
    if part is not None and not reader.has_parts:
        raise ImageError(f"{file} holds a single image; leave out [{part}].")
    try:
        return _checked(reader.read(target, axes=axes, lazy=lazy), reader)  # type: ignore[arg-type]
    except UnblurError:
        raise
    except SystemExit as error:
        from unblur.plugins.faults import ended_program

        fault = ended_program(error)
        if fault is None:
            raise
        raise fault from error
    except MemoryError:
        raise ImageError(f"{target} does not fit into memory; read it lazily.") from None
    except Exception as error:
        raise ImageError(
            f"{target} cannot be read as {reader.name.upper()} ({reason(error)}); "
            f"{_advice(file, reader, error)}."
        ) from error


def _checked(image: object, reader: Reader) -> Image:
    """Return what a reader returned; raise `PluginError` unless it is an image and its notes."""
    if not isinstance(image, Image):
        wrong = f"return an unblur.Image, but returned {type(image).__name__}"
    elif isinstance(image.metadata.get("notes"), str):
        wrong = "state its notes as a tuple of sentences, but states one str"
    else:
        return image
    from unblur.plugins.faults import fault_of

    raise PluginError(f"reader '{reader.name}' must {wrong}; {fault_of(type(reader))}.")


def _advice(file: Path, reader: Reader, error: Exception) -> str:
    """Return what to do with a file that its reader fails on: by the type it begins as."""
    damaged = "the file may be damaged or cut short; copy or export it again"
    found = file_type(file)
    known = (reader.name, suffix_of(file).lstrip("."))
    # Formats of plugins may be made of another, as DNG and LSM are of TIFF.
    is_builtin = isinstance(reader, READERS)
    from unblur.plugins.faults import fault_in

    fault = fault_in(error)
    if fault is not None:
        return f"{damaged}, or report it to the authors of {fault[0]}, which failed in {fault[1]}"
    if found is None or not is_builtin or any(name in found.lower() for name in known):
        return damaged
    return f"its content is {found}; rename it"


def reader_for(path: Path) -> Reader:
    """Return the reader of an existing file, or raise `ImageError` with the known suffixes."""
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
    found = file_type(path)
    hint = "; convert it to PNG or TIFF"
    if found:
        remedy = "convert it to PNG or TIFF" if found in FOREIGN else "rename it"
        hint = f", but its content is {found}; {remedy}"
    raise ImageError(
        f"{path} has the suffix '{suffix_of(path)}', which no reader supports{hint}. "
        f"Known: {', '.join(suffixes)}.{known.left_out()}"
    )
