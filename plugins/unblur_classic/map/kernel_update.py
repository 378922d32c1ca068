"""The kernel that turns one gradient into another: non-negative least squares on its frame."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unblur.numerics.fourier import corner, fast_length, fft, inverse_fft, psf_to_otf
from unblur.numerics.solvers import nonnegative_least_squares

EVEN_RIDGE = 0.1
"""Weight of the squared kernel where frequencies count alike, in full with the weight 1."""


@dataclass(frozen=True)
class NormalEquations:
    """The quadratic `|k * s - b|^2 / 2` of a kernel, in terms of its frame alone.

    Of several images, each has a kernel and equations of its own, along leading axes.

    Attributes
    ----------
    otf : (..., complex) tensor
        Transfer function of the autocorrelation of `s`, on a grid of extent `grid`.
    target : (..., n, n)
        Correlation of `b` with `s` at the shifts that the frame holds.
    grid : int
        Extent of the grid on which the kernel is convolved.
    """

    otf: Tensor
    target: Tensor
    grid: int

    @classmethod
    def of(
        cls, sharp: Tensor, blurred: Tensor, size: int, floor: float | None = None
    ) -> NormalEquations:
        """Gather the equations from gradients (2, ..., *domain) for a frame of `size` pixels.

        With a `floor`, every frequency's squares are divided by the power that `s` has there and
        by `floor` times the mean power of all, so that each counts alike where `s` has enough.
        """
        domain = sharp.shape[-2:]
        spectrum = fft(sharp, 2)
        power = spectrum.abs().square().sum(0)
        common = (spectrum.conj() * fft(blurred, 2)).sum(0)
        if floor is not None:
            level = (power + floor * power.mean()).clamp_min(torch.finfo(power.dtype).tiny)
            power, common = power / level, common / level
        auto, cross = inverse_fft(power, domain), inverse_fft(common, domain)
        centre = size // 2
        target = torch.roll(cross, (centre, centre), (-2, -1))[corner((size, size))]
        grid = fast_length(3 * size + 2)
        reach = torch.roll(auto, (size, size), (-2, -1))[corner((2 * size + 1, 2 * size + 1))]
        return cls(psf_to_otf(reach, (grid, grid)), target, grid)

    def apply(self, kernel: Tensor) -> Tensor:
        """Return the quadratic's gradient at `kernel`, less the constant `-target`."""
        size = kernel.shape[-1]
        padded = kernel.new_zeros(*kernel.shape[:-2], self.grid, self.grid)
        padded[corner((size, size))] = kernel
        image = inverse_fft(fft(padded, 2) * self.otf, (self.grid, self.grid))
        return image[corner((size, size))]


def fit_kernel(
    sharp: Tensor,
    blurred: Tensor,
    start: Tensor,
    *,
    ridge: float,
    floor: float | None = None,
    iterations: int = 30,
) -> Tensor:
    """Return `argmin_{k >= 0} |k * sharp - blurred|^2 + ridge |k|^2`, scaled to sum 1.

    Parameters
    ----------
    sharp, blurred : (2, *domain)
        Gradients of the latent and of the blurred scene.
    start : (n, n)
        Kernel to start from; its frame is the result's.
    ridge : float
        Weight of the squared kernel.
    floor : float, optional
        Makes frequencies count alike, see `NormalEquations.of`.
    iterations : int
        Steps of `unblur.numerics.solvers.nonnegative_least_squares`.
    """
    equations = NormalEquations.of(sharp, blurred, start.shape[-1], floor)
    lipschitz = 1.01 * float(equations.otf.abs().max()) + ridge
    kernel = nonnegative_least_squares(
        lambda k: equations.apply(k) + ridge * k,
        equations.target,
        start,
        lipschitz=lipschitz,
        iterations=iterations,
    )
    total = kernel.sum()
    return kernel / total if float(total) > 0 else start
