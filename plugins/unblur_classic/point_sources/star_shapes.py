"""Shapes of point sources: second moments, and points whose shape is unlike that of the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unblur.numerics.statistics import mad_std

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

MIN_POINTS = 8
"""Smallest number of points among which outliers are found, dimensionless."""

MAX_DEVIATION = 5.0
"""Largest deviation of a moment from that of the other points, in robust standard deviations."""

MIN_DEVIATION = 0.1
"""Smallest deviation that makes a point an outlier, as a fraction of the mean second moment,
dimensionless."""


def second_moments(windows: Array, sigma: float) -> Array:
    """Return the second moments of points under a Gaussian weight, relative to its variance.

    Parameters
    ----------
    windows : (N, *k)
        Windows around the points, background subtracted.
    sigma : float
        Standard deviation of the weight, in pixels.

    Returns
    -------
    (N, ndim (ndim + 1) / 2)
        The entries of the upper triangle, row by row: about 0.5 on the diagonal for a point of
        the weight's own size, and about 0 off it.
    """
    ndim = windows.ndim - 1
    axes = tuple(range(1, ndim + 1))
    grids = np.indices(windows.shape[1:], np.float64)
    grids -= np.array([n // 2 for n in windows.shape[1:]]).reshape(-1, *(1,) * ndim)
    centre = np.zeros((ndim, len(windows)))
    for _ in range(4):
        offset = grids[:, None] - centre.reshape(ndim, -1, *(1,) * ndim)
        weighted = windows * np.exp(-0.5 * np.square(offset / sigma).sum(0))
        total = np.maximum(weighted.sum(axes), 1e-30)
        centre = np.clip(
            centre + 1.5 * np.array([(o * weighted).sum(axes) / total for o in offset]), -2, 2
        )
    found = [
        (offset[i] * offset[j] * weighted).sum(axes) / total / sigma**2
        for i in range(ndim)
        for j in range(i, ndim)
    ]
    return np.stack(found, 1)


def like_the_others(moments: Array, basis: Array) -> Flags:
    """Return the points whose moments follow those of the others over the field, (N) bool.

    Trailed, double and extended sources have larger or elongated moments, cosmic rays smaller ones.

    Parameters
    ----------
    moments : (N, M)
        Moments of the points.
    basis : (N, K)
        Functions of the position, of which the moments of points are linear combinations.
    """
    kept = np.ones(len(moments), bool)
    if len(moments) < max(MIN_POINTS, 3 * basis.shape[1]):
        return kept
    scale = float(np.median(moments))
    middle = np.median(moments, axis=0)
    for step in range(6):
        if step:
            middle = basis @ np.linalg.lstsq(basis[kept], moments[kept], rcond=None)[0]
        left = moments - middle
        spread = mad_std(left[kept], axis=0)
        limit = np.maximum(MAX_DEVIATION * spread, MIN_DEVIATION * abs(scale))
        if not step:
            limit = 2 * limit  # the shapes may vary over the field
        now = (np.abs(left) <= limit).all(axis=1)
        if (step and (now == kept).all()) or now.sum() < basis.shape[1] + 1:
            break
        kept = now
    return kept
