"""Synthetic fields of stars whose PSF changes over the image, with their truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unblur.model.kernel import Kernel, KernelField

Array = NDArray[np.float64]
Shape = tuple[float, float, float]

SUBSAMPLES = 5
"""Samples of a PSF per pixel along an axis, over which it is integrated, dimensionless."""


@dataclass(frozen=True, eq=False)
class StarField:
    """A frame of stars and what is true of it.

    Attributes
    ----------
    image : (N, N) float32
        The frame in counts, with Poisson noise and read noise.
    positions : (S, 2)
        Rows and columns of the stars, in pixels.
    fluxes : (S)
        Total flux of each star, in counts.
    sky : float
        Background, in counts per pixel.
    gain, read_noise : float
        Electrons per count, and standard deviation of the read noise in electrons.
    shape_at : callable
        Maps row and column, in [-1, 1] over the image, to the width (FWHM, in pixels) and both
        components of the ellipticity of the PSF.
    """

    image: NDArray[np.float32]
    positions: Array
    fluxes: Array
    sky: float
    gain: float
    read_noise: float
    shape_at: Callable[[float, float], Shape]

    def psf(self, row: float, column: float, half_width: int = 24) -> Array:
        """Return the PSF at a position, odd extent, sum 1."""
        extent = len(self.image) - 1
        shape = self.shape_at(2 * row / extent - 1, 2 * column / extent - 1)
        psf = moffat(shape, half_width)
        return np.asarray(psf / psf.sum())

    def kernels(self, count: int, half_width: int = 24) -> KernelField:
        """Return the true PSF on a grid of `count` positions along each axis."""
        at = np.linspace(0, len(self.image) - 1, count).tolist()
        grid = tuple(
            tuple(Kernel(self.psf(r, c, half_width).astype(np.float32)) for c in at) for r in at
        )
        return KernelField(grid, tuple(at), tuple(at))


def varying_shape(row: float, column: float) -> Shape:
    """Return width and ellipticity as of a tilted detector with coma; arguments in [-1, 1]."""
    width = 2.8 + 0.45 * (row**2 + column**2) + 0.25 * column
    return (
        width,
        0.16 * row * column + 0.1 * column**2 - 0.05,
        0.14 * row + 0.08 * row * column,
    )


def star_field(
    extent: int = 128,
    count: int = 30,
    *,
    shape_at: Callable[[float, float], Shape] = varying_shape,
    fluxes: tuple[float, float] = (3e3, 3e5),
    sky: float = 200.0,
    gain: float = 2.0,
    read_noise: float = 5.0,
    distance: float = 0.0,
    seed: int = 0,
) -> StarField:
    """Return a frame of stars with noise.

    Parameters
    ----------
    extent : int
        Rows and columns, in pixels.
    count : int
        Number of stars.
    shape_at : callable
        Width and ellipticity of the PSF; see `StarField`.
    fluxes : (float, float)
        Smallest and largest flux in counts; its logarithm is uniform between them.
    sky, gain, read_noise
        See `StarField`.
    distance : float
        Smallest distance of two stars, in pixels, as far as it can be kept.
    seed : int
        Seed of positions, fluxes and noise.

    Example
    -------
    >>> field = star_field(64, 5)
    >>> field.image.shape, len(field.positions)
    ((64, 64), 5)
    """
    draw = np.random.default_rng(seed)
    positions = np.empty((0, 2))
    for _ in range(count):
        for _ in range(200):
            position = draw.uniform(8, extent - 9, 2)
            if not len(positions) or np.hypot(*(positions - position).T).min() >= distance:
                break
        positions = np.vstack([positions, position])
    flux = np.exp(draw.uniform(np.log(fluxes[0]), np.log(fluxes[1]), count))
    half = 40
    scene = np.zeros((extent + 2 * half,) * 2)
    for (row, column), value in zip(positions, flux, strict=True):
        top, left = round(row), round(column)
        shape = shape_at(*(2 * np.array([row, column]) / (extent - 1) - 1))
        window = scene[top : top + 2 * half + 1, left : left + 2 * half + 1]
        window += value * moffat(shape, half, (row - top, column - left))
    clean = scene[half:-half, half:-half] + sky
    noisy = draw.poisson(clean * gain) / gain
    noisy += read_noise / gain * draw.standard_normal(clean.shape)
    return StarField(noisy.astype(np.float32), positions, flux, sky, gain, read_noise, shape_at)


def moffat(
    shape: Shape, half_width: int, offset: tuple[float, float] = (0.0, 0.0), beta: float = 3.0
) -> Array:
    """Return an elliptical Moffat function of total flux 1, integrated over the pixels."""
    width, first, second = shape
    size = 2 * half_width + 1
    fine = (np.arange(size * SUBSAMPLES) + 0.5) / SUBSAMPLES - 0.5 - half_width
    y, x = fine[:, None] - offset[0], fine[None, :] - offset[1]
    scale = width / 2 / np.sqrt(2 ** (1 / beta) - 1)
    shear = 1 / np.sqrt(1 - first**2 - second**2)  # keeps the area
    along = shear * (x * (1 - first) - second * y)
    across = shear * (y * (1 + first) - second * x)
    values = (beta - 1) / (np.pi * scale**2) * (1 + (along**2 + across**2) / scale**2) ** -beta
    blocks = values.reshape(size, SUBSAMPLES, size, SUBSAMPLES)
    return np.asarray(blocks.sum((1, 3)) / SUBSAMPLES**2)
