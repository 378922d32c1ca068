"""NumPy files: one array in .npy, several in .npz. Pickles are never loaded."""

from __future__ import annotations

import os
import zipfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ImageError, suggestion
from unblur.io.axes import COLOURS, canonical, check_given, guess_axes, in_file_order
from unblur.io.files import split_part
from unblur.io.lazy_pixels import Lazy, MappedFile, StoredPixels, check_fits_memory, is_read_lazily
from unblur.io.size_limits import check_expansion
from unblur.model.formats import Reader, Writer, describe_others
from unblur.model.image import Image


class NpyReader(Reader):
    """Reads .npy, and the first array with two axes or more, or `name.npz[array]`, of .npz.

    The files contain values only, so the axes are guessed from the shape unless given.
    """

    name = "npy"
    suffixes = (".npy", ".npz")
    has_parts = True

    def read(self, path: Path, *, axes: str | None = None, lazy: Lazy = False) -> Image:
        """Return the image; a lazy .npy is mapped, not read."""
        file, part = split_part(path)
        others: list[str] = []
        if file.suffix.lower() == ".npz":
            values, others = _member(file, part)
        else:
            values = np.load(file, mmap_mode="r", allow_pickle=False)
            if not lazy:
                check_fits_memory(values.shape, values.dtype, file)
        source = str(path)
        if 0 in values.shape:
            raise ImageError(f"{source}: the image is empty (shape {values.shape}).")
        given = None if axes is None else check_given(axes, values.shape, source)
        names = given or guess_axes(values.shape, source)
        data: Any = values
        native = values.dtype.newbyteorder("=")
        if is_read_lazily(lazy, values.shape, native) and isinstance(values, np.memmap):
            stored = StoredPixels(open_mapped, file, "", values.shape, native)
            start = [256 if a in "YX" else n if a == "C" else 1 for a, n in
                     zip(names, values.shape, strict=True)]  # fmt: skip
            data = stored.to_dask(start, [names.index(a) for a in "YX"])
        else:
            data = np.array(values, dtype=native)
        data, order = canonical(data, names)
        count = data.shape[order.index("C")] if names.endswith("C") else 0
        notes = describe_others(file, len(others) + 1, others[0] if others else "")
        metadata = {"format": "npy", "file_axes": names, "notes": notes}
        return Image(data, order, channels=COLOURS.get(count, ()), metadata=metadata, source=source)


class NpyWriter(Writer):
    """Writes the values, in the axis order of the input, to .npy, which holds no metadata."""

    name = "npy"
    suffixes = (".npy",)

    def write(self, image: Image, path: Path) -> None:
        """Write the image; a dask array is computed chunk by chunk into the mapped file."""
        data, _ = in_file_order(image.data, image.axes, image.metadata.get("file_axes"))
        if not image.is_lazy:
            with path.open("wb") as file:
                np.save(file, data, allow_pickle=False)
            return
        import dask.array as da

        dtype = np.dtype(data.dtype)
        header = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": data.shape,
        }
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            offset = file.tell()
            # A full disk raises an error here; a mapping would crash the process later.
            _reserve(file, int(np.prod(data.shape)) * dtype.itemsize)
        target: Any = MappedFile(path, dtype, offset, data.shape, "r+")
        da.store(data, target, lock=False)


def open_mapped(path: Path, part: str) -> Any:
    """Return an array-like over the array in a .npy file."""
    found = np.load(path, mmap_mode="r", allow_pickle=False)
    if not found.flags.c_contiguous:
        return found  # column-major, which MappedFile does not support
    return MappedFile(path, found.dtype, found.offset, found.shape)


def check_members(path: Path) -> None:
    """Raise `ImageError` if an array of an .npz is implausibly larger than the file.

    Both the archive and the header of the array state its size.
    """
    size = path.stat().st_size
    with zipfile.ZipFile(path) as held:
        for info in held.infolist():
            stated = float(info.file_size)
            with held.open(info) as file:
                header = _stated_header(file)
            if header is not None:
                shape, dtype = header
                stated = max(stated, float(prod(shape)) * dtype.itemsize)
            check_expansion(stated, size, f"{path}[{info.filename.removesuffix('.npy')}]")


def _stated_header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]] | None:
    """Return shape and dtype by the header of an array; `None` if it has none."""
    try:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        found = None if read is None else read(file)
    except ValueError:
        return None  # reading the array raises the error that describes its defect
    return None if found is None else (found[0], found[2])


def _member(path: Path, part: str | None) -> tuple[NDArray[Any], list[str]]:
    """Return an array, and if it is chosen as the first, the names of the others like it."""
    check_members(path)
    others: list[str] = []
    with np.load(path, allow_pickle=False) as held:
        if part is None:
            part, *others = [n for n in held.files if held[n].ndim >= 2] or [None]
            if part is None:
                raise ImageError(f"{path} holds no array of two axes or more.")
        if part not in held.files:
            near = suggestion(part, held.files) or "."
            raise ImageError(
                f"{path} holds no array '{part}'{near} There are: {', '.join(held.files)}."
            )
        return np.asarray(held[part]), others


def _reserve(file: Any, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), file.tell(), size)
    else:
        file.seek(size - 1, os.SEEK_CUR)
        file.write(b"\0")
