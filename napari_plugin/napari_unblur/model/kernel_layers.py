"""Blur kernels as a small layer, as a grid over the image, and as a thumbnail."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unblur.model.layers import LayerSnapshot
from unblur.errors import KernelError
from unblur.model.kernel import Kernel, KernelField

COLORMAP = "inferno"
"""Name of the colour map of kernel layers."""


def kernel_layer(
    kernel: Kernel, snapshot: LayerSnapshot, offset: tuple[int, ...]
) -> dict[str, Any]:
    """Return data and keyword arguments of a layer that shows `kernel` beside the image.

    The pixel size is that of the image; the kernel is placed to the left of its first pixel.
    """
    ndim = kernel.ndim
    corner = list(offset[-ndim:])
    corner[-1] -= kernel.shape[-1] + 2
    lead = len(snapshot.shape) - ndim
    translate = snapshot.translate((*offset[:lead], *corner))
    data = kernel.weights.reshape((1,) * lead + kernel.shape)
    return {
        "data": data,
        "name": f"{snapshot.name} PSF",
        "colormap": COLORMAP,
        "contrast_limits": [0.0, float(kernel.weights.max())],
        "translate": translate,
        **{key: snapshot.style[key] for key in _GEOMETRY},
    }


def field_layer(
    field: KernelField, snapshot: LayerSnapshot, offset: tuple[int, ...]
) -> dict[str, Any]:
    """Return data and keyword arguments of a layer that shows the kernels over the image.

    Each kernel is drawn at its position in the image and scaled to a maximum of 1, so that
    shapes can be compared.
    """
    mosaic = field_mosaic(field)
    cell_sizes = [n // count for n, count in zip(mosaic.shape, field.shape, strict=True)]
    extent = snapshot.shape[-2:]
    # A pixel of the mosaic is `step` image pixels wide, so that the spacing of the kernels is
    # that of their positions.
    steps, corner = [], []
    for centres, cell, size in zip((field.rows, field.columns), cell_sizes, extent, strict=True):
        first, spacing = _grid(centres, size, is_uniform=field.is_uniform)
        steps.append(spacing / cell)
        corner.append(first - spacing / cell * (cell // 2))
    lead = len(snapshot.shape) - 2
    style = {key: snapshot.style[key] for key in _GEOMETRY}
    style["scale"] = np.array(style["scale"], float)
    style["scale"][-2:] *= steps
    corner_offset = (*offset[:lead], *(o + c for o, c in zip(offset[lead:], corner, strict=True)))
    return {
        "data": mosaic.reshape((1,) * lead + mosaic.shape),
        "name": f"{snapshot.name} PSF field",
        "colormap": COLORMAP,
        "contrast_limits": [0.0, 1.0],
        "blending": "additive",
        "opacity": 0.8,
        "translate": snapshot.translate(corner_offset),
        **style,
    }


def field_mosaic(field: KernelField) -> NDArray[np.float32]:
    """Return the kernels side by side, (rows * H, columns * W), each scaled to a maximum of 1."""
    tiles = [[_plane(kernel) for kernel in row] for row in field.kernels]
    return np.block([[tile / tile.max() for tile in row] for row in tiles]).astype(np.float32)


def thumbnail(kernel: Kernel) -> NDArray[np.uint8]:
    """Return the kernel as grey values (H, W), gamma-corrected to show its low-valued tails."""
    plane = _plane(kernel)
    grey: NDArray[np.uint8] = np.rint(255 * np.sqrt(plane / plane.max())).astype(np.uint8)
    return grey


def as_psf_array(values: Any, name: str) -> NDArray[Any]:
    """Return the values of a layer as a 2-D or 3-D array, without axes of length 1.

    Raises
    ------
    KernelError
        If more than three axes remain.
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


_GEOMETRY = ("scale", "rotate", "shear", "affine", "units", "axis_labels")


def _plane(kernel: Kernel) -> NDArray[np.float32]:
    return kernel.weights if kernel.ndim == 2 else kernel.weights.max(axis=0)


def _grid(centres: tuple[float, ...], extent: int, *, is_uniform: bool) -> tuple[float, float]:
    """Return the first centre and the spacing; a single kernel fills a third of the image."""
    if is_uniform:
        return (extent - 1) / 2, extent / 3
    spacing = float(np.mean(np.diff(centres))) if len(centres) > 1 else extent / 3
    return centres[0], spacing
