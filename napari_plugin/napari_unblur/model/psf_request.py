"""Fetching a PSF from a layer, a file or marked points, and what the PSF doctor says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_unblur.model.kernels import as_psf_array
from napari_unblur.model.layers import sliced
from napari_unblur.model.points import psf_from_points
from unblur.errors import KernelError
from unblur.model.kernel import Kernel, KernelField

if TYPE_CHECKING:
    from unblur.numerics.psf import Diagnostic

Origin = Literal["estimated", "layer", "file", "points"]


@dataclass(frozen=True, eq=False)
class Psf:
    """A PSF as it was found, with what the doctor says.

    Attributes
    ----------
    kernels : KernelField, optional
        Ready for use; `None` where the values break a rule of kernels.
    findings : tuple of Diagnostic
        The doctor's remarks; empty if all is well.
    repaired : Kernel, optional
        What the doctor makes of it, where something can be repaired.
    note : str
        Where it came from, e.g. "from 4 of 6 points".
    """

    kernels: KernelField | None
    findings: tuple[Diagnostic, ...] = ()
    repaired: Kernel | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class PsfRequest:
    """What to fetch.

    Attributes
    ----------
    origin : str
        "layer", "file" or "points".
    data : array, optional
        The layer's values, for "layer"; the image's planes, for "points".
    name : str
        Of the layer or file, for messages.
    points : sequence of positions
        In pixels of `data`, for "points".
    size : tuple of int
        Extent of the PSF to estimate, for "points".
    image_shape : tuple of int
        (Planes,) rows and columns of the image it is for.
    rgb : bool
        Whether the last axis of `data` holds colours, which are averaged.
    drop : tuple of int
        Axes of length 1 of `data` that are left out, for "points".
    pixel_size, image_pixel_size : mapping of axis to float
        Of the PSF and of the image, where known.
    """

    origin: Origin
    name: str = ""
    data: Any = None
    points: Sequence[Sequence[float]] = ()
    size: tuple[int, ...] = ()
    image_shape: tuple[int, ...] = ()
    rgb: bool = False
    drop: tuple[int, ...] = ()
    pixel_size: Mapping[str, float] = field(default_factory=dict)
    image_pixel_size: Mapping[str, float] = field(default_factory=dict)


def fetch_psf(request: PsfRequest) -> Psf:
    """Fetch and examine a PSF. Reads files; call it in a worker.

    Raises
    ------
    UnblurError
        If there is nothing that could be a PSF.
    """
    from unblur.numerics.psf import repair

    if request.origin == "file":
        return _from_file(request)
    values = _values(request)
    if request.origin == "layer":
        array = as_psf_array(values, request.name)
        return _examined(array, request, f"From the layer {request.name}.")
    kernel, count = psf_from_points(values, request.points, request.size)
    flat = kernel.weights[0] if request.size[0] == 1 else kernel.weights
    # What noise the average has left goes at once: there is no original to be true to.
    clean = repair(flat, image_shape=request.image_shape[-flat.ndim :] or None)
    note = f"Averaged from {count} of {len(request.points)} points."
    return _examined(clean.weights, request, note)


def _from_file(request: PsfRequest) -> Psf:
    from unblur.io import read_image, read_kernel

    path = Path(request.name)
    note = f"From {path.name}."
    try:
        kernels = read_kernel(path)
    except KernelError:
        # The file breaks a rule of kernels: let the doctor say which, and mend it.
        kernels = None
    if kernels is not None and not kernels.is_uniform:
        rows, columns = kernels.shape
        return Psf(kernels, note=f"{note[:-1]}: a grid of {rows} × {columns} kernels.")
    array = as_psf_array(read_image(path).data, path.name)
    return _examined(array, request, note)


def _examined(array: NDArray[Any], request: PsfRequest, note: str) -> Psf:
    from unblur.numerics.psf import repair, validate

    facts: dict[str, Any] = {
        "image_shape": request.image_shape[-array.ndim :] or None,
        "pixel_size": request.pixel_size or None,
        "image_pixel_size": request.image_pixel_size or None,
    }
    findings = tuple(validate(array, **facts))
    ready: KernelField | None = None
    mended: Kernel | None = None
    try:
        ready = KernelField.single(Kernel(array))
    except KernelError:
        ready = None
    if any(is_repairable(finding) for finding in findings):
        try:
            mended = repair(array, **facts)
        except KernelError:
            mended = None
    return Psf(ready, findings, mended, note)


def is_repairable(finding: Diagnostic) -> bool:
    """Whether the doctor himself can do something about it that changes the result."""
    return finding.level != "ok" and bool(finding.repair) and finding.repair[:7] != "Nothing"


def _values(request: PsfRequest) -> NDArray[Any]:
    data = request.data
    part = sliced(data, (slice(None),) * data.ndim)
    values = np.asarray(part.compute() if hasattr(part, "dask") else part)
    if request.rgb:
        values = values[..., :3].mean(axis=-1)
    return np.squeeze(values, axis=request.drop) if request.drop else values
