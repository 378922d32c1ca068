"""The Wiener filter's transfer functions, and how far such a filter reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unblur.model.kernel import Kernel
from unblur.numerics.fourier import inverse_fft, psf_to_otf
from unblur.numerics.operators import laplacian_otf

CONTINUED = 0.01
"""Squared frequency (transfer function of the squared gradient) below which an image is continued
beyond a tile with little error, dimensionless: wavelengths of about 60 pixels."""


@dataclass(frozen=True)
class WienerFilter:
    """The transfer functions of one Wiener filter, on a periodic grid.

    Attributes
    ----------
    restore : complex tensor
        Maps the blurred scene to the sharp one.
    cost : tensor
        `<u, cost u>` is the minimum of the objective for a blurred scene `u`.
    cost_inverse : tensor
        Its inverse, kept finite.
    """

    restore: Tensor
    cost: Tensor
    cost_inverse: Tensor

    @classmethod
    def of(cls, otf: Tensor, shape: Sequence[int], weight: float | Tensor) -> WienerFilter:
        """Return the filter for a transfer function on a grid of extent `shape`."""
        prior = weight * laplacian_otf(shape, otf.real)
        total = otf.abs() ** 2 + prior
        cost = prior / total
        return cls(otf.conj() / total, cost, 1 / cost.clamp_min(1e-4))


def response_radius(kernel: Kernel, weight: float, share: float = 0.005) -> tuple[int, ...]:
    """Return how far the Wiener filter of `kernel` reaches, in pixels per axis.

    Parameters
    ----------
    kernel : Kernel
        The blur.
    weight : float
        Weight of the squared gradient.
    share : float
        What may be left of the filter's response beyond, as the root of its energy there.
    """
    grid = _response_grid(kernel)
    otf = psf_to_otf(kernel.tensor(), grid)
    # In place, and by a reciprocal: fields of many kernels ask for each one's radius.
    total = laplacian_otf(grid, otf.real).mul_(weight)
    total.add_(otf.real.square()).add_(otf.imag.square())
    restore = otf.conj_physical_().mul_(total.reciprocal_())
    return radius_of(inverse_fft(restore, grid), share)


def tile_radius(
    kernel: Kernel, weight: float, noise: float, gradient: float, share: float
) -> tuple[int, ...]:
    """Return how far beyond its interior a tile is read, in pixels per axis.

    The missing pixels beyond a tile change its regularised solution by what the Wiener filter
    makes of them. A blurred image has little beside noise at the frequencies that its kernel
    suppresses, where the filter's response is longest: so the filter is applied to a random image
    with the spectrum of the blurred one, and the radius is that beyond which little is left.

    Parameters
    ----------
    kernel : Kernel
        The blur.
    weight : float
        Weight of the squared gradient in the solution.
    noise, gradient : float
        Standard deviation of the noise, and root mean square of the sharp image's gradient, as
        fractions of the image's contrast.
    share : float
        Root mean square of the error at the border of a tile's interior, as a fraction of the
        contrast.

    Notes
    -----
    The sharp image has the power spectrum `gradient^2 / (|D|^2 + CONTINUED)`: that of photographs,
    without the low frequencies, at which the image is continued beyond the tile.
    `benchmarks/tile_halos.py` compares the error that follows with the measured one.

    Example
    -------
    >>> from unblur.numerics.synthesis import motion_kernel
    >>> kernel = motion_kernel(15, 30)
    >>> tile_radius(kernel, 1e-2, 0.05, 0.5, 1e-3) < tile_radius(kernel, 1e-3, 0.01, 0.5, 1e-3)
    True
    """
    grid = _response_grid(kernel)
    otf = psf_to_otf(kernel.tensor(), grid)
    sharp = gradient**2 / (laplacian_otf(grid, otf.real) + CONTINUED)
    spectrum = (otf.abs() ** 2 * sharp + noise**2).sqrt()
    wiener = WienerFilter.of(otf, grid, weight)
    return radius_of(inverse_fft(wiener.restore * spectrum, grid), share)


def _response_grid(kernel: Kernel) -> list[int]:
    """Return the extents of a periodic grid on which the response of a filter has space."""
    least = 1024 if kernel.ndim == 2 else 128
    return [max(least, 2 * n) for n in kernel.shape]


def radius_of(response: Tensor, share: float) -> tuple[int, ...]:
    """Return how far a filter reaches along each axis.

    Parameters
    ----------
    response : (*spatial)
        Impulse response on a periodic grid, its centre at index 0.
    share : float
        What may lie beyond: root of the response's energy outside, in the response's units.

    Returns
    -------
    tuple of int
        Per axis the smallest distance in pixels beyond which less than `share` is left; half
        the grid where there is none.
    """
    reach = []
    squares = response.square()
    for axis, n in enumerate(response.shape):
        others = [a for a in range(response.ndim) if a != axis]
        energy = squares.sum(others, dtype=torch.float64) if others else squares.double()
        half = n // 2
        folded = energy[: half + 1].clone()
        folded[1:] += energy.flip(0)[:half]
        beyond = folded.flip(0).cumsum(0).flip(0).sqrt()
        reach.append(int((beyond > share).sum()))
    return tuple(reach)
