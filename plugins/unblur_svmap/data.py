"""Training samples for deconvolution: crops of photographs, blurred and noisy, with their truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Picture
from torch import Tensor

from unblur.errors import ImageError
from unblur.kernels import Kernel
from unblur.synthesis import (
    disk_kernel,
    gaussian_kernel,
    gaussian_process_kernel,
    shake_kernel,
)

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff"})
KERNEL_SIZES = range(13, 36)


@dataclass(frozen=True, eq=False)
class Sample:
    """One blurred crop with everything that made it.

    Attributes
    ----------
    blurred, sharp : (1, 1, H, W)
        White = 1; `sharp` is what the window of `blurred` showed.
    kernel : (h, w)
        Blur kernel.
    noise : (1, 1, 1, 1)
        Standard deviation of the noise, as the model is told it.
    mask : (H, W), optional
        1 where `blurred` may be trusted, 0 where it is saturated.
    """

    blurred: Tensor
    sharp: Tensor
    kernel: Tensor
    noise: Tensor
    mask: Tensor | None = None

    def to(self, device: torch.device) -> Sample:
        """Return the sample on a device."""
        return Sample(
            self.blurred.to(device),
            self.sharp.to(device),
            self.kernel.to(device),
            self.noise.to(device),
            None if self.mask is None else self.mask.to(device),
        )


def picture_files(folder: Path) -> list[Path]:
    """Return the pictures in a folder in the order of their names."""
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not found:
        raise ImageError(f"training needs a folder of pictures, and '{folder}' holds none.")
    return found


def read_luma(path: Path, halved: bool = False) -> Tensor:
    """Read a picture's luma as 8-bit (H, W); halving removes its compression artefacts."""
    with Picture.open(path) as picture:
        grey = picture.convert("L")
        if halved:
            grey = grey.reduce(2)
        return torch.from_numpy(np.array(grey))


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
    """Convolve (H, W) truly with a kernel and keep the pixels that see the scene alone."""
    flipped = kernel.flip(0, 1)[None, None]
    return torch.nn.functional.conv2d(scene[None, None], flipped)[0, 0]


def degrade(
    scene: Tensor, kernel: Kernel, noise: float, generator: torch.Generator, gain: float = 1.0
) -> Sample:
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
        Above 1 the scene is made brighter by it before the blur, and truth and result are
        clipped to white after it (saturation, Sec. 4.1).
    """
    weights = kernel.tensor(dtype=torch.float32)
    blurred = blur_valid(gain * scene, weights)
    blurred = blurred + noise * torch.randn(blurred.shape, generator=generator)
    top, left = ((n - 1 - n // 2) for n in weights.shape)
    height, width = blurred.shape
    sharp = gain * scene[top : top + height, left : left + width]
    if gain > 1:
        blurred, sharp = blurred.clamp(0, 1), sharp.clamp(0, 1)
    return Sample(blurred[None, None], sharp[None, None], weights, torch.full((1, 1, 1, 1), noise))


class Crops:
    """Random crops of photographs, at full and at half size, busy ones preferred.

    Parameters
    ----------
    files : list of Path
        Pictures.
    size : int
        Extent of the crops along both axes, in pixels.
    """

    def __init__(self, files: list[Path], size: int) -> None:
        variants = [read_luma(path, halved) for path in files for halved in (False, True)]
        self.size = size
        self.pictures = [p for p in variants if min(p.shape) >= size]
        if not self.pictures:
            raise ImageError(f"training needs pictures of at least {size} pixels along both axes.")

    def draw(self, generator: torch.Generator) -> Tensor:
        """Return the busier of two random crops, turned at random, (size, size), white = 1."""
        tries = [self._crop(generator) for _ in range(2)]
        crop = max(tries, key=busyness)
        crop = torch.rot90(crop, integer(4, generator))
        return crop.flip(0) if integer(2, generator) else crop

    def _crop(self, generator: torch.Generator) -> Tensor:
        picture = self.pictures[integer(len(self.pictures), generator)]
        top, left = (integer(n - self.size + 1, generator) for n in picture.shape)
        return picture[top : top + self.size, left : left + self.size].float() / 255


def busyness(x: Tensor) -> float:
    """Return the mean absolute derivative."""
    return float(x.diff(dim=0).abs().mean() + x.diff(dim=1).abs().mean())


def integer(bound: int, generator: torch.Generator) -> int:
    """Draw an integer in [0, bound)."""
    return int(torch.randint(bound, (), generator=generator))


def uniform(generator: torch.Generator) -> float:
    """Draw a number in [0, 1)."""
    return float(torch.rand((), generator=generator, dtype=torch.float64))
