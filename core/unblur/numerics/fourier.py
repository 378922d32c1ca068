"""Fourier transforms of images and kernels, with one convention for where a kernel's centre lies.

A kernel of `n` samples along an axis has its centre at index `n // 2`, odd or even. All
transforms are real-to-complex over the trailing spatial axes, so leading axes (channels,
batches) ride along.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


@lru_cache(maxsize=1024)
def fast_length(length: int) -> int:
    """Return the smallest length of at least `length` that is 5-smooth and even, or 1.

    A real transform of an odd length takes about twice the time of one of an even length.
    """
    if length <= 1:
        return 1
    best = 2
    while best < length:
        best *= 2
    fives = 2
    while fives < best:
        product = fives
        while product < best:
            twos = product
            while twos < length:
                twos *= 2
            best = min(best, twos)
            product *= 3
        fives *= 5
    return best


@lru_cache(maxsize=1024)
def mixed_length(length: int, factor: int = 4) -> int:
    """Return the smallest length of at least `length` with that factor and no prime beyond 13.

    There are more of these than of `fast_length`. With a factor of 4 MKL takes about as long for a
    sample, with 2 a twentieth longer.
    """
    found = -(-length // factor) * factor
    while _without_factors(found, (2, 3, 5, 7, 11, 13)) != 1:
        found += factor
    return found


def _without_factors(n: int, factors: Sequence[int]) -> int:
    for factor in factors:
        while n % factor == 0:
            n //= factor
    return n


def spatial_axes(ndim: int) -> tuple[int, ...]:
    """Return the trailing `ndim` axes as negative indices, e.g. `(-2, -1)`."""
    return tuple(range(-ndim, 0))


def corner(extent: Sequence[int]) -> tuple[Any, ...]:
    """Return the index of the first `extent` samples along the trailing axes."""
    return (..., *(slice(0, n) for n in extent))


def fft(x: Tensor, ndim: int) -> Tensor:
    """Transform the trailing `ndim` axes of a real tensor; the last axis is halved."""
    spectrum: Tensor = torch.fft.rfftn(x, dim=spatial_axes(ndim))
    return spectrum


def inverse_fft(spectrum: Tensor, shape: Sequence[int]) -> Tensor:
    """Invert `fft` to real values of spatial extent `shape`."""
    values: Tensor = torch.fft.irfftn(spectrum, s=tuple(shape), dim=spatial_axes(len(shape)))
    return values


def psf_to_otf(kernel: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the optical transfer function of `kernel` on a periodic grid of extent `shape`.

    Parameters
    ----------
    kernel : (..., *k)
        Kernel with its centre at `n // 2` along each of its trailing `len(shape)` axes.
    shape : sequence of int
        Spatial extent of the grid; at least the kernel's along every axis.

    Returns
    -------
    (..., *shape[:-1], shape[-1] // 2 + 1) complex
        Multiplying an image's `fft` by it convolves the image with the kernel, without a shift.
    """
    ndim = len(shape)
    support = kernel.shape[-ndim:]
    if any(k > n for k, n in zip(support, shape, strict=True)):
        raise ValueError(f"kernel of {tuple(support)} does not fit a grid of {tuple(shape)}")
    grid = kernel.new_zeros((*kernel.shape[:-ndim], *shape))
    grid[corner(support)] = kernel
    centred = torch.roll(grid, [-(k // 2) for k in support], spatial_axes(ndim))
    return fft(centred, ndim)


def otf_to_psf(otf: Tensor, shape: Sequence[int], support: Sequence[int]) -> Tensor:
    """Invert `psf_to_otf`: crop a kernel of extent `support` out of a grid of extent `shape`."""
    grid = inverse_fft(otf, shape)
    centred = torch.roll(grid, [k // 2 for k in support], spatial_axes(len(shape)))
    return centred[corner(support)]


def apply_otf(x: Tensor, otf: Tensor, ndim: int) -> Tensor:
    """Filter the trailing `ndim` axes of `x` periodically by a transfer function."""
    return inverse_fft(fft(x, ndim) * otf, x.shape[-ndim:])
