"""Kernels in files: one PSF in any image format, or a stack of PSFs with their positions.

A kernel field is a stack (N, h, w) or (N, d, h, w) with the position of each PSF on the image, as
(row, column) in pixels. The positions must form a grid, in any order:

- TIFF: JSON in the first page's ImageDescription, `{"unblur": "kernels", "positions":
  [[y, x], ...]}`, as written by `write_kernel`; the pages are the PSFs one after another,
  volumes plane by plane;
- any format: a file of the same name with the suffix .json, `{"positions": [[y, x], ...]}`;
- zarr: an attribute `positions` of the array;
- .npz: an array `positions` (N, 2) beside the array `kernels`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ImageError, KernelError, OutputError
from unblur.io.files import is_store, reason, split_part, suffix_of, written_whole
from unblur.io.open import read_image
from unblur.io.save import write_image
from unblur.io.tiff.reader import SUFFIXES
from unblur.model.image import ALPHA, Image
from unblur.model.kernel import Kernel, KernelField

_MARK = {"unblur": "kernels"}


@dataclass(frozen=True)
class KernelFile:
    """The content of a kernel file, not yet checked or repaired.

    Attributes
    ----------
    values : (h, w), (d, h, w), (N, h, w) or (N, d, h, w)
        Values as stored, in the file's dtype.
    positions : (N, 2) or None
        Positions on the image, rows and columns in pixels, if the file is a stack of kernels.
    image : Image
        The file as an image, with pixel sizes and metadata.
    """

    values: NDArray[Any]
    positions: NDArray[np.float64] | None
    image: Image


def read_kernel(path: str | os.PathLike[str]) -> KernelField:
    """Read a blur kernel from any image format, or a kernel field.

    The module docstring describes the files. A colour image with equal channels is taken as grey.
    Values are divided by their sum.

    Raises
    ------
    ImageError
        If the file cannot be read.
    KernelError
        If the content is not a kernel: wrong number of axes, channels that differ, negative or
        NaN values, a sum that is not positive, or positions that do not form a grid.
    """
    found = read_kernel_values(path)
    try:
        if found.positions is None:
            return KernelField.single(Kernel(found.values))
        return _field(found.values, found.positions)
    except KernelError as error:
        raise KernelError(f"{path}: {error}") from None


def read_kernel_values(path: str | os.PathLike[str]) -> KernelFile:
    """Read a kernel file without checking its values, for `unblur.numerics.psf.validate`."""
    target = Path(path)
    file, part = split_part(target)
    npz = file.suffix.lower() == ".npz"
    if npz and part is None and "kernels" in _npz_names(file):
        target = file.with_name(f"{file.name}[kernels]")
    image = read_image(target, axes=_stack_axes(target))
    positions = _positions(file, image)
    return KernelFile(_values(image, target, positions is not None), positions, image)


def write_kernel(
    kernel: Kernel | KernelField, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a kernel as float32, in TIFF with the positions of a field, and return the path.

    A single kernel may also be written to any other format that holds float32.

    Raises
    ------
    OutputError
        If a field is to be written to another format than TIFF, or as `write_image` does.
    """
    target = Path(path)
    field = KernelField.single(kernel) if isinstance(kernel, Kernel) else kernel
    if suffix_of(target) in SUFFIXES:
        return _write_tiff(field, target, overwrite)
    if not field.is_uniform:
        raise OutputError(f"{target}: a field of kernels is written to TIFF; name it .tif.")
    weights = field.kernels[0][0].weights
    axes = "ZYX" if weights.ndim == 3 else "YX"
    return write_image(Image(np.array(weights), axes, white=1.0), target, overwrite=overwrite)


def _write_tiff(field: KernelField, path: Path, overwrite: bool) -> Path:
    import tifffile

    positions = [[y, x] for y in field.rows for x in field.columns]
    stack = np.stack([kernel.weights for row in field.kernels for kernel in row])
    note: dict[str, Any] = dict(_MARK)
    if not field.is_uniform:
        note["positions"] = positions
    with written_whole(path, overwrite=overwrite) as partial:
        tifffile.imwrite(
            partial,
            stack[0] if field.is_uniform else stack,
            photometric="minisblack",
            description=json.dumps(note),
            metadata=None,
            software="unblur",
        )
    return path


