"""Pictures to learn from: which files, their luma, and random crops of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Picture
from torch import Tensor

from unblur.errors import ImageError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff"})


def image_files(folder: Path) -> list[Path]:
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


def read_luma_at_two_sizes(files: Sequence[Path]) -> list[Tensor]:
    """Read the luma of pictures, each at full and at half size."""
    return [read_luma(path, halved) for path in files for halved in (False, True)]


class Crops:
    """Random crops of pictures, busy ones preferred.

    Parameters
    ----------
    pictures : sequence of 8-bit (H, W)
        Those smaller than a crop are left out.
    size : int
        Extent of the crops along both axes, in pixels.
    """

    def __init__(self, pictures: Sequence[Tensor], size: int) -> None:
        self.size = size
        self.pictures = [p for p in pictures if min(p.shape) >= size]
        if not self.pictures:
            raise ImageError(f"training needs pictures of at least {size} pixels along both axes.")

    def draw(self, generator: torch.Generator) -> Tensor:
        """Return the busier of two random crops, turned at random, (size, size), white = 1."""
        tries = [self._crop(generator) for _ in range(2)]
        crop = max(tries, key=mean_gradient)
        crop = torch.rot90(crop, integer(4, generator))
        return crop.flip(0) if integer(2, generator) else crop

    def _crop(self, generator: torch.Generator) -> Tensor:
        picture = self.pictures[integer(len(self.pictures), generator)]
        top, left = (integer(n - self.size + 1, generator) for n in picture.shape)
        return picture[top : top + self.size, left : left + self.size].float() / 255


def mean_gradient(x: Tensor) -> float:
    """Return the mean absolute derivative."""
    return float(x.diff(dim=0).abs().mean() + x.diff(dim=1).abs().mean())


def integer(bound: int, generator: torch.Generator) -> int:
    """Draw an integer in [0, bound)."""
    return int(torch.randint(bound, (), generator=generator))


def uniform(generator: torch.Generator) -> float:
    """Draw a number in [0, 1)."""
    return float(torch.rand((), generator=generator, dtype=torch.float64))
