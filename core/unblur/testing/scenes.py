"""Small synthetic scenes on which laws are checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import fftconvolve
from torch import Tensor

from unblur.model.kernel import Kernel

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class SyntheticScene:
    """A sharp image, a kernel, and the blurred image.

    Attributes
    ----------
    sharp, blurred : (C, *spatial) float32
        White = 1, of equal shape. The sharp image continued beyond the border when blurred.
    kernel : Kernel
        `blurred = sharp * kernel` inside the border.
    """

    sharp: Tensor
    blurred: Tensor
    kernel: Kernel


def synthetic_scene(
    shape: Sequence[int] = (96, 96),
    kernel: Kernel | None = None,
    *,
    channels: int = 1,
    noise: float = 0.0,
    seed: int = 0,
) -> SyntheticScene:
    """Return boxes of different brightness on a linear gradient, blurred.

    Parameters
    ----------
    shape : sequence of int
        Spatial extent, 2-D or 3-D, in pixels.
    kernel : Kernel, optional
        Kernel of the blur; a Gaussian of 7 pixels and standard deviation 1.2 by default.
    channels : int
        Number of channels, each with different boxes.
    noise : float
        Standard deviation of Gaussian noise added to the blurred image, white = 1.
    seed : int
        Seed of the boxes and the noise.
    """
    psf = gaussian((7,) * len(shape), 1.2) if kernel is None else kernel
    before = [n - 1 - n // 2 for n in psf.shape]
    extent = [n + k - 1 for n, k in zip(shape, psf.shape, strict=True)]
    draw = np.random.default_rng(seed)
    whole = np.stack([_boxes(extent, draw) for _ in range(channels)])
    inside: Any = (..., *(slice(b, b + n) for b, n in zip(before, shape, strict=True)))
    observed = np.stack([fftconvolve(plane, psf.weights, mode="valid") for plane in whole])
    observed = observed + noise * draw.standard_normal(observed.shape)
    return SyntheticScene(
        torch.tensor(whole[inside], dtype=torch.float32),
        torch.tensor(observed, dtype=torch.float32),
        psf,
    )


def stars(
    shape: Sequence[int] = (128, 128), kernel: Kernel | None = None, seed: int = 0
) -> SyntheticScene:
    """Return isolated point sources on a constant background, for estimators that need them."""
    psf = gaussian((9,) * len(shape), 1.5) if kernel is None else kernel
    draw = np.random.default_rng(seed)
    sky = np.full(shape, 0.02)
    pitch = max(psf.shape) * 2 + 4
    for position in product(*(range(pitch // 2, n - pitch // 2, pitch) for n in shape)):
        sky[position] += draw.uniform(4, 8)
    observed = fftconvolve(sky - 0.02, psf.weights, mode="same") + 0.02
    scale = observed.max()
    observed = observed / scale + 0.001 * draw.standard_normal(observed.shape)
    return SyntheticScene(
        torch.tensor(sky / scale, dtype=torch.float32)[None],
        torch.tensor(observed, dtype=torch.float32)[None],
        psf,
    )


def gaussian(shape: Sequence[int], sigma: float) -> Kernel:
    """Return a Gaussian kernel centred at `n // 2`, `sigma` in pixels."""
    weights = np.ones(shape)
    for axis, n in enumerate(shape):
        profile = np.exp(-0.5 * ((np.arange(n) - n // 2) / sigma) ** 2)
        weights = weights * profile.reshape([-1] + [1] * (len(shape) - 1 - axis))
    return Kernel(weights.astype(np.float32))


def lopsided(shape: Sequence[int], seed: int = 0) -> Kernel:
    """Return a kernel without any symmetry, which reveals a flip or a shift by one pixel."""
    weights = gaussian(shape, 0.15 * max(shape)).weights.astype(np.float64)
    weights = weights * np.random.default_rng(seed).uniform(0.1, 1, weights.shape)
    weights[(0,) * len(shape)] = 0.25 * weights.max()
    return Kernel(weights.astype(np.float32))


def _boxes(extent: Sequence[int], draw: np.random.Generator) -> Array:
    scene = np.full(extent, 0.2)
    for axis, n in enumerate(extent):
        scene += np.linspace(0, 0.2, n).reshape([-1] + [1] * (len(extent) - 1 - axis))
    for _ in range(30):
        start = [int(draw.integers(0, n)) for n in extent]
        size = [int(draw.integers(4, 4 + max(n // 3, 1))) for n in extent]
        box = tuple(slice(a, a + s) for a, s in zip(start, size, strict=True))
        scene[box] = draw.uniform(0.1, 0.9)
    return scene
