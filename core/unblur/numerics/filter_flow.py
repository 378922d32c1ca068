"""Deconvolution where the kernel differs from place to place.

The model is efficient filter flow: the image is the sum of windowed scenes, each blurred by the
kernel of its window,

    y = sum_r k_r * (w_r x),    sum_r w_r = 1,

so that at any position the kernel is the mean of the kernels around it, weighted by the windows
(M. Hirsch, S. Sra, B. Schoelkopf, S. Harmeling, "Efficient filter flow for space-variant
multiframe blind deconvolution", CVPR 2010, Eqs. 3-5). It is inverted window by window: each is
deconvolved with the kernel of its centre, including its halo, and blended with its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unblur.model.kernel import Kernel, KernelField

SUBDIVISION = 2
"""Largest number of windows per step of the kernel grid, dimensionless. Kernels between grid points
are interpolated."""

NARROWEST_WINDOW = 2
"""Smallest window into which a step of the grid is divided, in kernel extents. Each window is
deconvolved with a halo, and a grid as fine as that needs no more kernels."""

WIDEST_TRANSITION = 2
"""Largest width over which two windows are blended, in kernel extents; at most half the distance
of their centres."""

Deblur = Callable[[Tensor, Kernel, Tensor | None, tuple[int, int], tuple[bool, ...]], Tensor]


def kernel_at(field: KernelField, row: float, column: float) -> Kernel:
    """Return the kernel at a position, interpolated linearly between the grid's kernels.

    Beyond the outermost kernels it is constant.
    """
    total: NDArray[np.float64] | float = 0.0
    for i, a in _neighbours(field.rows, row):
        for j, b in _neighbours(field.columns, column):
            total = total + a * b * field.kernels[i][j].weights.astype(np.float64)
    return Kernel(np.asarray(total))


def deconvolve_varying(
    deblur: Deblur,
    blurred: Tensor,
    field: KernelField,
    halo: Sequence[int],
    origin: Sequence[int],
    mask: Tensor | None = None,
) -> Tensor:
    """Deconvolve a piece of an image whose kernel varies along Y and X.

    Parameters
    ----------
    deblur : callable
        Maps a piece (C, *spatial), its kernel, its mask and the row and column of its first pixel
        in the whole image to the sharp piece.
    blurred : (C, *spatial)
        The piece.
    field : KernelField
        Kernels with their positions in the whole image.
    halo : sequence of int
        Pixels that `deblur` needs around a window, along each spatial axis.
    origin : (int, int)
        Row and column of the piece's first pixel in the whole image. Windows keep their place
        in the image, so that pieces agree where they overlap.
    mask : (*spatial), optional
        1 = valid pixel.
    """
    shape = blurred.shape[-2:]
    extent = field.kernels[0][0].shape
    vertical, horizontal = (
        _windows(subdivide(positions, reach), start, pixels, WIDEST_TRANSITION * reach)
        for positions, reach, start, pixels in zip(
            (field.rows, field.columns), extent[-2:], origin, shape, strict=True
        )
    )
    result = torch.zeros_like(blurred)
    for row, rows, fade_rows in vertical:
        for column, columns, fade_columns in horizontal:
            kernel = kernel_at(field, row, column)
            padded = (_grown(rows, halo[-2], shape[0]), _grown(columns, halo[-1], shape[1]))
            piece = blurred[(..., *padded)]
            position = (origin[0] + padded[0].start, origin[1] + padded[1].start)
            valid = None if mask is None else mask[(..., *padded)]
            made = deblur(piece, kernel, valid, position, _cut_axes(padded, shape, kernel.ndim))
            inside = tuple(
                slice(span.start - wide.start, span.stop - wide.start)
                for span, wide in zip((rows, columns), padded, strict=True)
            )
            window = np.outer(fade_rows, fade_columns).astype(np.float32)
            weight = torch.from_numpy(window).to(blurred)
            result[..., rows, columns] += weight * made[..., inside[0], inside[1]]
    return result


def subdivide(positions: Sequence[float], extent: int) -> list[float]:
    """Return grid positions with up to `SUBDIVISION` steps for each one of the grid's.

    A step is not divided into less than `NARROWEST_WINDOW` kernels of `extent` pixels.
    """
    fine: list[float] = []
    for near, far in pairwise(positions):
        count = min(max(int((far - near) / (NARROWEST_WINDOW * extent)), 1), SUBDIVISION)
        fine.extend(near + (far - near) * step / count for step in range(count))
    return [*fine, positions[-1]]


def _windows(
    centres: Sequence[float], start: int, extent: int, widest: float
) -> list[tuple[float, slice, NDArray[np.float64]]]:
    """Return centre, span within the piece and weights of each window that meets the piece."""
    pixels = start + np.arange(extent, dtype=np.float64)
    steps = [_step(pixels, near, far, widest) for near, far in pairwise(centres)]
    edges = [np.ones(extent), *steps, np.zeros(extent)]
    found = []
    for centre, rising, falling in zip(centres, edges, edges[1:], strict=False):
        weight = rising - falling
        inside = np.flatnonzero(weight > 0)
        if inside.size:
            span = slice(int(inside[0]), int(inside[-1]) + 1)
            found.append((centre, span, weight[span]))
    return found


def _step(
    pixels: NDArray[np.float64], near: float, far: float, widest: float
) -> NDArray[np.float64]:
    """Return a raised-cosine step from 0 to 1 in the middle between two positions.

    It is half as wide as their distance, and at most `widest`.
    """
    width = min((far - near) / 2, widest)
    way = np.clip((pixels - (near + far) / 2) / width + 0.5, 0, 1)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * way))


def _neighbours(positions: Sequence[float], place: float) -> list[tuple[int, float]]:
    """Return the indices of the positions around `place` and their linear weights."""
    if len(positions) == 1 or place <= positions[0]:
        return [(0, 1.0)]
    if place >= positions[-1]:
        return [(len(positions) - 1, 1.0)]
    right = int(np.searchsorted(positions, place, side="right"))
    left = right - 1
    share = (place - positions[left]) / (positions[right] - positions[left])
    return [(left, 1 - share), (right, share)]


def _cut_axes(spans: Sequence[slice], shape: Sequence[int], ndim: int) -> tuple[bool, ...]:
    """Return along which of the spatial axes a window has pixels of the piece on both sides."""
    across = (s.start > 0 and s.stop < n for s, n in zip(spans, shape, strict=True))
    return (*(False,) * (ndim - len(spans)), *across)


def _grown(span: slice, margin: int, extent: int) -> slice:
    return slice(max(span.start - margin, 0), min(span.stop + margin, extent))