def _field(stack: NDArray[Any], positions: NDArray[np.float64]) -> KernelField:
    count = len(positions)
    if stack.ndim == 3 and len(stack) > count and len(stack) % count == 0:
        stack = stack.reshape(count, -1, *stack.shape[1:])  # volumes, stored plane by plane
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
        tuple(Kernel(stack[indices[i, j]]) for j in range(len(columns))) for i in range(len(rows))
    )
    return KernelField(kernels, tuple(map(float, rows)), tuple(map(float, columns)))


def _centres(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distinct coordinates in ascending order; equal within half a pixel."""
    ordered = np.sort(values)
    starts = [0] + [i + 1 for i, (a, b) in enumerate(pairwise(ordered)) if b - a > 0.5]
    return np.array([ordered[i] for i in starts])


def _values(image: Image, path: Path, is_stack: bool) -> NDArray[Any]:
    values, channels = np.asarray(image.data), image.channels
    if channels:
        colours = [i for i, name in enumerate(channels) if name != ALPHA]
        kept = np.take(values, colours, axis=image.axes.index("C"))
        axis = image.axes.index("C")
        if not (kept == np.take(kept, [0], axis=axis)).all():
            raise KernelError(
                f"{path}: the colour channels of this kernel differ; save one of them in grey."
            )
        values = np.take(kept, 0, axis=axis)
    while values.ndim > (3 if is_stack else 2) and values.shape[0] == 1:
        values = values[0]
    max_ndim = 4 if is_stack else 3
    if values.ndim > max_ndim or (values.ndim == 2 and is_stack):
        raise KernelError(
            f"{path}: a kernel has two axes, or three with depth, got shape {image.shape}; a "
            "stack of kernels needs their positions, in a .json file beside it."
        )
    return values


def _stack_axes(path: Path) -> str | None:
    """Return the axes of files with four axes, which only a field of volumes has."""
    file, _ = split_part(path)
    if suffix_of(file) not in SUFFIXES or not file.is_file():
        return None
    import tifffile

    try:
        with tifffile.TiffFile(file) as tif:
            return "TZYX" if tif.series and len(tif.series[0].shape) == 4 else None
    except Exception:
        return None  # reading the file raises the error that describes its defect


def _positions(file: Path, image: Image) -> NDArray[np.float64] | None:
    beside = file.with_suffix(".json")
    found: Any = None
    description = image.metadata.get("tiff", {}).get("description", "")
    if '"positions"' in description:
        found = _json(description, file)
    elif file.suffix.lower() == ".npz":
        if "positions" in _npz_names(file):
            found = {"positions": _npz(file, "positions").tolist()}
    elif is_store(file):
        found = image.metadata.get("zarr", {}).get("attributes")
    if not (isinstance(found, Mapping) and "positions" in found) and beside.is_file():
        found = _json(beside.read_text(encoding="utf-8", errors="replace"), beside)
    if not isinstance(found, Mapping) or "positions" not in found:
        return None
    return _pairs(found["positions"], file)


def _pairs(found: Sequence[Any], path: Path) -> NDArray[np.float64]:
    try:
        positions = np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError):
        positions = np.empty(0)
    if positions.ndim != 2 or positions.shape[1] != 2 or not np.isfinite(positions).all():
        raise KernelError(f"{path}: positions are pairs of row and column, [[y, x], ...].")
    return positions


def _json(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise KernelError(f"{path}: its JSON cannot be read ({reason(error)}).") from None


def _npz_names(path: Path) -> list[str]:
    try:
        with np.load(path, allow_pickle=False) as held:
            return list(held.files)
    except Exception:
        return []  # reading the file raises the error that describes its defect


def _npz(path: Path, name: str) -> NDArray[Any]:
    with np.load(path, allow_pickle=False) as held:
        return np.asarray(held[name])


__all__ = ["ImageError", "KernelFile", "read_kernel", "read_kernel_values", "write_kernel"]
