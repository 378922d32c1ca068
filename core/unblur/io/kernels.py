"""Kernels in files: one PSF in any image format, or a stack of PSFs with their positions.

Kernels of channels are a stack (N, h, w) or (N, d, h, w), with their number as `channels` in the
same places as the positions below.

A kernel field is a stack (N, h, w) or (N, d, h, w) with the position of each PSF on the image, as
(row, column) in pixels. The positions must form a grid, in any order:

- TIFF: JSON in the first page's ImageDescription, `{"unblur": "kernels", "positions":
  [[y, x], ...]}`, as written by `write_kernel`; the pages are the PSFs one after another,
  volumes plane by plane;
- any format: a file of the same name with the suffix .json, `{"positions": [[y, x], ...]}`;
- zarr: an attribute `positions` of the array;
- .npz: an array `positions` (N, 2) beside the array `kernels`;
- FITS of STPSF (photutils' `GriddedPSFModel`) and STDPSF, and .psf of PSFEx.

Pixel sizes are those that the format states, or `pixel_size` and `units` in the same places; see
`unblur.io.kernel_facts`.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import KernelError
from unblur.io.files import split_part, suffix_of
from unblur.io.kernel_facts import (
    channels_of,
    npz_names,
    pixel_size_of,
    positions_of,
    stated_facts,
)
from unblur.io.kernel_file import KernelFile
from unblur.io.open import read_image
from unblur.io.tiff.reader import SUFFIXES
from unblur.model.image import ALPHA, Image
from unblur.model.kernel import KernelField


def read_kernel(path: str | os.PathLike[str]) -> KernelField:
    """Read a blur kernel from any image format, or a kernel field.

    The module docstring describes the files. Of a colour image whose channels differ the mean is
    taken, with a note. Values are divided by their sum. A file of STPSF holds the PSF at several
    samplings: the one at the detector's pixels is returned, with the others as its `samplings`.

    Raises
    ------
    ImageError
        If the file cannot be read.
    KernelError
        If the content is not a kernel: wrong number of axes, negative values beyond 1e-3 of the
        peak or NaN, a sum that is not positive, or positions that do not form a grid.
    """
    found = read_kernel_values(path)
    try:
        return found.to_field()
    except KernelError as error:
        raise KernelError(f"{path}: {error}") from None


def read_kernel_values(path: str | os.PathLike[str]) -> KernelFile:
    """Read a kernel file without checking its values, for `unblur.numerics.psf.validate`."""
    target = Path(path)
    file, part = split_part(target)
    grid = None if part else _grid_of(file)
    if grid is not None:
        return grid
    if part is None and file.suffix.lower() == ".npz" and "kernels" in npz_names(file):
        target = file.with_name(f"{file.name}[kernels]")
    found = [_read(numbered) for numbered in _samplings(file, part)] or [_read(target)]
    return replace(found[0], samplings=tuple(found[1:]))


def _grid_of(file: Path) -> KernelFile | None:
    """Return the PSFs over the field of a file of STPSF, STDPSF or PSFEx."""
    from unblur.io.fits.psf_grids import read_psf_grid

    grid = read_psf_grid(file)
    if grid is None:
        return None
    single = len(grid.values) == 1
    values = grid.values[0] if single else grid.values
    image = Image(values, "YX" if single else "TYX", source=str(file))
    return KernelFile(values, None if single else grid.positions, image)


def _samplings(file: Path, part: str | None) -> list[Path]:
    """Return the parts of a FITS file that hold one PSF at several samplings, preferred first."""
    from unblur.io.fits.hdu import FitsReader

    if part is not None or not file.name.lower().endswith(FitsReader.suffixes):
        return []
    try:
        from unblur.io.fits.psf_samplings import psf_samplings

        return [file.with_name(f"{file.name}[{n}]") for n, _ in psf_samplings(file)]
    except Exception:
        return []  # reading the file raises the error that describes its defect


def _read(target: Path) -> KernelFile:
    file, _ = split_part(target)
    image = read_image(target, axes=_stack_axes(target))
    facts = stated_facts(file, image)
    positions = positions_of(facts, file)
    channels = channels_of(facts, file)
    values, notes = _values(image, target, positions is not None or channels > 0)
    sizes, units = pixel_size_of(facts, image, file)
    ratio, name = _stated_sampling(image)
    if name:
        image = replace(image, source=f"{file}[{name}]")
    keeps_offset = bool(facts.get("keeps_offset", False))
    return KernelFile(
        values, positions, image, sizes, units, ratio, keeps_offset, notes, channels=channels
    )


def _stated_sampling(image: Image) -> tuple[float, str]:
    """Return the samples per detector pixel of a FITS image, and the name of its extension."""
    text = image.metadata.get("fits", {}).get("header")
    if text is None:
        return 1.0, ""
    from astropy.io import fits

    from unblur.io.fits.psf_samplings import oversampling

    header = fits.Header.fromstring(text, sep="\n")
    return oversampling(header), str(header.get("EXTNAME", ""))


def _values(image: Image, path: Path, is_stack: bool) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return the samples of all kernels without colours, and notes on how they were made."""
    values, channels = np.asarray(image.data), image.channels
    notes: tuple[str, ...] = ()
    if channels and "C" in image.axes:
        colours = [i for i, name in enumerate(channels) if name != ALPHA]
        kept = np.take(values, colours, axis=image.axes.index("C"))
        axis = image.axes.index("C")
        values = np.take(kept, 0, axis=axis)
        if not (kept == np.take(kept, [0], axis=axis)).all():
            names = ", ".join(channels[i] for i in colours)
            notes = (f"its channels ({names}) differ; their mean was taken.",)
            # The scale of integers has no meaning; that they are integers is kept.
            integral = kept.dtype.kind in "ui"
            values = kept.sum(axis, dtype=np.int64) if integral else kept.mean(axis)
    while values.ndim > (3 if is_stack else 2) and values.shape[0] == 1:
        values = values[0]
    max_ndim = 4 if is_stack else 3
    if values.ndim > max_ndim or (values.ndim == 2 and is_stack):
        raise KernelError(
            f"{path}: a kernel has two axes, or three with depth, got shape {image.shape}; a "
            "stack of kernels needs their positions, in a .json file beside it."
        )
    return values, notes


def _stack_axes(path: Path) -> str | None:
    """Return the axes of files with four axes, which only a field of volumes has."""
    file, _ = split_part(path)
    if suffix_of(file) not in SUFFIXES or not file.is_file():
        return None
    from unblur.io.tiff.ome_files import open_tiff

    try:
        with open_tiff(file) as tif:
            return "TZYX" if tif.series and len(tif.series[0].shape) == 4 else None
    except Exception:
        return None  # reading the file raises the error that describes its defect
