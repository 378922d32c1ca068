"""Images of any size for the benchmarks of large images, written chunk by chunk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import zarr
from scipy.ndimage import convolve, gaussian_filter

from unblur.model.kernel import Kernel
from unblur.numerics.synthesis import gaussian_process_kernel

CHUNK = 1024
BLUR = (2.0, 15)
"""Standard deviation and size of the kernel of the texture, in pixels."""


def texture() -> np.ndarray:
    """Return a periodic chunk of noise, blurred by the kernel of `BLUR`, (CHUNK, CHUNK)."""
    draw = np.random.default_rng(0)
    piece = gaussian_filter(draw.standard_normal((CHUNK, CHUNK)), BLUR[0], mode="wrap")
    return 20000 + 8000 * piece / piece.std() + 200 * draw.standard_normal(piece.shape)


def boxes() -> np.ndarray:
    """Return a periodic chunk of a thousand overlapping boxes, blurred by `motion`."""
    draw = np.random.default_rng(0)
    sharp = np.full((CHUNK, CHUNK), 25000.0)
    for row, column in draw.integers(0, CHUNK, (1000, 2)):
        height, width = draw.integers(8, 128, 2)
        sharp[row : row + height, column : column + width] = draw.uniform(5000, 50000)
    seen = convolve(sharp, motion().weights, mode="wrap")
    return seen + 600 * draw.standard_normal(seen.shape)


def motion() -> Kernel:
    """Return a kernel of 17 x 17 pixels."""
    return gaussian_process_kernel(17, torch.Generator().manual_seed(0))


def make_image(path: Path, edge: int, piece: np.ndarray) -> None:
    """Write a zarr of `edge` x `edge` pixels that repeats the chunk `piece`."""
    values = np.clip(piece, 0, 60000).astype(np.uint16)
    array = zarr.create_array(path, shape=(edge, edge), chunks=(CHUNK, CHUNK), dtype="uint16")
    for row in range(0, edge, CHUNK):
        for column in range(0, edge, CHUNK):
            array[row : row + CHUNK, column : column + CHUNK] = values
