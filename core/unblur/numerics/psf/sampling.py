"""Pixel sizes of a PSF and of its image: comparison, and resampling from one to the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, prod

import numpy as np
import scipy
from numpy.typing import NDArray

from unblur.errors import KernelError
from unblur.model.units import convert

Array = NDArray[np.float64]

SAME = 0.01
"""Largest relative difference of two pixel sizes that are taken to be the same, dimensionless."""

TOLERATED = 0.05
"""Largest relative difference of two pixel sizes that a deconvolution runs with, dimensionless.

The PSF is then too wide or too narrow by as much, less than most PSFs are known to. The scale of a
distorted field of view varies by a few per cent.
"""

MAX_RATIO = 32.0
"""Largest ratio of two pixel sizes, either way, that is resampled, dimensionless.

PSFs are computed with up to about 10 samples per pixel; beyond that, a unit is wrong.
"""

MAX_SAMPLES = 2**24
"""Largest number of samples of a resampled PSF."""


def pixel_size_ratios(
    axes: str,
    pixel_size: Mapping[str, float] | None,
    image_pixel_size: Mapping[str, float] | None,
    units: Mapping[str, str] | None = None,
    image_units: Mapping[str, str] | None = None,
) -> dict[str, float]:
    """Return the PSF's pixel size over the image's along each axis for which both are known.

    Parameters
    ----------
    axes : str
        Axes of the PSF, "YX" or "ZYX".
    pixel_size, image_pixel_size : mapping of axis to float, optional
        Sampling steps.
    units, image_units : mapping of axis to str, optional
        Their units; a size without one is in that of the other.

    Returns
    -------
    dict of axis to float
        Without axes whose units cannot be converted, e.g. "arcsec" and "µm".

    Example
    -------
    >>> sizes = {"Y": 300, "X": 100}, {"Y": 0.3, "X": 0.3}
    >>> pixel_size_ratios("YX", *sizes, {"Y": "nm", "X": "nm"}, {"Y": "µm", "X": "µm"})
    {'Y': 1.0, 'X': 0.33333333333333337}
    """
    of_psf, of_image = pixel_size or {}, image_pixel_size or {}
    ratios = {}
    for axis in axes:
        if not (of_psf.get(axis) and of_image.get(axis)):
            continue
        unit, target = (units or {}).get(axis, ""), (image_units or {}).get(axis, "")
        size = convert(of_psf[axis], unit, target)
        if size is not None:
            ratios[axis] = size / of_image[axis]
    return ratios


def largest_difference(ratios: Mapping[str, float]) -> float:
    """Return how far the largest of several ratios is from 1, either way; 0 for none."""
    return max((max(ratio, 1 / ratio) - 1 for ratio in ratios.values()), default=0.0)


def describe_sizes(axes: str, sizes: Mapping[str, float], units: Mapping[str, str] | None) -> str:
    """Return pixel sizes as text.

    >>> describe_sizes("ZYX", {"Z": 0.3, "Y": 0.1, "X": 0.1}, dict.fromkeys("ZYX", "µm"))
    '0.3 µm along Z, 0.1 µm along Y and X'
    """
    groups: dict[str, list[str]] = {}
    for axis in axes:
        if axis in sizes:
            text = f"{sizes[axis]:.4g} {(units or {}).get(axis, '')}".strip()
            groups.setdefault(text, []).append(axis)
    if len(groups) == 1 and len(next(iter(groups.values()))) == len(axes):
        return next(iter(groups))
    return ", ".join(f"{text} along {' and '.join(along)}" for text, along in groups.items())


def check_resampling(ratios: Mapping[str, float]) -> None:
    """Raise `KernelError` if pixel sizes differ by more than `MAX_RATIO`."""
    if largest_difference(ratios) > MAX_RATIO - 1:
        times = ", ".join(f"{ratio:.3g} along {axis}" for axis, ratio in ratios.items())
        raise KernelError(
            f"the ratio of the PSF's pixel size to the image's is {times}, and a PSF is resampled "
            f"by {MAX_RATIO:g} at most; check both pixel sizes and their units."
        )


def resample(
    values: NDArray[np.floating],
    ratios: Sequence[float],
    centre: Sequence[float],
    max_shape: Sequence[int] | None = None,
) -> Array:
    """Return a PSF with other pixels: the light within each of them.

    The light is integrated over each new pixel, so that the sum is kept, and where the new pixels
    are made of whole old ones they hold exactly their sum. Between the borders of old pixels the
    integral is a monotone cubic, along one axis after the other.

    Parameters
    ----------
    values : (*k) array
        Non-negative samples.
    ratios : sequence of float
        The PSF's pixel size over the new one, along each axis.
    centre : sequence of float
        Index that becomes the middle of the result.
    max_shape : sequence of int, optional
        Extents that the result does not exceed, e.g. the image's.

    Returns
    -------
    (*n) float64
        Of odd extents, which hold all of the PSF unless `max_shape` is less.

    Raises
    ------
    KernelError
        If the result would have more than `MAX_SAMPLES` samples.

    Example
    -------
    >>> resample(np.ones((1, 6)), (1, 1 / 2), (0, 2.5))
    array([[2., 2., 2.]])
    """
    halves = [
        max(ceil(max(c + 0.5, n - 0.5 - c) * ratio - 0.5 - 1e-6), 0)
        for n, ratio, c in zip(values.shape, ratios, centre, strict=True)
    ]
    if max_shape is not None:
        halves = [min(half, (n - 1) // 2) for half, n in zip(halves, max_shape, strict=True)]
    shape = [2 * half + 1 for half in halves]
    if prod(shape) > MAX_SAMPLES:
        raise KernelError(
            f"the PSF would have {' x '.join(map(str, shape))} samples at the image's pixel size; "
            "crop it to its support, or check both pixel sizes and their units."
        )
    result = values.astype(np.float64)
    for axis, (ratio, middle, half) in enumerate(zip(ratios, centre, halves, strict=True)):
        result = _rebinned(result, axis, ratio, middle, half)
    return result


def _rebinned(values: Array, axis: int, ratio: float, centre: float, half: int) -> Array:
    """Integrate along one axis over `2 half + 1` pixels of width `1 / ratio` about `centre`."""
    count = values.shape[axis]
    edges = centre + 0.5 + (np.arange(2 * half + 2) - half - 0.5) / ratio
    nearest = edges.round()
    edges = np.where(np.abs(edges - nearest) < 1e-6, nearest, edges)  # rounding of the centre
    start = np.zeros_like(np.take(values, [0], axis))
    integral = np.concatenate([start, np.cumsum(values, axis)], axis)
    within = np.clip(edges, 0, count)
    if np.array_equal(within, within.round()):
        return np.diff(np.take(integral, within.astype(int), axis), axis=axis)
    sampled = scipy.interpolate.PchipInterpolator(np.arange(count + 1), integral, axis=axis)(within)
    rebinned: Array = np.clip(np.diff(sampled, axis=axis), 0, None)
    return rebinned
