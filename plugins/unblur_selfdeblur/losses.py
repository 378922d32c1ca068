"""What is minimised: how far the blur of the image is from the data, and what else counts."""

from __future__ import annotations

import torch
from torch import Tensor

from unblur.numerics.fourier import fast_length, inverse_fft
from unblur.numerics.metrics.fidelity import WINDOW, WINDOW_SIGMA

LUMINANCE, CONTRAST = 0.01**2, 0.03**2
"""Constants of SSIM for white = 1."""


def seen(scene: Tensor, kernel: Tensor) -> Tensor:
    """Return what a camera sees of a scene: the valid part of its convolution with the kernel.

    Parameters
    ----------
    scene : (C, H + n - 1, W + n - 1)
        The generated image, which is larger than the data by the kernel's reach.
    kernel : (n, n)
        Of sum 1.

    Returns
    -------
    (C, H, W)
    """
    n = kernel.shape[-1]
    grid = [fast_length(extent) for extent in scene.shape[-2:]]
    spectrum = torch.fft.rfft2(scene, grid) * torch.fft.rfft2(kernel, grid)
    height, width = scene.shape[-2:]
    return inverse_fft(spectrum, grid)[..., n - 1 : height, n - 1 : width]


class Similarity:
    """SSIM with an image that stays the same, whose own averages are taken once.

    Parameters
    ----------
    target : (C, H, W)
        The data, white = 1. Of sides below 11 pixels the window shrinks to what fits.

    Notes
    -----
    Averages under the Gaussian window are products with two banded matrices, which is faster
    than 22 shifted sums or a convolution of one channel.

    References
    ----------
    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", IEEE TIP 13(4), 2004, Eq. 13.
    """

    def __init__(self, target: Tensor) -> None:
        self.target = target
        self.down = _window_matrix(target.shape[-2], target)
        self.across = _window_matrix(target.shape[-1], target)
        self.mean = self._averaged(target)
        self.variance = self._averaged(target.square()) - self.mean.square()

    def __call__(self, x: Tensor) -> Tensor:
        """Return the mean SSIM of `x`, (C, H, W), a scalar."""
        mean, square, product = self._averaged(torch.stack([x, x.square(), x * self.target]))
        variance, covariance = square - mean.square(), product - mean * self.mean
        structure = (2 * mean * self.mean + LUMINANCE) * (2 * covariance + CONTRAST)
        energy = (mean.square() + self.mean.square() + LUMINANCE) * (
            variance + self.variance + CONTRAST
        )
        similarity: Tensor = (structure / energy).mean()
        return similarity

    def _averaged(self, x: Tensor) -> Tensor:
        return self.down @ x @ self.across.T


def _window_matrix(extent: int, like: Tensor) -> Tensor:
    """Return the matrix (extent - 10, extent) that averages under the window."""
    window = min(WINDOW, extent)
    offset = torch.arange(window, dtype=like.dtype, device=like.device) - (window - 1) / 2
    taps = torch.exp(-0.5 * (offset / WINDOW_SIGMA) ** 2)
    rows = extent - window + 1
    matrix = like.new_zeros(rows, extent)
    for start, tap in enumerate(taps / taps.sum()):
        matrix.diagonal(start)[:rows] = tap
    return matrix


def total_variation(x: Tensor) -> Tensor:
    """Return the anisotropic total variation per pixel of (C, H, W), a scalar."""
    return x.diff(dim=-1).abs().mean() + x.diff(dim=-2).abs().mean()


def energy(kernel: Tensor) -> Tensor:
    """Return the mean square of a kernel of sum 1: large for a point, small for a wide one.

    The mean, like that of the data term and of the total variation: the sum would outweigh any
    data and leave the kernel flat.
    """
    return kernel.square().mean()
