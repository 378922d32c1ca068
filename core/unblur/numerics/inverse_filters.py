"""The Wiener filter's transfer functions, and how far such a filter reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unblur.model.kernel import Kernel
from unblur.numerics.fourier import inverse_fft, psf_to_otf
from unblur.numerics.operators import laplacian_otf


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
    least = 1024 if kernel.ndim == 2 else 128
    grid = [max(least, 2 * n) for n in kernel.shape]
    otf = psf_to_otf(kernel.tensor(), grid)
    # In place, and by a reciprocal: fields of many kernels ask for each one's radius.
    total = laplacian_otf(grid, otf.real).mul_(weight)
    total.add_(otf.real.square()).add_(otf.imag.square())
    restore = otf.conj_physical_().mul_(total.reciprocal_())
    return radius_of(inverse_fft(restore, grid), share)


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
