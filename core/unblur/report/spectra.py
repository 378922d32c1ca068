"""Power spectra before and after deblurring, and the transfer function of the kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unblur.model.kernel import Kernel
from unblur.report.previews import Float

BINS = 64
"""Number of points of a radial spectrum, from 0 to 0.5 cycles per pixel."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Power of an image by frequency.

    Attributes
    ----------
    power : (N, N) float64
        Squared magnitude of the windowed transform, zero frequency in the middle.
    radial : (BINS,) float64
        Mean power over rings of equal frequency; 0 to 0.5 cycles per pixel.
    """

    power: NDArray[np.float64]
    radial: NDArray[np.float64]


def spectrum(values: Float, size: int = 512) -> Spectrum:
    """Return the spectrum of the central square of an image, (H, W) or (H, W, 3).

    The square is tapered by a Hann window, without which the discontinuity at the border would
    add a cross to the spectrum.
    """
    grey = values.mean(-1) if values.ndim == 3 else values
    grey = np.nan_to_num(grey.astype(np.float64))
    edge = min(*grey.shape, size)
    top, left = ((n - edge) // 2 for n in grey.shape)
    square = grey[top : top + edge, left : left + edge]
    window = np.outer(np.hanning(edge), np.hanning(edge)) if edge > 2 else np.ones((edge, edge))
    power = np.abs(np.fft.fftshift(np.fft.fft2((square - square.mean()) * window))) ** 2
    return Spectrum(power, radial_mean(power))


def transfer(kernel: Kernel, size: int = 256) -> NDArray[np.float64]:
    """Return the radial mean of the magnitude of a kernel's transfer function."""
    flat = kernel.weights.sum(0) if kernel.ndim == 3 else kernel.weights
    edge = max(size, *flat.shape)
    grid = np.zeros((edge, edge))
    grid[: flat.shape[0], : flat.shape[1]] = flat
    return radial_mean(np.abs(np.fft.fftshift(np.fft.fft2(grid))))


def radial_mean(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average over rings about the centre; rings without a sample are interpolated."""
    edge = power.shape[0]
    axis = np.abs(np.arange(edge) - edge // 2) / edge
    radius = np.hypot(axis[:, None], axis[None, :])
    ring = np.minimum((radius * 2 * BINS).astype(int), BINS)
    counts = np.bincount(ring.ravel(), minlength=BINS + 1)[:BINS]
    sums = np.bincount(ring.ravel(), power.ravel(), minlength=BINS + 1)[:BINS]
    filled = counts > 0
    bins = np.arange(BINS)
    return np.interp(bins, bins[filled], sums[filled] / counts[filled])


def picture_of(one: Spectrum, other: Spectrum) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the logarithms of two spectra as 8-bit images on a common scale of six decades."""
    tones = [np.log10(s.power + 1e-12) for s in (one, other)]
    high = max(float(t.max()) for t in tones)
    low = high - 6
    first, second = (
        (np.clip((t - low) / (high - low), 0, 1) * 255).astype(np.uint8) for t in tones
    )
    return first, second
