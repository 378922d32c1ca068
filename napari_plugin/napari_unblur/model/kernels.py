"""Showing blur kernels: as a small layer, as a grid over the image, as a thumbnail."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unblur.model.layers import Source
from unblur.errors import KernelError
from unblur.model.kernel import Kernel, KernelField

COLORMAP = "inferno"


def kernel_layer(kernel: Kernel, source: Source, offset: tuple[int, ...]) -> dict[str, Any]:
    """Return data and keyword arguments of a layer that shows `kernel` at the image's corner.

    Pixels have the size that they have in the image, and the kernel lies just left of it.
    """
    ndim = kernel.ndim
    corner = list(offset[-ndim:])
    corner[-1] -= kernel.shape[-1] + 2
    lead = len(source.shape) - ndim
    place = source.world((*offset[:lead], *corner))
    data = kernel.weights.reshape((1,) * lead + kernel.shape)
    return {
        "data": data,
        "name": f"{source.name} PSF",
        "colormap": COLORMAP,
        "contrast_limits": [0.0, float(kernel.weights.max())],
        "translate": place,
        **{key: source.style[key] for key in _PLACE},
    }


def field_layer(field: KernelField, source: Source, offset: tuple[int, ...]) -> dict[str, Any]:
    """Return data and keyword arguments of a layer that lays the kernels out over the image.

    Every kernel is drawn in the middle of the part of the image that it holds for, each
    brightened to its own maximum, so that shapes can be compared.
    """
    mosaic = field_mosaic(field)
    cells = [n // count for n, count in zip(mosaic.shape, field.shape, strict=True)]
    extent = source.shape[-2:]
    # A pixel of the mosaic is `step` image pixels wide, so that kernels lie as far apart as
    # the places that they hold for.
    steps, corner = [], []
    for centres, cell, size in zip((field.rows, field.columns), cells, extent, strict=True):
        first, spacing = _grid(centres, size, is_uniform=field.is_uniform)
        steps.append(spacing / cell)
        corner.append(first - spacing / cell * (cell // 2))
    lead = len(source.shape) - 2
    style = {key: source.style[key] for key in _PLACE}
    style["scale"] = np.array(style["scale"], float)
    style["scale"][-2:] *= steps
    begin = (*offset[:lead], *(o + c for o, c in zip(offset[lead:], corner, strict=True)))
    return {
        "data": mosaic.reshape((1,) * lead + mosaic.shape),
        "name": f"{source.name} PSF field",
        "colormap": COLORMAP,
        "contrast_limits": [0.0, 1.0],
        "blending": "additive",
        "opacity": 0.8,
        "translate": source.world(begin),
        **style,
    }


def field_mosaic(field: KernelField) -> NDArray[np.float32]:
    """Return the kernels side by side, (rows * H, columns * W), each scaled to a maximum of 1."""
    tiles = [[_plane(kernel) for kernel in row] for row in field.kernels]
    return np.block([[tile / tile.max() for tile in row] for row in tiles]).astype(np.float32)


def thumbnail(kernel: Kernel) -> NDArray[np.uint8]:
    """Return the kernel as grey values (H, W), gamma-corrected so that faint tails show."""
    plane = _plane(kernel)
    grey: NDArray[np.uint8] = np.rint(255 * np.sqrt(plane / plane.max())).astype(np.uint8)
    return grey


def to_field(kernel: Kernel | KernelField) -> KernelField:
    """Return a kernel as a field of one, and a field as it is."""
    return KernelField.single(kernel) if isinstance(kernel, Kernel) else kernel


def as_psf_array(values: Any, name: str) -> NDArray[Any]:
    """Return a layer's values as a 2-D or 3-D array, axes of length 1 dropped.

    Raises
    ------
    KernelError
        If more than three axes are left.
    """
    array = np.asarray(values)
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    if array.ndim not in (2, 3):
        raise KernelError(
            f"{name}: a PSF has 2 or 3 axes, this layer has {array.ndim}; choose a layer that "
            "holds one PSF."
        )
    return array


_PLACE = ("scale", "rotate", "shear", "affine", "units", "axis_labels")


def _plane(kernel: Kernel) -> NDArray[np.float32]:
    return kernel.weights if kernel.ndim == 2 else kernel.weights.max(axis=0)


def _grid(centres: tuple[float, ...], extent: int, *, is_uniform: bool) -> tuple[float, float]:
    """Return the first centre and the spacing; one kernel alone fills a third of the image."""
    if is_uniform:
        return (extent - 1) / 2, extent / 3
    spacing = float(np.mean(np.diff(centres))) if len(centres) > 1 else extent / 3
    return centres[0], spacing
