"""Training images: image files in a folder, their luma, and random crops."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Picture
from torch import Tensor

from unblur.errors import ImageError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff"})
"""Suffixes of the image files that are read, in lower case."""


def image_files(folder: Path) -> list[Path]:
    """Return the image files in a folder, sorted by name."""
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not found:
        raise ImageError(f"training needs a folder of images, and '{folder}' holds none.")
    return found


def hold_out(files: Sequence[Path], most: int) -> tuple[list[Path], list[Path]]:
    """Return the files to train on, and those for validation: one in nine, `most` at most.

    Example
    -------
    >>> kept, held = hold_out([Path(f"{n}.png") for n in range(20)], 12)
    >>> len(kept), [path.stem for path in held]
    (18, ['0', '10'])
    """
    count = min(most, max(len(files) // 9, 1))
    held = list(files[:: len(files) // count][:count])
    return [file for file in files if file not in held], held


def read_luma(path: Path, halved: bool = False) -> Tensor:
    """Read the luma of an image, (H, W) uint8; halving it removes compression artefacts."""
    with Picture.open(path) as picture:
        grey = picture.convert("L")
        if halved:
            grey = grey.reduce(2)
        return torch.from_numpy(np.array(grey))


def read_luma_at_two_sizes(files: Sequence[Path]) -> list[Tensor]:
    """Read the luma of images, each at full and at half size."""
    return [read_luma(path, halved) for path in files for halved in (False, True)]


class Crops:
    """Random crops of images, preferring crops with a large mean gradient.

    Parameters
    ----------
    images : sequence of (H, W) uint8
        Luma images; those smaller than a crop are skipped.
    size : int
        Extent of the crops along both axes, in pixels.
    """

    def __init__(self, images: Sequence[Tensor], size: int) -> None:
        self.size = size
        self.images = [p for p in images if min(p.shape) >= size]
        if not self.images:
            raise ImageError(f"training needs images of at least {size} pixels along both axes.")

    def draw(self, generator: torch.Generator) -> Tensor:
        """Return the crop with the larger mean gradient of two, rotated and flipped at random.

        Its shape is (size, size), white = 1.
        """
        candidates = [self._crop(generator) for _ in range(2)]
        crop = max(candidates, key=mean_gradient)
        crop = torch.rot90(crop, integer(4, generator))
        return crop.flip(0) if integer(2, generator) else crop

    def _crop(self, generator: torch.Generator) -> Tensor:
        image = self.images[integer(len(self.images), generator)]
        top, left = (integer(n - self.size + 1, generator) for n in image.shape)
        return image[top : top + self.size, left : left + self.size].float() / 255


def mean_gradient(x: Tensor) -> float:
    """Return the mean absolute forward difference, summed over both axes."""
    return float(x.diff(dim=0).abs().mean() + x.diff(dim=1).abs().mean())


def integer(bound: int, generator: torch.Generator) -> int:
    """Draw an integer in [0, bound)."""
    return int(torch.randint(bound, (), generator=generator))


def uniform(generator: torch.Generator) -> float:
    """Draw a number in [0, 1)."""
    return float(torch.rand((), generator=generator, dtype=torch.float64))
