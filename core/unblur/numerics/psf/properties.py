"""Measured properties of a PSF: background, noise, centroid, width and support."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from unblur.errors import KernelError
from unblur.model.kernel import Kernel
from unblur.numerics.statistics import mad_std

Array = NDArray[np.float64]

SIGNIFICANT = 1e-4
"""Relative threshold of significant samples, a fraction of the peak, dimensionless."""

MIN_BACKGROUND = 1e-3
"""Smallest constant level treated as a background rather than as tails of the PSF, a fraction of
the peak, dimensionless."""

MAX_TAIL_SPREAD = 3e-4
"""Largest standard deviation in the corners treated as tails of the PSF rather than as noise, a
fraction of the peak, dimensionless."""

NOISE_SHARE = 0.01
"""Smallest contribution of clipped background noise to the sum that is cut away, a fraction of the
sum, dimensionless."""


def as_array(psf: Any) -> Array:
    """Return a PSF as float64 without leading axes of length 1, or raise `KernelError`."""
    raw = np.asarray(psf.weights if isinstance(psf, Kernel) else psf)
    while raw.ndim > 2 and raw.shape[0] == 1:
        raw = raw[0]
    if raw.ndim not in (2, 3) or raw.size == 0:
        raise KernelError(
            f"a PSF has 2 or 3 axes and at least one sample, got shape {raw.shape}; "
            "save one channel and one time point."
        )
    if raw.dtype.kind not in "buif":
        raise KernelError(f"a PSF holds real numbers, got dtype {raw.dtype}.")
    return raw.astype(np.float64)


@dataclass(frozen=True, eq=False)
class PsfProperties:
    """Measurements of a PSF.

    Parameters
    ----------
    values : (*k) float64
        The samples as given, 2-D or 3-D; NaN and infinite samples are replaced.
    """

    values: Array

    @cached_property
    def finite(self) -> Array:
        """The values with NaN and infinite samples replaced by the background, or by 0."""
        good = np.isfinite(self.values)
        if good.all():
            return self.values
        corners = _corner_samples(self.values)
        corners = corners[np.isfinite(corners)]
        return np.where(good, self.values, np.median(corners) if corners.size else 0.0)

    @cached_property
    def in_fourier_order(self) -> bool:
        """Whether the centre lies at index 0 and the PSF wraps around, as FFTs order it."""
        weights = np.clip(self.finite - np.median(self.finite), 0, None)
        if not weights.any():
            return False
        return _variance(np.fft.fftshift(weights)) < 0.65 * _variance(weights)

    @cached_property
    def ordered(self) -> Array:
        """The finite values with the centre in the middle."""
        return np.fft.fftshift(self.finite) if self.in_fourier_order else self.finite

    @cached_property
    def has_diffraction(self) -> bool:
        """Whether the corners hold tails of the PSF, which vary and are symmetric, unlike noise."""
        corners = _corner_samples(self.ordered)
        if mad_std(corners) <= 0.05 * abs(float(np.median(corners))):
            return False
        mirrored = np.flip(self.ordered)
        even = [axis for axis, n in enumerate(mirrored.shape) if n % 2 == 0]
        candidates = (mirrored, np.roll(mirrored, [1] * len(even), even))
        return any(_correlation(corners, _corner_samples(c)) > 0.5 for c in candidates)

    @cached_property
    def background(self) -> float:
        """Constant offset of the samples if a quarter of them lie at it, else 0."""
        corners = np.sort(_corner_samples(self.ordered))
        level = float(corners[(corners.size - 1) // 2])
        height = float(self.ordered.max()) - level
        if height <= 0 or abs(level) < MIN_BACKGROUND * height or self.has_diffraction:
            return 0.0
        near = np.abs(self.ordered - level) <= max(3 * mad_std(corners), 0.02 * height)
        return level if near.mean() > 0.25 else 0.0

    @cached_property
    def noise(self) -> float:
        """Standard deviation in the corners, in the units of the values; 0 if it is negligible."""
        spread = mad_std(_corner_samples(self.ordered))
        is_negligible = spread <= MAX_TAIL_SPREAD * float(self.ordered.max())
        return 0.0 if is_negligible or self.has_diffraction else spread

    @cached_property
    def noise_share(self) -> float:
        """Sum of the background's noise, once clipped at 0, over the sum of the PSF."""
        signal = float((self.ordered - self.background).sum())
        # The mean of the positive half of unit noise is 1 / sqrt(2 pi).
        half = self.noise * self.values.size / np.sqrt(2 * np.pi)
        if half == 0:
            return 0.0
        return float(half / signal) if signal > 0 else float("inf")

    @cached_property
    def support(self) -> NDArray[np.bool_]:
        """Mask of the connected region around the peak that is above the noise, True inside."""
        values = self.ordered - self.background
        if self.noise_share <= NOISE_SHARE:
            return np.ones(values.shape, bool)
        # A Gaussian of 1 pixel leaves noise the factor (4 pi)^(-d / 4).
        smooth = scipy.ndimage.gaussian_filter(values, 1, mode="nearest")
        factor = (4 * np.pi) ** (-values.ndim / 4)
        pieces, _ = scipy.ndimage.label(smooth > 4 * factor * self.noise)
        peak = pieces[np.unravel_index(int(smooth.argmax()), smooth.shape)]
        if not peak:
            return np.ones(values.shape, bool)
        support: NDArray[np.bool_] = scipy.ndimage.binary_dilation(pieces == peak)
        return support

    @cached_property
    def cleaned(self) -> Array:
        """The PSF without background, noise outside its support, and negative values."""
        return np.clip(self.ordered - self.background, 0, None) * self.support

    @cached_property
    def centroid(self) -> Array:
        """Centre of mass of the cleaned PSF, as an index along each axis."""
        return _mean_index(self.cleaned)

    @cached_property
    def offset(self) -> Array:
        """Centre of mass relative to the index `n // 2`, in pixels."""
        return self.centroid - np.array([n // 2 for n in self.values.shape], np.float64)

    @cached_property
    def width(self) -> Array:
        """Full width at half maximum along each axis through the peak, in pixels."""
        peak = np.unravel_index(int(self.cleaned.argmax()), self.cleaned.shape)
        widths = []
        for axis, index in enumerate(peak):
            line: list[Any] = [int(i) for i in peak]
            line[axis] = slice(None)
            profile = self.cleaned[tuple(line)]
            sides = (profile[index:], profile[index::-1])
            widths.append(sum(_half_maximum_distance(side) for side in sides))
        return np.array(widths)

    @cached_property
    def border(self) -> Array:
        """Border values: the cleaned samples on the outermost faces, as fractions of the peak."""
        return np.asarray(self.cleaned[~_inside(self.cleaned.shape)] / self.cleaned.max())

    @cached_property
    def half_width(self) -> tuple[int, ...]:
        """Largest distance of a significant sample from the rounded centroid, pixels per axis."""
        indices = np.argwhere(self.cleaned > SIGNIFICANT * self.cleaned.max())
        return tuple(int(r) for r in np.abs(indices - self.centroid.round()).max(axis=0))


def _marginals(weights: Array) -> list[Array]:
    """Return the sums over all axes but one, for each axis."""
    axes = range(weights.ndim)
    return [weights.sum(axis=tuple(a for a in axes if a != axis)) for axis in axes]


def _mean_index(weights: Array) -> Array:
    return np.array([np.arange(m.size) @ m / m.sum() for m in _marginals(weights)])


def _variance(weights: Array) -> float:
    """Return the mean squared distance from the centre of mass, axes scaled to one extent."""
    parts = zip(_marginals(weights), _mean_index(weights), strict=True)
    return sum(float(((np.arange(m.size) - mean) / m.size) ** 2 @ m / m.sum()) for m, mean in parts)


def _corner_samples(values: Array) -> Array:
    """Return the samples of all corners, each an eighth of the extent wide."""
    widths = [max(n // 8, 1) for n in values.shape]
    ends = [(slice(0, w), slice(n - w, n)) for w, n in zip(widths, values.shape, strict=True)]
    return np.concatenate([values[corner].ravel() for corner in product(*ends)])


def _inside(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the mask of all but the outermost samples; axes of one sample have no faces."""
    inside = np.zeros(shape, bool)
    inside[tuple(slice(1, -1) if n > 2 else slice(None) for n in shape)] = True
    return inside


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / scale if scale > 0 else 0.0


def _half_maximum_distance(profile: Array) -> float:
    """Return the distance from the peak, at index 0, to the half maximum, in samples."""
    half = profile[0] / 2
    below = np.flatnonzero(profile < half)
    if not below.size:
        return profile.size - 0.5
    i = int(below[0])
    return float(i - (half - profile[i]) / (profile[i - 1] - profile[i]))
