"""Writing of kernels and kernel fields."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from unblur.errors import OutputError
from unblur.io.files import check_vacant, suffix_of, written_whole
from unblur.io.kernel_facts import MARK, note_of, read_beside
from unblur.io.save import write_image
from unblur.io.tiff.reader import SUFFIXES
from unblur.model.image import Image
from unblur.model.kernel import Kernel, KernelField
from unblur.model.units import plane_size


def write_kernel(
    kernel: Kernel | KernelField, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a kernel as float32, in TIFF with the positions of a field, and return the path.

    A single kernel may also be written to any other format that holds float32. Its pixel size is
    written as the format states it; .npy states none, so that it goes to a .json file beside it.

    Raises
    ------
    OutputError
        If a field is to be written to another format than TIFF, or as `write_image` does.
    """
    target = Path(path)
    found = KernelField.single(kernel) if isinstance(kernel, Kernel) else kernel
    suffix = suffix_of(target)
    is_single = found.is_uniform and not found.channels
    if suffix in SUFFIXES and not (is_single and suffix.startswith(".ome.")):
        return _write_tiff(found, target, overwrite)
    if not is_single:
        raise OutputError(f"{target}: a field of kernels is written to TIFF; name it .tif.")
    weights = found.kernels[0][0].weights
    axes = "ZYX" if weights.ndim == 3 else "YX"
    image = Image(np.array(weights), axes, found.pixel_size, found.units, white=1.0)
    if suffix == ".npy":
        _write_beside(found, target, overwrite)
    return write_image(image, target, overwrite=overwrite)


def _write_beside(field: KernelField, target: Path, overwrite: bool) -> None:
    """Write what .npy cannot hold to a .json file, which replaces that of an older kernel."""
    note, beside = note_of(field), target.with_suffix(".json")
    if not note and not (overwrite and read_beside(target)):
        return
    check_vacant(target, overwrite)
    check_vacant(beside, overwrite)
    with written_whole(beside, overwrite=overwrite) as draft:
        draft.write_text(json.dumps(note, ensure_ascii=False) + "\n", "utf-8")


def _write_tiff(field: KernelField, path: Path, overwrite: bool) -> Path:
    import tifffile

    stack = np.stack([kernel.weights for kernel in field.every_kernel])
    plane = plane_size(field.pixel_size, field.units, "cm")
    options: dict[str, Any] = {}
    if plane is not None:
        options = {"resolution": (1 / plane[1], 1 / plane[0]), "resolutionunit": 3}
    with written_whole(path, overwrite=overwrite) as partial:
        tifffile.imwrite(
            partial,
            stack[0] if field.is_uniform and not field.channels else stack,
            photometric="minisblack",
            description=json.dumps({"unblur": MARK, **note_of(field)}),
            metadata=None,
            software="unblur",
            **options,
        )
    return path
