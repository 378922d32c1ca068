"""Training samples: crops of photographs, blurred by random kernels, with the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from unblur.model.kernel import Kernel
from unblur.numerics.operators import gradient
from unblur.numerics.synthesis import (
    add_gaussian_noise,
    blur_image,
    crop_valid,
    gaussian_process_kernel,
    shake_kernel,
)
from unblur.training.images import integer, uniform

SIZES = range(9, 36, 2)
"""Extents of the kernels, in pixels."""
MIN_GRADIENT = 0.05
"""Smallest gradient of a pixel on an edge, white = 1 per pixel (Schuler Sec. 3.3)."""
MIN_EDGE_SHARE = 0.06
"""Smallest fraction of the pixels of a crop that are on an edge (Schuler Sec. 3.3)."""


@dataclass(frozen=True, eq=False)
class TrainingSample:
    """One blurred crop with its truth.

    Attributes
    ----------
    blurred, sharp : (1, 1, H, W)
        Blurred and sharp crop of one window, white = 1.
    kernel : (1, n, n)
        True kernel, its centre of mass at `n // 2`.
    size : int
        Extent in pixels of the kernel that is estimated, at least that of the true one.
    noise : (1,)
        Standard deviation of the noise as the network receives it, with an error.
    """

    blurred: Tensor
    sharp: Tensor
    kernel: Tensor
    size: int
    noise: Tensor

    @classmethod
    def of(
        cls, scene: Tensor, kernel: Kernel, noise: float, size: int, generator: torch.Generator
    ) -> TrainingSample:
        """Blur a scene (H, W) and add noise, whose level is given with an error of 10 %."""
        blurred = add_gaussian_noise(blur_image(scene, kernel), noise, generator)
        inexact = noise * math.exp(0.1 * float(torch.randn((), generator=generator)))
        return cls(
            blurred[None, None],
            crop_valid(scene, kernel)[None, None],
            kernel.tensor(dtype=torch.float32)[None],
            size,
            torch.tensor([inexact]),
        )

    def to(self, device: torch.device) -> TrainingSample:
        """Return the sample on a device."""
        return TrainingSample(
            self.blurred.to(device),
            self.sharp.to(device),
            self.kernel.to(device),
            self.size,
            self.noise.to(device),
        )


def draw_kernel(generator: torch.Generator) -> Kernel:
    """Draw a kernel of an odd size from 9 to 35.

    With a probability of 0.7 it is a Gaussian process (Schuler Eq. 6), else a simulated hand
    shake.
    """
    size = SIZES[integer(len(SIZES), generator)]
    draw = gaussian_process_kernel if uniform(generator) < 0.7 else shake_kernel
    return draw(size, generator)


def draw_size(size: int, generator: torch.Generator) -> int:
    """Draw the extent at which a kernel of `size` pixels is estimated: up to 6 pixels larger."""
    return size + (2 * integer(4, generator) if uniform(generator) < 0.5 else 0)


def has_edges(scene: Tensor) -> bool:
    """Return whether 6 % of the pixels of a scene (H, W) are on edges (Schuler Sec. 3.3)."""
    steep = gradient(scene).abs().amax(0) >= MIN_GRADIENT
    return float(steep.float().mean()) >= MIN_EDGE_SHARE
