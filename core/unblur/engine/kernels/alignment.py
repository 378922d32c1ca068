"""Bringing kernels of one blur together that were estimated apart, each up to a shift."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import shift as shift_array

from unblur.model.kernel import Kernel

Float = NDArray[np.float64]

AGREEMENT = 0.5
"""Correlation with the others below which a kernel is left out of the mean."""


def average(kernels: Sequence[Kernel]) -> tuple[Kernel, list[int]]:
    """Return the mean of kernels that agree up to a shift, and which ones those are.

    Example
    -------
    >>> lone = Kernel(np.eye(5))
    >>> box = Kernel(np.ones((5, 5)))
    >>> mean, used = average([box, lone, box])
    >>> used
    [0, 2]
    """
    shape = largest_shape(kernel.weights for kernel in kernels)
    weights = [embedded(kernel.weights, shape) for kernel in kernels]
    scores = np.array([[agreement(a, b)[0] for b in weights] for a in weights])
    centre = int(scores.sum(axis=1).argmax())
    used = [i for i in range(len(weights)) if scores[centre, i] >= AGREEMENT]
    aligned = [
        shift_array(weights[i], agreement(weights[centre], weights[i])[1], order=1) for i in used
    ]
    return Kernel(np.mean(aligned, axis=0)), used


def agreement(a: Float, b: Float) -> tuple[float, tuple[int, ...]]:
    """Return the largest correlation of two kernels over shifts, and the shift of `b` there."""
    extent = [2 * n for n in a.shape]
    axes = range(len(extent))
    product = np.fft.rfftn(a, extent, axes) * np.conj(np.fft.rfftn(b, extent, axes))
    correlation = np.fft.irfftn(product, extent, axes)
    peak = np.unravel_index(int(correlation.argmax()), correlation.shape)
    shift = tuple(int(p) if p < n // 2 else int(p) - n for p, n in zip(peak, extent, strict=True))
    return float(correlation.max() / (np.linalg.norm(a) * np.linalg.norm(b))), shift


def embedded(weights: NDArray[Any], shape: Sequence[int]) -> Float:
    """Return weights in the middle of a larger grid, centre on centre."""
    before = [n // 2 - k // 2 for n, k in zip(shape, weights.shape, strict=True)]
    pad = [(b, n - k - b) for b, n, k in zip(before, shape, weights.shape, strict=True)]
    return np.pad(weights.astype(np.float64), pad)


def largest_shape(weights: Iterable[NDArray[Any]]) -> tuple[int, ...]:
    """Return the extent that holds each of several kernels."""
    return tuple(max(extents) for extents in zip(*(w.shape for w in weights), strict=True))


def centred(weights: Float) -> Float:
    """Return weights moved, by a fraction of a pixel if need be, so that `n // 2` is their centre.

    The centre is the centre of mass, which no shift of the scene can then hide in.
    """
    mass = [float((axis * weights).sum() / weights.sum()) for axis in np.indices(weights.shape)]
    offset = [n // 2 - m for n, m in zip(weights.shape, mass, strict=True)]
    moved = np.maximum(shift_array(weights, offset, order=3), 0)
    return np.asarray(moved / moved.sum())
