"""Writing of images in any format, atomically and without accidental replacement."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unblur.errors import OutputError, UnblurError
from unblur.io.files import check_vacant, explained, reason, suffix_of, written_whole
from unblur.io.fits.hdu import FitsWriter
from unblur.io.npy import NpyWriter
from unblur.io.raster.jpeg import JpegWriter
from unblur.io.raster.png import PngWriter
from unblur.io.region_writers import ScratchRegions
from unblur.io.tiff.writer import OmeTiffWriter, TiffWriter
from unblur.io.zarr.arrays import ZarrWriter
from unblur.io.zarr.ome_writer import OmeZarrWriter
from unblur.model.formats import RegionWriter, Writer
from unblur.model.image import Image

WRITERS: tuple[type[Writer], ...] = (
    OmeTiffWriter,
    TiffWriter,
    OmeZarrWriter,
    ZarrWriter,
    PngWriter,
    JpegWriter,
    FitsWriter,
    NpyWriter,
)
"""The built-in writers, in the order in which they are tried."""


def write_image(
    image: Image,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    before_publish: Callable[[], None] | None = None,
) -> Path:
    """Write an image in the format of the name's suffix, and return the path.

    The file appears under its name only when it is complete. Values are stored unchanged, in
    their dtype. A dask-backed image is computed and written chunk by chunk. `before_publish` is
    called once all is written, before the file appears, e.g. to write the files beside it.

    Raises
    ------
    OutputError
        If the file exists and `overwrite` is false, its folder is missing or read-only, the
        suffix is unknown, the format cannot hold the image, or the disk is full.
    """
    target = Path(path)
    writer = check_output(image, target, overwrite=overwrite)
    with written_whole(target, overwrite=overwrite) as partial:
        try:
            writer.write(image, partial)
        except (UnblurError, OSError):
            raise
        except SystemExit as error:
            from unblur.plugins.faults import ended_program

            fault = ended_program(error)
            if fault is None:
                raise
            raise fault from error
        except Exception as error:
            from unblur.plugins.faults import fault_in

            place = fault_in(error)
            cause = reason(error) if place is None else f"{reason(error)} in {', '.join(place)}"
            raise OutputError(
                f"{target} cannot be written as {writer.name.upper()} ({cause}); try .tif or .zarr."
            ) from error
        if before_publish is not None:
            before_publish()
    return target


def check_output(like: Image, path: str | os.PathLike[str], *, overwrite: bool = False) -> Writer:
    """Check before any work that an image can be written to `path`, and return the writer.

    `like` has the axes, shape, dtype and channels of the result; its values are not read.

    Raises
    ------
    OutputError
        As `write_image`, except for errors that occur only while writing.
    """
    target = Path(path)
    writer = writer_for(like, target)
    check_vacant(target, overwrite)
    writer.check(like)
    return writer


def create_store(
    partial: str | os.PathLike[str],
    like: Image,
    *,
    dtype: Any = None,
    chunks: Sequence[int] | None = None,
    resume: bool = False,
) -> RegionWriter:
    """Return a store for an image that will be written region by region, in any order.

    Zarr and OME-Zarr are filled in place. For any other format the regions are stored in a
    scratch store beside `partial`, from which `finish` writes the file chunk by chunk.

    Parameters
    ----------
    partial : str or Path
        The temporary name, from `partial_path`; `publish` gives the finished file its own.
    like : Image
        Image with the axes, shape, white and metadata of the result; its values are not read.
    dtype : dtype, optional
        Type of the values to be written, if different from that of `like`.
    chunks : sequence of int, optional
        Extents of a chunk along `like.axes`; by default the chunks of the input (and its
        shards), else planes of 512 x 512.
    resume : bool
        Continue with the store of an interrupted run, if there is one.

    Raises
    ------
    OutputError
        If the suffix is unknown, the format cannot hold the image, the store cannot be
        created, or a store to be resumed has another shape, dtype or chunks.

    Example
    -------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from unblur.io import partial_path, publish, read_image
    >>> like = Image(np.zeros((4, 6), np.uint8), "YX")
    >>> final = Path(tempfile.mkdtemp()) / "result.tif"
    >>> store = create_store(partial_path(final), like)
    >>> store.write((slice(0, 4), slice(0, 6)), np.full((4, 6), 7, np.uint8))
    >>> store.finish()
    >>> publish(partial_path(final), final)
    >>> int(read_image(final).data.sum())
    168
    """
    target = Path(partial)
    if dtype is not None and np.dtype(dtype) != like.dtype:
        like = like.with_data(like.data.astype(dtype))
    writer = writer_for(like, target)
    writer.check(like)
    with explained(target):
        regions = writer.regions(like, target, chunks=chunks, resume=resume)
        if regions is not None:
            return regions
        return ScratchRegions(writer, like, target, chunks=chunks, resume=resume)


def writer_for(image: Image, path: Path) -> Writer:
    """Return the writer for a file name, or raise `OutputError` with the known suffixes."""
    for cls in WRITERS:
        if cls().can_write(path, image):
            return cls()
    from unblur.plugins.manager import registry

    known = registry()
    plugins = known.writers.values()
    for plugin in plugins:
        writer: Writer = plugin()
        if writer.can_write(path, image):
            return writer
    suffixes = sorted({s for cls in (*WRITERS, *plugins) for s in cls.suffixes})
    suffix = suffix_of(path)
    what = f"the suffix '{suffix}'" if suffix else "no suffix"
    raise OutputError(
        f"{path} has {what}, so its format is unknown; use one of {', '.join(suffixes)}"
        + (f", or {path}/ for a folder." if not suffix else ".")
        + known.left_out()
    )
