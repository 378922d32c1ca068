"""Training examples: crops of photographs, blurred by drawn kernels, with their truth."""

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
LEAST_SLOPE, LEAST_SHARE = 0.05, 0.06
"""A crop is rejected where fewer pixels than this share have a slope of this (section 3.3)."""


@dataclass(frozen=True, eq=False)
class Example:
    """One blurred crop with its truth.

    Attributes
    ----------
    blurred, sharp : (1, 1, H, W)
        White = 1, of one window.
    kernel : (1, n, n)
        The true kernel, its centre of mass at `n // 2`.
    frame : int
        Extent of the frame that the kernel is looked for in.
    noise : (1,)
        Standard deviation of the noise, as the network is told it.
    """

    blurred: Tensor
    sharp: Tensor
    kernel: Tensor
    frame: int
    noise: Tensor

    @classmethod
    def of(
        cls, scene: Tensor, kernel: Kernel, noise: float, frame: int, generator: torch.Generator
    ) -> Example:
        """Blur a scene (H, W), add noise, and tell its strength with an error of 10 %."""
        blurred = add_gaussian_noise(blur_image(scene, kernel), noise, generator)
        told = noise * math.exp(0.1 * float(torch.randn((), generator=generator)))
        return cls(
            blurred[None, None],
            crop_valid(scene, kernel)[None, None],
            kernel.tensor(dtype=torch.float32)[None],
            frame,
            torch.tensor([told]),
        )

    def to(self, device: torch.device) -> Example:
        """Return the example on a device."""
        return Example(
            self.blurred.to(device),
            self.sharp.to(device),
            self.kernel.to(device),
            self.frame,
            self.noise.to(device),
        )


def draw_kernel(generator: torch.Generator) -> Kernel:
    """Draw a kernel of an odd size from 9 to 35: 70 % of Eq. 6, 30 % of a shaky hand."""
    size = SIZES[integer(len(SIZES), generator)]
    draw = gaussian_process_kernel if uniform(generator) < 0.7 else shake_kernel
    return draw(size, generator)


def draw_frame(size: int, generator: torch.Generator) -> int:
    """Draw the frame for a kernel: as tight as can be, or up to 6 pixels larger."""
    return size + (2 * integer(4, generator) if uniform(generator) < 0.5 else 0)


def is_telling(scene: Tensor) -> bool:
    """Return whether enough pixels of a scene (H, W) have a slope worth the name."""
    steep = gradient(scene).abs().amax(0) >= LEAST_SLOPE
    return float(steep.float().mean()) >= LEAST_SHARE
