"""Back projection by a sharper kernel than the adjoint's, for a preview in two iterations."""

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
