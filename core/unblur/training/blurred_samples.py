"""Training samples for deconvolution: scenes, blurred and noisy, with their truth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unblur.model.kernel import Kernel
from unblur.numerics.synthesis import (
    disk_kernel,
    gaussian_kernel,
    gaussian_process_kernel,
    shake_kernel,
)
from unblur.training.images import integer, uniform

KERNEL_SIZES = range(13, 36)
"""Extents of the kernels that are drawn, in pixels."""


@dataclass(frozen=True, eq=False)
class BlurredSample:
    """One blurred crop with its truth, kernel and noise.

    Attributes
    ----------
    blurred, sharp : (1, 1, H, W)
        White = 1; `sharp` is the scene in the window of `blurred`.
    kernel : (h, w)
        Blur kernel.
    noise : (1, 1, 1, 1)
        Standard deviation of the noise that the model is given.
    clipped : (1, 1, H, W), optional
        1 where `blurred` was clipped at white.
    """

    blurred: Tensor
    sharp: Tensor
    kernel: Tensor
    noise: Tensor
    clipped: Tensor | None = None

    def to(self, device: torch.device) -> BlurredSample:
        """Return the sample on a device."""
        return BlurredSample(
            self.blurred.to(device),
            self.sharp.to(device),
            self.kernel.to(device),
            self.noise.to(device),
            None if self.clipped is None else self.clipped.to(device),
        )


def draw_kernel(generator: torch.Generator) -> Kernel:
    """Draw a kernel of 13 to 35 pixels: mostly camera motion, some disks and Gaussians."""
    size = KERNEL_SIZES[integer(len(KERNEL_SIZES), generator)]
    kind = uniform(generator)
    if kind < 0.6:
        return gaussian_process_kernel(size, generator)
    if kind < 0.88:
        return shake_kernel(size, generator)
    if kind < 0.94:
        return disk_kernel(1.5 + 5 * uniform(generator))
    return gaussian_kernel(0.8 + 2.2 * uniform(generator))


def blur_valid(scene: Tensor, kernel: Tensor) -> Tensor:
    """Convolve (H, W) with a kernel and keep the pixels that depend on the scene alone."""
    flipped = kernel.flip(0, 1)[None, None]
    return torch.nn.functional.conv2d(scene[None, None], flipped)[0, 0]


def degrade(
    scene: Tensor, kernel: Kernel, noise: float, generator: torch.Generator, gain: float = 1.0
) -> BlurredSample:
    """Blur a scene (H, W), add noise, and cut the truth to the same window.

    Parameters
    ----------
    scene : (H, W)
        Sharp, white = 1; larger than the result by the kernel's extent less one.
    kernel : Kernel
        Blur.
    noise : float
        Standard deviation of the Gaussian noise.
    generator : torch.Generator
        Source of the noise.
    gain : float
        Factor of the scene before the blur; above 1, truth and result are clipped to white
        after it (saturation, Dong Sec. 4.1).
    """
    weights = kernel.tensor(dtype=torch.float32)
    blurred = blur_valid(gain * scene, weights)
    blurred = blurred + noise * torch.randn(blurred.shape, generator=generator)
    top, left = ((n - 1 - n // 2) for n in weights.shape)
    height, width = blurred.shape
    sharp = gain * scene[top : top + height, left : left + width]
    clipped = None
    if gain > 1:
        blurred, sharp = blurred.clamp(0, 1), sharp.clamp(0, 1)
        clipped = (blurred >= 1).float()[None, None]
    level = torch.full((1, 1, 1, 1), noise)
    return BlurredSample(blurred[None, None], sharp[None, None], weights, level, clipped)
