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
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ImageError, KernelError
from unblur.io.files import split_part, suffix_of
from unblur.io.kernel_facts import (
    channels_of,
    npz_names,
    pixel_size_of,
    positions_of,
    stated_facts,
)
from unblur.io.kernel_writer import write_kernel
from unblur.io.open import read_image
from unblur.io.tiff.reader import SUFFIXES
from unblur.model.image import ALPHA, Image
from unblur.model.kernel import Kernel, KernelField


@dataclass(frozen=True)
class KernelFile:
    """The content of a kernel file, not yet checked or repaired.

    Attributes
    ----------
    values : (h, w), (d, h, w), (N, h, w) or (N, d, h, w)
        Values as stored, in the file's dtype; of colours that differ their mean.
    positions : (N, 2) or None
        Positions on the image, rows and columns in pixels, if the file is a stack of kernels.
    image : Image
        The file as an image, with its metadata.
    pixel_size, units : mapping of axis to float, and to str
        Size of one sample along each axis for which the file states it, and its unit.
    oversampling : float
        Samples per pixel of the detector along an axis, as the file states it.
    keeps_offset : bool
        Whether the file says that an offset of the centre of mass is part of the blur.
    notes : tuple of str
        What was changed in reading.
    samplings : tuple of KernelFile
        The same PSF at other samplings, where the file holds several; this one has the
        detector's.
    channels : int
        Number of kernels of a stack that has one for each channel; 0 for any other.
    """

    values: NDArray[Any]
    positions: NDArray[np.float64] | None
    image: Image
    pixel_size: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    oversampling: float = 1.0
    keeps_offset: bool = False
    notes: tuple[str, ...] = ()
    samplings: tuple[KernelFile, ...] = ()
    channels: int = 0

    @property
    def source(self) -> str:
        """The file, with the extension in it if there are several."""
        return self.image.source

    def to_field(self) -> KernelField:
        """Return the kernel or kernels, or raise `KernelError`."""
        facts: dict[str, Any] = {
            "source": self.source,
            "oversampling": self.oversampling,
            "keeps_offset": self.keeps_offset,
            "samplings": tuple(other.to_field() for other in self.samplings),
        }
        if self.channels:
            stack = _unstacked(self.values, self.channels)
            return KernelField.of_channels(
                [KernelField.single(self.kernel(values), **facts) for values in stack]
            )
        if self.positions is not None:
            return replace(_field(self.values, self.positions, self), **facts)
        return KernelField.single(self.kernel(self.values), **facts)

    def choose_sampling(
        self, pixel_size: Mapping[str, float], units: Mapping[str, str]
    ) -> KernelFile:
        """Return the sampling that has an image's pixel size; this one if none has."""
        from unblur.numerics.psf.sampling import SAME, largest_difference

        for found in (self, *self.samplings):
            ratios = found.ratios(pixel_size, units)
            if ratios and largest_difference(ratios) <= SAME:
                return found
        return self

    def ratios(self, pixel_size: Mapping[str, float], units: Mapping[str, str]) -> dict[str, float]:
        """Return the pixel size over an image's along each axis for which both are known."""
        from unblur.numerics.psf.sampling import pixel_size_ratios

        is_stack = self.positions is not None or self.channels > 0
        axes = "ZYX"[-(self.values.ndim - is_stack) :]
        return pixel_size_ratios(axes, self.pixel_size, pixel_size, self.units, units)

    def kernel(self, values: NDArray[Any]) -> Kernel:
        """Return the kernel of some of the values."""
        return Kernel.from_samples(values, self.pixel_size, self.units, self.notes)


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


def _field(stack: NDArray[Any], positions: NDArray[np.float64], file: KernelFile) -> KernelField:
    stack = _unstacked(stack, len(positions))
    if stack.ndim not in (3, 4) or len(stack) != len(positions):
        raise KernelError(
            f"a field needs a stack of as many kernels as positions, got {len(positions)} "
            f"positions for an array of shape {stack.shape}."
        )
    rows, columns = (_centres(positions[:, axis]) for axis in (0, 1))
    indices = {
        (int(np.argmin(np.abs(rows - y))), int(np.argmin(np.abs(columns - x)))): number
        for number, (y, x) in enumerate(positions)
    }
    if len(indices) != len(positions) or len(indices) != len(rows) * len(columns):
        raise KernelError(
            f"positions of a field form a grid, but these {len(positions)} lie on "
            f"{len(rows)} rows and {len(columns)} columns; interpolate them to a grid first."
        )
    kernels = tuple(
        tuple(file.kernel(stack[indices[i, j]]) for j in range(len(columns)))
        for i in range(len(rows))
    )
    return KernelField(kernels, tuple(map(float, rows)), tuple(map(float, columns)))


def _unstacked(stack: NDArray[Any], count: int) -> NDArray[Any]:
    """Return a stack of `count` kernels: volumes may be stored plane by plane."""
    if stack.ndim == 3 and len(stack) > count and len(stack) % count == 0:
        return stack.reshape(count, -1, *stack.shape[1:])
    return stack


def _centres(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distinct coordinates in ascending order; equal within half a pixel."""
    ordered = np.sort(values)
    starts = [0] + [i + 1 for i, (a, b) in enumerate(pairwise(ordered)) if b - a > 0.5]
    return np.array([ordered[i] for i in starts])


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


__all__ = ["ImageError", "KernelFile", "read_kernel", "read_kernel_values", "write_kernel"]
