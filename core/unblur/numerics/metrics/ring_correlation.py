"""Resolution as a number: Fourier ring and shell correlation of two noisy halves of one image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.signal.windows import tukey

from unblur.errors import ImageError
from unblur.numerics.metrics.noise_correlation import (
    difference_power,
    draw_noise,
    estimate_noise_correlation,
)

Array = NDArray[np.float64]

THRESHOLD = 1 / 7
"""Correlation at which the resolution is taken, dimensionless: the convention for halves of an
image (R. P. J. Nieuwenhuizen et al., Nature Methods 10, 2013)."""

TAPER = 0.25
"""Share of each axis over which the image is tapered to its mean, dimensionless."""

MIN_EDGE = 16
"""Smallest extent of an image along two of its axes, in pixels."""

SPLIT_STREAM = 7919
"""Second part of the seed of a split, which sets its draws apart from others, dimensionless."""

LEVELS = 12
"""Number of brightness levels at which the noise is measured, dimensionless."""


@dataclass(frozen=True, eq=False)
class RingCorrelation:
    """Correlation of two images by frequency.

    Attributes
    ----------
    frequency : (N,) array
        Middle of each ring or shell, in cycles per unit of the spacing, ascending.
    correlation : (N,) array
        In [-1, 1].
    counts : (N,) array
        Number of Fourier coefficients in each.
    """

    frequency: Array
    correlation: Array
    counts: Array

    def resolution(self, threshold: float = THRESHOLD) -> float | None:
        """Return the period at which the correlation falls to a threshold, in the spacing's unit.

        Rings are smoothed over three for it, by their counts. `None` if it falls nowhere below:
        the resolution is that of the pixels. Infinite if it is below everywhere.
        """
        weights = np.convolve(self.counts, np.ones(3), "same")
        smooth = np.convolve(self.correlation * self.counts, np.ones(3), "same") / weights
        below = np.flatnonzero(smooth < threshold)
        if not below.size:
            return None
        end = int(below[0])
        if end == 0:
            return float("inf")
        high, low = smooth[end - 1], smooth[end]
        share = (high - threshold) / (high - low)
        first, last = self.frequency[end - 1], self.frequency[end]
        return float(1 / (first + share * (last - first)))


def ring_correlation(
    first: Array, second: Array, spacing: Sequence[float] | None = None
) -> RingCorrelation:
    """Return the Fourier ring correlation (2-D) or shell correlation (3-D) of two images.

    Parameters
    ----------
    first, second : (H, W) or (Z, H, W) array
        Images of one scene with independent noise.
    spacing : sequence of float, optional
        Distance of samples along each axis; pixels by default.

    Returns
    -------
    RingCorrelation
        Rings one coefficient wide along the last two axes, up to their Nyquist frequency.

    Raises
    ------
    ImageError
        If the images differ in shape, or are smaller than 16 pixels.

    Notes
    -----
    `sum F1 conj(F2) / sqrt(sum |F1|^2 sum |F2|^2)` over each ring of equal physical frequency. The
    images are tapered to their mean at the borders. Frequencies that the coarser depth axis does
    not sample are left out of the shells.

    References
    ----------
    M. van Heel, "Similarity measures between images", Ultramicroscopy 21, 1987.
    W. O. Saxton, W. Baumeister, "The correlation averaging of a regularly arranged bacterial cell
    envelope protein", J. Microscopy 127, 1982.

    Example
    -------
    >>> image = np.random.default_rng(0).random((32, 32))
    >>> bool(np.allclose(ring_correlation(image, image).correlation, 1))
    True
    """
    if first.shape != second.shape or first.ndim not in (2, 3):
        raise ImageError(
            f"two images of one shape are correlated, got {first.shape} and {second.shape}."
        )
    if min(first.shape[-2:]) < MIN_EDGE:
        raise ImageError(f"a ring correlation takes {MIN_EDGE} pixels, got {first.shape}.")
    steps = np.ones(first.ndim) if spacing is None else np.asarray(spacing, np.float64)
    one, two = (np.fft.fftn(_tapered(image)) for image in (first, second))
    axes = [np.fft.fftfreq(n, step) for n, step in zip(first.shape, steps, strict=True)]
    squared = sum(axis**2 for axis in np.ix_(*axes))
    width = max(1 / (n * step) for n, step in zip(first.shape[-2:], steps[-2:], strict=True))
    count = int(min(0.5 / step for step in steps[-2:]) / width)
    ring = np.sqrt(squared) / width + 0.5
    ring = np.minimum(ring.astype(int), count + 1).ravel()

    def summed(values: Array) -> Array:
        total = np.bincount(ring, values.ravel(), minlength=count + 2)
        return np.asarray(total[1 : count + 1], np.float64)

    cross = summed((one * two.conj()).real)
    power = summed(np.abs(one) ** 2) * summed(np.abs(two) ** 2)
    correlation = np.where(power > 0, cross / np.sqrt(np.maximum(power, 1e-300)), 0.0)
    frequency = np.asarray(np.arange(1, count + 1) * width, np.float64)
    return RingCorrelation(frequency, correlation, summed(np.ones(first.shape)))


def estimate_noise_variance(image: Array) -> tuple[float, float]:
    """Return the noise variance of an image as `gain * brightness + constant`.

    Photons give the first part, the sensor the second. The variance is that of second differences
    of neighbours along both axes, the median at each of twelve levels of brightness: a blurred
    image has little else at its highest frequencies. Texture that is not blurred counts as noise.
    Where neighbours share a part of their noise, it is larger than their differences by a factor
    that follows from the correlation (`noise_correlation`).

    Parameters
    ----------
    image : (..., H, W) array
        Finite; planes are taken together.

    Returns
    -------
    gain, constant : float
        The gain is not negative; the constant may be, where the brightness has an offset.

    Example
    -------
    >>> counts = np.random.default_rng(0).poisson(np.linspace(20, 200, 256), (256, 256))
    >>> gain, constant = estimate_noise_variance(counts.astype(float))
    >>> 0.8 < gain < 1.2
    True
    """
    share = np.prod([difference_power(along) for along in estimate_noise_correlation(image)])
    across = image[..., :-2] - 2 * image[..., 1:-1] + image[..., 2:]
    both = across[..., :-2, :] - 2 * across[..., 1:-1, :] + across[..., 2:, :]
    size = [1] * (image.ndim - 2) + [7, 7]
    power = uniform_filter(both**2 / 36, size)[..., 3:-3, 3:-3].ravel()
    level = uniform_filter(image[..., 1:-1, 1:-1], size)[..., 3:-3, 3:-3].ravel()
    order = np.argsort(level)
    means, variances = [], []
    for part in np.array_split(order, LEVELS):
        if part.size:
            means.append(float(level[part].mean()))
            # The median of a mean of 49 dependent squares lies 6 % below their mean.
            variances.append(float(np.quantile(power[part], 0.5)) * 1.06 / float(share))
    design = np.stack([np.array(means), np.ones(len(means))], axis=1)
    weight = 1 / np.maximum(variances, 1e-12 + max(variances) * 1e-3)
    measured = np.array(variances)
    gain, constant = np.linalg.lstsq(design * weight[:, None], measured * weight, rcond=None)[0]
    if gain < 0:
        return 0.0, float(np.average(measured, weights=weight))
    return float(gain), float(constant)


def split_noise(image: Array, seed: int = 0) -> tuple[Array, Array]:
    """Return two images of the same scene whose noise is independent.

    `y + e` and `y - e` with new noise `e` of the same variance as that of `y`: for Gaussian noise
    they are independent, each with twice the variance. For counts this is what a binomial split
    of each pixel's photons does; it also holds for other gains and for sensor noise. The new noise
    is correlated between neighbours as that of the image.

    Parameters
    ----------
    image : (..., H, W) array
        Finite.
    seed : int
        Seed of the new noise.

    References
    ----------
    B. Rieger et al., "Single image Fourier ring correlation", Optics Express 32, 2024 (binomial
    split); J. Leiner et al., "Data fission: splitting a single data point", JASA 120, 2025.
    """
    gain, constant = estimate_noise_variance(image)
    size = [1] * (image.ndim - 2) + [3, 3]
    level = uniform_filter(image, size)
    lowest = float(np.quantile(level, 0.01))
    variance = np.maximum(gain * np.maximum(level, lowest) + constant, 0)
    # A pair as the seed: a synthetic image may have been drawn with the number itself.
    draws = np.random.default_rng((seed, SPLIT_STREAM))
    noise = draw_noise(draws, image.shape, *estimate_noise_correlation(image)) * np.sqrt(variance)
    return image + noise, image - noise


@dataclass(frozen=True, eq=False)
class SplitResolution:
    """Ring correlations of the halves of an image, before and after a restoration of each.

    Attributes
    ----------
    before, after : RingCorrelation
        `after` is `None` without a restoration.
    """

    before: RingCorrelation
    after: RingCorrelation | None


def split_resolution(
    image: Array,
    restore: Callable[[Array], Array] | None = None,
    spacing: Sequence[float] | None = None,
    seed: int = 0,
) -> SplitResolution:
    """Return the ring correlations of one image by splitting its noise, before and after.

    The image is split before the restoration, and each half is restored by itself. What the
    restoration makes of noise differs between them and does not count as resolution, which it
    would if the restored image were split.

    Parameters
    ----------
    image : (H, W) or (Z, H, W) array
        The image as it was taken.
    restore : callable, optional
        Restores an image of that shape.
    spacing : sequence of float, optional
        Distance of samples along each axis; pixels by default.
    seed : int
        Seed of the split.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> image = 100 + 50 * rng.standard_normal((64, 64))
    >>> noise_only = split_resolution(image, lambda half: 3 * half - 2 * half.mean())
    >>> bool(abs(noise_only.after.correlation.mean()) < 0.1)
    True
    """
    halves = split_noise(np.asarray(image, np.float64), seed)
    before = ring_correlation(*halves, spacing)
    if restore is None:
        return SplitResolution(before, None)
    first, second = (np.asarray(restore(half), np.float64) for half in halves)
    return SplitResolution(before, ring_correlation(first, second, spacing))


def _tapered(image: Array) -> Array:
    """Return an image minus its mean, tapered to 0 at its borders."""
    windows = [tukey(n, TAPER) if n > 4 else np.ones(n) for n in image.shape]
    result = image - image.mean()
    for axis, window in enumerate(windows):
        result = result * window.reshape([-1 if a == axis else 1 for a in range(image.ndim)])
    return np.asarray(result)
