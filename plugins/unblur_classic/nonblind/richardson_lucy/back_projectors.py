"""Back projection by sharper kernels than the adjoint's: many iterations at once, and a preview."""

from __future__ import annotations

import torch
from torch import Tensor

from unblur.numerics.fourier import fast_length, otf_to_psf, psf_to_otf

WIENER_POWER = 1e-3
"""Noise power in the Wiener filter relative to the power of the signal, dimensionless."""
BUTTERWORTH_GAIN = 1e-3
"""Gain of the Butterworth filter at the cutoff frequency, dimensionless."""
BUTTERWORTH_ORDER = 10
"""Order of the Butterworth filter, dimensionless."""
MAX_LOST = 0.01
"""Largest part of the energy of a combined back projector beyond the kernel's support,
dimensionless. Gaussians cut at three standard deviations have less, disks and motion blur more."""
TINY = 1e-12
"""Smallest squared transfer that is divided by, dimensionless."""
FWHM = 2.355
"""Full width at half maximum of a Gaussian in standard deviations, which are the unit."""


def wiener_butterworth(kernel: Tensor) -> Tensor:
    """Return the Wiener-Butterworth back projector of a kernel, correlated in place of it.

    It is the Wiener inverse of the kernel, with a low-pass filter that ends at the frequency of the
    kernel's width, cut to the kernel's support, of sum 1. Some of its values are negative.

    Parameters
    ----------
    kernel : (*k)
        Kernel of sum 1, compact: of motion blur, the inverse does not fit into the support.

    Returns
    -------
    (*k)
        To be applied as the kernel is in the adjoint: by correlation.

    References
    ----------
    M. Guo et al., "Rapid image deconvolution and multiview fusion for optical microscopy", Nat.
    Biotechnol. 38, 2020.
    """
    support = kernel.shape
    grid = [fast_length(4 * n) for n in support]
    squared = kernel.new_zeros(())
    for axis, (n, size) in enumerate(zip(support, grid, strict=True)):
        others = [a for a in range(kernel.ndim) if a != axis]
        profile = kernel.sum(others) if others else kernel
        offset = torch.arange(n, dtype=kernel.dtype, device=kernel.device) - n // 2
        variance = (profile * offset**2).sum() - (profile * offset).sum() ** 2
        is_last = axis == kernel.ndim - 1
        frequency = torch.fft.rfftfreq(size) if is_last else torch.fft.fftfreq(size)
        term = (frequency.to(kernel) ** 2) * (FWHM**2 * variance)
        squared = squared + term.reshape([-1] + [1] * (kernel.ndim - 1 - axis))
    otf = psf_to_otf(kernel, grid)
    low_pass = (1 + (1 / BUTTERWORTH_GAIN**2 - 1) * squared**BUTTERWORTH_ORDER).rsqrt()
    # The inverse has the phase of the adjoint; correlation conjugates it once more.
    wiener = otf / (otf.abs().square() + WIENER_POWER)
    sharp = otf_to_psf(wiener * low_pass, grid, support)
    return sharp / sharp.sum()


def combined_back_projector(kernel: Tensor, iterations: float) -> Tensor | None:
    """Return the back projector whose single step does what many iterations do, if it is compact.

    Near a scene, `n` iterations multiply an error by `(1 - t)^n`, where `t = |H|^2` for a transfer
    function `H`. So does one step with `H* (1 - (1 - t)^n) / t` in place of `H*`, which has no more
    noise: the number of iterations is the regularisation, as before. It is cut to the kernel's
    support; what its sum then lacks of 1 is that part of the kernel.

    Parameters
    ----------
    kernel : (*k)
        Kernel of sum 1.
    iterations : float
        The number `n`, above 1.

    Returns
    -------
    (*k) or None
        To be correlated in place of the kernel, of sum 1; `None` if more than `MAX_LOST` of its
        energy lies beyond the support.

    References
    ----------
    L. Landweber, "An iteration formula for Fredholm integral equations of the first kind", Am. J.
    Math. 73, 1951; filter factors: P. C. Hansen, "Rank-Deficient and Discrete Ill-Posed Problems",
    SIAM, 1998.
    """
    support = kernel.shape
    grid = [fast_length(2 * n) for n in support]
    otf = psf_to_otf(kernel, grid)
    squared = otf.abs().square().clamp_(TINY, 1)
    factors = torch.log1p(-squared).mul_(iterations).expm1_().neg_().div_(squared)
    whole = otf_to_psf(otf * factors, grid, grid)
    sharp = otf_to_psf(otf * factors, grid, support)
    if sharp.square().sum() < (1 - MAX_LOST) * whole.square().sum():
        return None
    return sharp + (1 - sharp.sum()) * kernel
