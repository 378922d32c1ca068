"""The quotient layers: kernel and latent image by division in Fourier space (Schuler Eqs. 3-5)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from unblur.numerics.fourier import fast_length, fft, inverse_fft, otf_to_psf, psf_to_otf
from unblur.numerics.operators import extend_periodic, laplacian_otf


@dataclass(frozen=True)
class Spectra:
    """Numerator and denominator of (Schuler Eq. 4), summed over features and, by `+`, windows.

    Attributes
    ----------
    cross : (B, T, T // 2 + 1) complex
        Numerator, the sum of `conj(F x_i) F y_i`.
    power : (B, T, T // 2 + 1)
        Sum of `|F x_i|^2`.
    """

    cross: Tensor
    power: Tensor

    @classmethod
    def of(cls, sharp: Tensor, blurred: Tensor) -> Spectra:
        """Window feature images x_i and y_i, (B, N, h, w), and transform them on a square grid.

        The windowed images are zero-padded to a square of the larger extent, rounded up to a fast
        length, so that the spectra of windows of one nominal size can be added.
        """
        edge = fast_length(max(sharp.shape[-2:]))
        window = tile_window(sharp.shape[-2], sharp.shape[-1]).to(sharp)
        x, y = (torch.fft.rfft2(f * window, s=(edge, edge)) for f in (sharp, blurred))
        return cls((x.conj() * y).sum(1), (x.real.square() + x.imag.square()).sum(1))

    def __add__(self, other: Spectra) -> Spectra:
        return Spectra(self.cross + other.cross, self.power + other.power)

    def total(self) -> Spectra:
        """Return the sum over the batch, as a batch of one."""
        return Spectra(self.cross.sum(0, keepdim=True), self.power.sum(0, keepdim=True))

    def kernel(self, size: int, ridge: Tensor | float) -> Tensor:
        """Return the quotient of (Schuler Eq. 4), the minimum of (Schuler Eq. 3), cropped.

        Parameters
        ----------
        size : int
            Extent of the kernel in pixels, at most that of the grid.
        ridge : float or tensor
            Weight beta_k relative to the mean power, so that neither the features' scale nor
            the image's size matters.

        Returns
        -------
        (B, size, size)
            Values of any sign and any sum.
        """
        edge = self.power.shape[-2]
        beta_k = ridge * self.power.mean((-2, -1), keepdim=True) + 1e-12
        return otf_to_psf(self.cross / (self.power + beta_k), (edge, edge), (size, size))


@lru_cache(maxsize=64)
def tile_window(height: int, width: int) -> Tensor:
    """Return a window (height, width) that falls to zero over the outer quarter of each side.

    Its flanks are those of the modified Bartlett-Hann window (Schuler Sec. 3.1.2).
    """
    return torch.outer(_taper(height), _taper(width))


def _taper(length: int) -> Tensor:
    flank = max(length // 4, 1)
    t = (torch.arange(flank) + 0.5) / (2 * flank) - 0.5
    rise = 0.62 - 0.48 * t.abs() + 0.38 * torch.cos(2 * torch.pi * t)
    window = torch.ones(length)
    window[:flank] = rise
    window[length - flank :] = rise.flip(0)
    return window


def image_quotient(y: Tensor, kernel: Tensor, weights: Tensor, on_gradients: bool = True) -> Tensor:
    """Return the latent images of (Schuler Eq. 5), one per weight, cropped to the extent of `y`.

    Parameters
    ----------
    y : (B, 1, h, w)
        Blurred image.
    kernel : (B, n, n)
        Kernels of sum 1.
    weights : (B, L)
        Weights beta_x of the prior.
    on_gradients : bool
        Whether the prior penalises gradients rather than values, as the paper's does.

    Returns
    -------
    (B, L, h, w)
    """
    size = kernel.shape[-1]
    domain = [fast_length(n + size) for n in y.shape[-2:]]
    mean = y.mean((-2, -1), keepdim=True)
    lead = size // 2
    spectrum = fft(extend_periodic(y - mean, domain, (lead, lead)), 2)
    otf = psf_to_otf(kernel, domain)[:, None]
    prior = laplacian_otf(domain, y) + 1e-3 if on_gradients else torch.ones((), device=y.device)
    power = otf.real.square() + otf.imag.square()
    ratio = otf.conj() / (power + weights[..., None, None] * prior)
    latent = inverse_fft(ratio * spectrum, domain)
    return latent[..., lead : lead + y.shape[-2], lead : lead + y.shape[-1]] + mean


def deconvolve_gaussian(kernel: Tensor, deviation: float) -> Tensor:
    """Return kernels (B, n, n) deconvolved by a Gaussian, non-negative and of sum 1.

    Parameters
    ----------
    kernel : (B, n, n)
        Kernels.
    deviation : float
        Standard deviation of the Gaussian in pixels.
    """
    n = kernel.shape[-1]
    edge = fast_length(2 * n)
    offset = torch.arange(n, dtype=kernel.dtype, device=kernel.device) - n // 2
    row = torch.exp(-(offset**2) / (2 * deviation**2))
    gaussian = psf_to_otf(torch.outer(row, row) / row.sum() ** 2, (edge, edge))
    otf = psf_to_otf(kernel, (edge, edge)) * gaussian.conj() / (gaussian.abs().square() + 1e-3)
    sharper = otf_to_psf(otf, (edge, edge), (n, n)).clamp_min(0)
    return sharper / sharper.sum((-2, -1), keepdim=True)
