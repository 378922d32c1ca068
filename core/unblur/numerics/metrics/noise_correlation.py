"""Noise that neighbouring pixels share: how far it is correlated, and new noise of that kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

Array = NDArray[np.float64]

WHITE = np.ones(1)
"""Correlation of noise that is independent from pixel to pixel, dimensionless."""

LARGEST_WHITE = 0.2
"""Largest correlation of neighbours that is taken for none, dimensionless. Little of the scene is
left in the differences of a blurred image: at most 0.09 in images of microscopes with white noise,
where a scanned electron micrograph has 0.42 along its rows."""

ORDER = 8
"""Order of the differences that leave the noise, dimensionless. Of fourth differences the fine
structure of well exposed images is a part."""

DEPENDENT = 3.6
"""Number of neighbouring differences for each that is independent, dimensionless."""

REACH = 4
"""Largest distance of correlated pixels, in pixels."""

WINDOW = 9
"""Edge of the windows whose noise is brought to one standard deviation, in pixels."""


def estimate_noise_correlation(image: Array) -> tuple[Array, Array]:
    """Return how the noise of an image is correlated along its rows' and its columns' axis.

    A detector that responds slowly, an interpolation or a smoothing filter leave noise of which
    neighbours share a part. What a blurred image has at the highest frequencies of one axis is
    noise: differences of high order along that axis, and how they are correlated along the other.

    Parameters
    ----------
    image : (..., H, W) array
        Finite; planes are taken together.

    Returns
    -------
    along_rows, along_columns : (K,) array
        Correlation with the pixel 0, 1, ... rows below, and columns beside; `[1.]` where neighbours
        differ no less than independent ones.

    Example
    -------
    >>> noise = np.random.default_rng(0).standard_normal((128, 129))
    >>> along_rows, along_columns = estimate_noise_correlation(noise[:, 1:] + noise[:, :-1])
    >>> along_rows.tolist(), along_columns.round(1).tolist()
    ([1.0], [1.0, 0.5])
    """
    return _along(image, -2), _along(image, -1)


def _along(image: Array, axis: int) -> Array:
    """Return the correlation of the noise along one of the last two axes."""
    high = np.diff(image, ORDER, -1 if axis == -2 else -2)
    window = [1] * (image.ndim - 2) + [WINDOW] * 2
    power = np.maximum(uniform_filter(high**2, window), 0)
    level = np.moveaxis(high / np.sqrt(np.maximum(power, 1e-12 * power.max() + 1e-300)), axis, -1)
    total = float(np.square(level).mean())
    if total == 0:
        return WHITE
    found = [float((level[..., :-k] * level[..., k:]).mean()) / total for k in range(1, REACH + 1)]
    error = np.sqrt(DEPENDENT / level.size)
    if found[0] < max(LARGEST_WHITE, 4 * error):
        return WHITE
    count = next((k for k, value in enumerate(found) if value < 4 * error), REACH)
    return np.array([1.0, *found[:count]])


def difference_power(along: Array) -> float:
    """Return the variance of second differences of noise, relative to that of white noise."""
    one, two = [*along[1:3], 0.0, 0.0][:2]
    return float((6 - 8 * one + 2 * two) / 6)


def draw_noise(
    draws: np.random.Generator, shape: Sequence[int], along_rows: Array, along_columns: Array
) -> Array:
    """Return noise (..., H, W) of standard deviation 1, correlated along the last two axes."""
    noise = draws.standard_normal(tuple(shape))
    for axis, along in ((-2, along_rows), (-1, along_columns)):
        if len(along) == 1:
            continue
        n = noise.shape[axis]
        phase = 2 * np.pi * np.fft.rfftfreq(n)
        lags = np.arange(1, len(along))
        power = 1 + 2 * (along[1:, None] * np.cos(lags[:, None] * phase)).sum(0)
        response = np.sqrt(np.maximum(power, 0))
        line = np.fft.irfft(response, n)
        response /= np.linalg.norm(line)
        transformed = np.moveaxis(np.fft.rfft(noise, axis=axis), axis, -1) * response
        noise = np.fft.irfft(np.moveaxis(transformed, -1, axis), n, axis=axis)
    return np.asarray(noise)
