"""Robust statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MAD_TO_STD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation, dimensionless."""


def mad_std(values: NDArray[Any], center: float | None = None, axis: int | None = None) -> Any:
    """Return the standard deviation estimated from the median absolute deviation.

    Parameters
    ----------
    values : array
        Real values, finite, at least one along `axis`.
    center : float, optional
        Value that deviations are taken from; the median by default.
    axis : int, optional
        Axis along which to reduce; all of them by default.

    Returns
    -------
    float or array
        A float for `axis=None`, in the unit of `values`.

    Example
    -------
    >>> mad_std(np.array([1.0, 2.0, 3.0, 4.0, 100.0]))
    1.4826
    """
    if center is None:
        center = np.median(values, axis=axis, keepdims=axis is not None)
    deviation = np.median(np.abs(values - center), axis=axis)
    return MAD_TO_STD * (float(deviation) if axis is None else deviation)
