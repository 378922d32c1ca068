"""Noise of the training samples: white, or coloured as a regularised inverse filter leaves it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unblur.numerics.synthesis import gaussian_process_kernel
from unblur.training.images import integer, uniform

KERNEL_SIZES = range(7, 32)
"""Extents of the kernels whose inverse filters colour the noise, in pixels."""


def white_noise(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Return Gaussian noise of unit variance, (H, W)."""
    return torch.randn(shape, generator=generator)


def wiener_noise(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Return noise as a Wiener filter of a random kernel leaves it, of unit variance, (H, W).

    White noise n becomes conj(K) n / (|K|^2 + r) with the transfer function K and the ridge r; to
    it white noise is added, so that no frequency is free of noise.
    """
    kernel = gaussian_process_kernel(KERNEL_SIZES[integer(len(KERNEL_SIZES), generator)], generator)
    weights = kernel.tensor(dtype=torch.float32)
    transfer = torch.fft.rfft2(weights, s=shape)
    ridge = math.exp(math.log(1e-3) + uniform(generator) * math.log(300))
    filtered = torch.fft.irfft2(
        transfer.conj()
        / (transfer.abs().square() + ridge)
        * torch.fft.rfft2(white_noise(shape, generator)),
        s=shape,
    )
    filtered = filtered / filtered.std().clamp_min(1e-6)
    share = 0.2 + 0.6 * uniform(generator)
    white = white_noise(shape, generator)
    mixed: Tensor = math.sqrt(1 - share) * filtered + math.sqrt(share) * white
    return mixed


def round_to_8_bits(x: Tensor) -> Tensor:
    """Return the nearest multiples of 1/255, not clipped."""
    rounded: Tensor = (255 * x).round() / 255
    return rounded
