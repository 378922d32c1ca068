"""Fidelity of images to a reference of the same shape: PSNR and SSIM."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from unblur.errors import ImageError

WINDOW = 11
"""Extent of SSIM's Gaussian window along each axis, in pixels."""

WINDOW_SIGMA = 1.5
"""Standard deviation of SSIM's Gaussian window, in pixels."""


def psnr(a: Any, b: Any, border: int = 0, *, peak: float = 1.0, ndim: int = 2) -> float:
    """Return the peak signal-to-noise ratio `10 log10(peak^2 / mean((a - b)^2))` in decibels.

    Parameters
    ----------
    a, b : (..., *spatial)
        Images of one shape.
    border : int
        Number of pixels excluded at each end of each spatial axis.
    peak : float
        Value of white.
    ndim : int
        Number of spatial axes.

    Returns
    -------
    float
        Infinite for equal images.

    Example
    -------
    >>> psnr(np.zeros((8, 8)), np.full((8, 8), 0.1))
    20.0
    """
    a, b = comparable(a, b, border, ndim)
    return decibels(float(((a - b) ** 2).mean()), peak)


def ssim(a: Any, b: Any, border: int = 0, *, peak: float = 1.0, ndim: int = 2) -> float:
    """Return the mean structural similarity under an 11-pixel Gaussian window of sigma 1.5.

    The parameters are those of `psnr`. The mean is over the pixels whose whole window lies inside
    the image.

    Raises
    ------
    ImageError
        If the images without their border are smaller than the window.

    References
    ----------
    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", IEEE TIP 13(4), 2004.
    """
    return float(ssim_map(*comparable(a, b, border, ndim), peak=peak, ndim=ndim).mean())


def ssim_map(a: Tensor, b: Tensor, *, peak: float = 1.0, ndim: int = 2) -> Tensor:
    """Return the structural similarity around each pixel (Wang Eq. 13).

    Parameters
    ----------
    a, b : (..., *spatial) tensors
        Images of one shape, dtype and device; the result is differentiable in both.
    peak : float
        Value of white.
    ndim : int
        Number of spatial axes.

    Returns
    -------
    (..., *spatial - 10)
        Values in [-1, 1].
    """
    if min(a.shape[-ndim:]) < WINDOW:
        raise ImageError(
            f"SSIM compares images of at least {WINDOW} pixels along each axis, "
            f"got {tuple(a.shape[-ndim:])}."
        )
    luminance, contrast = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    mean_a, mean_b, mean_aa, mean_bb, mean_ab = (
        _window_mean(x, ndim) for x in (a, b, a * a, b * b, a * b)
    )
    variance_a, variance_b = mean_aa - mean_a**2, mean_bb - mean_b**2
    covariance = mean_ab - mean_a * mean_b
    return ((2 * mean_a * mean_b + luminance) * (2 * covariance + contrast)) / (
        (mean_a**2 + mean_b**2 + luminance) * (variance_a + variance_b + contrast)
    )


def _window_mean(x: Tensor, ndim: int) -> Tensor:
    offset = torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2
    taps = torch.exp(-0.5 * (offset / WINDOW_SIGMA) ** 2)
    taps = taps / taps.sum()
    for axis in range(-ndim, 0):
        extent = x.shape[axis] - WINDOW + 1
        x = sum(
            (tap * x.narrow(axis, start, extent) for start, tap in enumerate(taps)),
            start=x.new_zeros(()),
        )
    return x


def comparable(a: Any, b: Any, border: int, ndim: int) -> tuple[Tensor, Tensor]:
    """Return two images as float64 tensors without their border, or raise `ImageError`."""
    a, b = _as_tensor(a), _as_tensor(b)
    if a.shape != b.shape:
        raise ImageError(
            f"images to compare have one shape, got {tuple(a.shape)} and {tuple(b.shape)}."
        )
    return inside(a, border, ndim), inside(b, border, ndim)


def _as_tensor(x: Any) -> Tensor:
    if isinstance(x, Tensor):
        return x.detach().to("cpu", torch.float64)
    return torch.tensor(np.asarray(x, np.float64))


def inside(x: Tensor, border: int, ndim: int) -> Tensor:
    """Cut `border` pixels off each end of the trailing `ndim` axes."""
    if border < 0 or x.ndim < ndim or min(x.shape[-ndim:]) <= 2 * border:
        raise ImageError(
            f"nothing is left of an image of shape {tuple(x.shape)} inside a border of {border}."
        )
    for axis in range(-ndim, 0):
        x = x.narrow(axis, border, x.shape[axis] - 2 * border)
    return x


def decibels(mean_square: float, peak: float) -> float:
    """Return a mean squared error as a signal-to-noise ratio against `peak`."""
    if mean_square == 0:
        return float("inf")
    return float(10 * np.log10(peak**2 / mean_square))
