"""Reading a PSF from a layer, a file or marked points, and its validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_unblur.model.kernel_layers import as_psf_array
from napari_unblur.model.layers import lazy_slice
from napari_unblur.model.marked_points import psf_from_points
from unblur.errors import KernelError
from unblur.model.kernel import Kernel, KernelField

if TYPE_CHECKING:
    from unblur.numerics.psf import Diagnostic

PsfOrigin = Literal["estimated", "layer", "file", "points"]


@dataclass(frozen=True, eq=False)
class PsfCandidate:
    """A PSF as it was read, with the result of its validation.

    Attributes
    ----------
    kernels : KernelField, optional
        The PSF if it is usable; None if its values are not those of a kernel.
    diagnostics : tuple of Diagnostic
        Diagnostics of the PSF doctor.
    repaired : Kernel, optional
        The repaired PSF, where it can be repaired.
    note : str
        Origin of the PSF, e.g. "Averaged from 4 of 6 points."
    """

    kernels: KernelField | None
    diagnostics: tuple[Diagnostic, ...] = ()
    repaired: Kernel | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class PsfRequest:
    """Where to read a PSF from, and facts about the image for its validation.

    Attributes
    ----------
    origin : str
        "layer", "file" or "points".
    name : str
        Name of the layer, or path of the file.
    data : array, optional
        Values of the layer for "layer"; of the image for "points".
    points : sequence of positions
        Marked positions in pixels of `data`, for "points".
    size : tuple of int
        Size of the PSF to estimate along each axis, in pixels, for "points".
    image_shape : tuple of int
        (Planes,) rows and columns of the image to deblur.
    rgb : bool
        Whether the last axis of `data` holds colours, which are averaged.
    drop : tuple of int
        Axes of length 1 of `data` to remove, for "points".
    pixel_size, image_pixel_size : mapping of axis to float
        Pixel size of the PSF and of the image, where known.
    units, image_units : mapping of axis to str
        Their units.
    """

    origin: PsfOrigin
    name: str = ""
    data: Any = None
    points: Sequence[Sequence[float]] = ()
    size: tuple[int, ...] = ()
    image_shape: tuple[int, ...] = ()
    rgb: bool = False
    drop: tuple[int, ...] = ()
    pixel_size: Mapping[str, float] = field(default_factory=dict)
    image_pixel_size: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    image_units: Mapping[str, str] = field(default_factory=dict)


def fetch_psf(request: PsfRequest) -> PsfCandidate:
    """Read and validate a PSF. May read files; call it in a worker.

    Raises
    ------
    UnblurError
        If the source holds no PSF.
    """
    from unblur.numerics.psf import repair

    if request.origin == "file":
        return _from_file(request)
    values = _values(request)
    if request.origin == "layer":
        array = as_psf_array(values, request.name)
        return _validate(array, request, f"From the layer {request.name}.")
    kernel, count = psf_from_points(values, request.points, request.size)
    flat = kernel.weights[0] if request.size[0] == 1 else kernel.weights
    # The residual noise of the average is removed at once: there is no original to preserve.
    clean = repair(flat, image_shape=request.image_shape[-flat.ndim :] or None)
    note = f"Averaged from {count} of {len(request.points)} points."
    return _validate(clean.weights, request, note)


def _from_file(request: PsfRequest) -> PsfCandidate:
    from unblur.io import read_kernel_values

    path = Path(request.name)
    note = f"From {path.name}."
    read = read_kernel_values(path)
    try:
        kernels: KernelField | None = read.to_field()
    except KernelError:
        kernels = None  # its values are not those of a kernel, but can be diagnosed and repaired
    if kernels is not None and not kernels.is_uniform:
        rows, columns = kernels.shape
        return PsfCandidate(kernels, note=f"{note[:-1]}: a grid of {rows} × {columns} kernels.")
    # Of a PSF at several samplings the run takes the one at the image's pixel size, too.
    chosen = read.choose_sampling(request.image_pixel_size, request.image_units)
    known = replace(request, pixel_size=chosen.pixel_size, units=chosen.units)
    found = _validate(as_psf_array(chosen.values, path.name), known, note)
    return found if found.kernels is None else replace(found, kernels=kernels)


def _validate(array: NDArray[Any], request: PsfRequest, note: str) -> PsfCandidate:
    from unblur.numerics.psf import repair, validate

    facts: dict[str, Any] = {
        "image_shape": request.image_shape[-array.ndim :] or None,
        "pixel_size": request.pixel_size or None,
        "image_pixel_size": request.image_pixel_size,
        "units": request.units,
        "image_units": request.image_units,
    }
    diagnostics = tuple(validate(array, **facts))
    ready: KernelField | None = None
    repaired: Kernel | None = None
    try:
        kernel = Kernel.from_samples(array, request.pixel_size, request.units)
        ready = KernelField.single(kernel)
    except KernelError:
        ready = None
    if any(d.what == "pixel size" and d.level == "error" for d in diagnostics):
        ready = None  # a run refuses it
    if any(is_repairable(diagnostic) for diagnostic in diagnostics):
        try:
            repaired = repair(array, **facts)
        except KernelError:
            repaired = None
    return PsfCandidate(ready, diagnostics, repaired, note)


def is_repairable(diagnostic: Diagnostic) -> bool:
    """Whether `repair` changes the PSF in response to this diagnostic."""
    return (
        diagnostic.level != "ok" and bool(diagnostic.repair) and diagnostic.repair[:7] != "Nothing"
    )


def _values(request: PsfRequest) -> NDArray[Any]:
    data = request.data
    part = lazy_slice(data, (slice(None),) * data.ndim)
    values = np.asarray(part.compute() if hasattr(part, "dask") else part)
    if request.rgb:
        values = values[..., :3].mean(axis=-1)
    return np.squeeze(values, axis=request.drop) if request.drop else values
