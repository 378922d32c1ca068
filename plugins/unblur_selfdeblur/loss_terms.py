"""Terms of the loss: the blur of the generated image, its SSIM, total variation, mean square."""

from __future__ import annotations

import torch
from torch import Tensor

from unblur.numerics.fourier import fast_length, inverse_fft
from unblur.numerics.metrics.fidelity import WINDOW, WINDOW_SIGMA

C1, C2 = 0.01**2, 0.03**2
"""Constants of SSIM that stabilise its two quotients, for white = 1 (Wang Eq. 13)."""


def blur_valid(scene: Tensor, kernel: Tensor) -> Tensor:
    """Return the valid part of the convolution of a scene with a kernel, as in (Ren Eq. 5).

    Parameters
    ----------
    scene : (C, H + n - 1, W + n - 1)
        Generated image, larger than the data by the kernel's extent less one pixel.
    kernel : (n, n)
        Kernel of sum 1.

    Returns
    -------
    (C, H, W)
    """
    n = kernel.shape[-1]
    grid = [fast_length(extent) for extent in scene.shape[-2:]]
    spectrum = torch.fft.rfft2(scene, grid) * torch.fft.rfft2(kernel, grid)
    height, width = scene.shape[-2:]
    return inverse_fft(spectrum, grid)[..., n - 1 : height, n - 1 : width]


class FixedTargetSSIM:
    """SSIM with an image that stays the same, whose local means are computed once.

    Parameters
    ----------
    target : (C, H, W)
        The data, white = 1. The window of 11 pixels shrinks to the extent of a smaller image.

    Notes
    -----
    Averages under the Gaussian window are products with two banded matrices, which is faster
    than 22 shifted sums or a convolution of one channel.

    References
    ----------
    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", IEEE TIP 13(4), 2004 (Wang Eq. 13).
    """

    def __init__(self, target: Tensor) -> None:
        self.target = target
        self.rows = _window_matrix(target.shape[-2], target)
        self.columns = _window_matrix(target.shape[-1], target)
        self.mean = self._local_mean(target)
        self.variance = self._local_mean(target.square()) - self.mean.square()

    def __call__(self, x: Tensor) -> Tensor:
        """Return the mean SSIM of `x`, (C, H, W), a scalar."""
        mean, square, product = self._local_mean(torch.stack([x, x.square(), x * self.target]))
        variance, covariance = square - mean.square(), product - mean * self.mean
        numerator = (2 * mean * self.mean + C1) * (2 * covariance + C2)
        denominator = (mean.square() + self.mean.square() + C1) * (variance + self.variance + C2)
        similarity: Tensor = (numerator / denominator).mean()
        return similarity

    def _local_mean(self, x: Tensor) -> Tensor:
        return self.rows @ x @ self.columns.T


def _window_matrix(extent: int, like: Tensor) -> Tensor:
    """Return the matrix (extent - 10, extent) that averages under the Gaussian window."""
    window = min(WINDOW, extent)
    offset = torch.arange(window, dtype=like.dtype, device=like.device) - (window - 1) / 2
    taps = torch.exp(-0.5 * (offset / WINDOW_SIGMA) ** 2)
    rows = extent - window + 1
    matrix = like.new_zeros(rows, extent)
    for start, tap in enumerate(taps / taps.sum()):
        matrix.diagonal(start)[:rows] = tap
    return matrix


def total_variation(x: Tensor) -> Tensor:
    """Return the anisotropic total variation per pixel of (C, H, W), a scalar (Ren Eq. 6)."""
    return x.diff(dim=-1).abs().mean() + x.diff(dim=-2).abs().mean()


def mean_square(kernel: Tensor) -> Tensor:
    """Return the mean square of a kernel of sum 1: large for a point, small for a wide one.

    It is a mean like the data term and the total variation. The sum of squares would outweigh
    any data term, and the minimum would be a constant kernel.
    """
    return kernel.square().mean()
