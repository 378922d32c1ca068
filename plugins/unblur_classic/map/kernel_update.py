"""Kernel update: a non-negative least-squares fit on gradients, restricted to its support."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unblur.numerics.fourier import corner, fast_length, fft, inverse_fft, psf_to_otf
from unblur.numerics.solvers import Operator, nonnegative_least_squares
from unblur.numerics.statistics import stable_mean

WHITENED_RIDGE = 0.1
"""Weight of the squared kernel in whitened equations, in which frequencies of ample power have the
weight 1."""
DENSE_SIZE = 21
"""Largest extent of a kernel whose equations are applied as a matrix, which is faster than Fourier
transforms up to there, in pixels."""


@dataclass(frozen=True)
class NormalEquations:
    """Normal equations of `|k * s - b|^2 / 2` over the support of a kernel.

    Leading axes hold several images, each with a kernel and equations of its own.

    Attributes
    ----------
    autocorrelation : (..., 2 n + 1, 2 n + 1)
        Autocorrelation of `s` at all differences of shifts, 0 in the middle.
    otf : (..., complex) tensor
        Its transfer function, on a grid of extent `grid`.
    target : (..., n, n)
        Correlation of `b` with `s` at the shifts of the kernel's support.
    grid : int
        Extent of the grid on which the kernel is convolved.
    """

    autocorrelation: Tensor
    otf: Tensor
    target: Tensor
    grid: int

    @classmethod
    def of(
        cls, sharp: Tensor, blurred: Tensor, size: int, whitening: float | None = None
    ) -> NormalEquations:
        """Return the equations for gradients (2, ..., *domain) and a kernel of `size` pixels.

        With `whitening`, the squared residual at every frequency is divided by the power of `s`
        there plus `whitening` times the mean power, so that all frequencies of ample power have
        equal weights.
        """
        domain = sharp.shape[-2:]
        spectrum = fft(sharp, 2)
        power = (spectrum.real.square() + spectrum.imag.square()).sum(0)
        cross_power = (spectrum.conj() * fft(blurred, 2)).sum(0)
        if whitening is not None:
            level = power + whitening * stable_mean(power)
            level = level.clamp_min(torch.finfo(power.dtype).tiny)
            power, cross_power = power / level, cross_power * level.reciprocal()
        auto, cross = inverse_fft(power, domain), inverse_fft(cross_power, domain)
        centre = size // 2
        target = torch.roll(cross, (centre, centre), (-2, -1))[corner((size, size))]
        grid = fast_length(3 * size + 2)
        centred = torch.roll(auto, (size, size), (-2, -1))[corner((2 * size + 1, 2 * size + 1))]
        return cls(centred, psf_to_otf(centred, (grid, grid)), target, grid)

    def matrix(self) -> Tensor:
        """Return the matrix (n * n, n * n) of `apply`, for equations without leading axes."""
        n = self.target.shape[-1]
        shifts = self.autocorrelation[1:-1, 1:-1].unfold(0, n, 1).unfold(1, n, 1)
        return shifts.flip(-2, -1).reshape(n * n, n * n)

    def apply(self, kernel: Tensor) -> Tensor:
        """Return the autocorrelation of `s` applied to `kernel`: the gradient plus `target`."""
        size = kernel.shape[-1]
        padded = kernel.new_zeros(*kernel.shape[:-2], self.grid, self.grid)
        padded[corner((size, size))] = kernel
        image = inverse_fft(fft(padded, 2) * self.otf, (self.grid, self.grid))
        return image[corner((size, size))]


def fit_kernel(
    sharp: Tensor,
    blurred: Tensor,
    initial: Tensor,
    *,
    ridge: float,
    whitening: float | None = None,
    iterations: int = 30,
) -> Tensor:
    """Return `argmin_{k >= 0} |k * sharp - blurred|^2 + ridge |k|^2`, scaled to sum 1.

    Parameters
    ----------
    sharp, blurred : (2, *domain)
        Gradients of the latent and of the blurred scene.
    initial : (n, n)
        Initial kernel, of the result's extent.
    ridge : float
        Weight of the squared kernel.
    whitening : float, optional
        Whitening constant, see `NormalEquations.of`.
    iterations : int
        Iterations of `unblur.numerics.solvers.nonnegative_least_squares`.
    """
    size = initial.shape[-1]
    equations = NormalEquations.of(sharp, blurred, size, whitening)
    lipschitz = 1.01 * float(equations.otf.abs().max()) + ridge
    target, start = equations.target, initial
    normal: Operator = lambda k: equations.apply(k) + ridge * k  # noqa: E731
    if size <= DENSE_SIZE:
        matrix = equations.matrix()
        matrix.diagonal().add_(ridge)
        normal, target, start = matrix.mv, target.reshape(-1), start.reshape(-1)
    found = nonnegative_least_squares(
        normal, target, start, lipschitz=lipschitz, iterations=iterations
    )
    kernel = found.reshape(size, size)
    total = kernel.sum()
    return kernel / total if float(total) > 0 else initial
