"""Confidence in a blind kernel: the probability that it improves the image."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from math import exp, isfinite, log

import torch
from torch import Tensor
from torch.nn import functional

from unblur.model.context import Context
from unblur.numerics.regions import gradient_energy
from unblur.numerics.statistics import REFERENCE_NOISE
from unblur_classic.map.preprocessing import EstimationInput
from unblur_classic.map.scoring import KernelScorer, residual_of, sparsity_of
from unblur_classic.map.search.kernel_search import FoundKernel, similarity_across_scales
from unblur_classic.map.search.search_track import support_extent, textured_window

MIN_WINDOW, WINDOW_SIZES = 256, 4
"""Smallest edge of the window that is restored, in pixels, and its edge in extents of the kernel,
dimensionless."""
SECTORS = 12
"""Number of directions of the spectrum that are compared, dimensionless."""
LOWEST_FREQUENCY, HIGHEST_FREQUENCY = 0.05, 0.4
"""Frequencies that are compared, in cycles per pixel."""
TINY = 1e-12
"""Power that is added before a logarithm, in units of the image's contrast squared."""
WEIGHTS = (
    *(-0.06748, -2.206, 2.588, 6.191, -0.4908, 1.585),
    *(-0.8924, -0.9965, -0.3042, 0.4524, -0.7341),
)
"""Weight of each measure of `Evidence`, dimensionless; fitted by `benchmarks/confidence.py`."""
BIAS = -5.841
"""Log odds of a success where all measures are 0, dimensionless."""


@dataclass(frozen=True)
class Evidence:
    """Measures of a blind estimate from which its confidence follows; all dimensionless.

    Attributes
    ----------
    coarse_sparsity, fine_sparsity : float
        Logarithm of the normalised sparsity of the restored image relative to the blurred one's,
        at the level of the search and at full size; negative where the restored one is sharper.
    agreement : float
        Mean over the alternations of the search of their kernels' similarity with the best.
    stability : float
        Similarity of the kernel of the search with the final one.
    noise : float
        Logarithm of the noise, relative to `REFERENCE_NOISE`.
    extent : float
        Logarithm of the kernel's extent in pixels.
    pixels : float
        Logarithm of the image's smaller side in extents of the kernel.
    concentration : float
        Logarithm of the largest sample of the kernel in means over its extent squared.
    residual : float
        Logarithm of the residual relative to the image's contrast.
    detail : float
        Logarithm of the gradient energy of the restored image relative to that of its half size.
    direction : float
        Anisotropy of the restored image's spectrum, less that of the blurred one's.
    """

    coarse_sparsity: float
    fine_sparsity: float
    agreement: float
    stability: float
    noise: float
    extent: float
    pixels: float
    concentration: float
    residual: float
    detail: float
    direction: float


def measure_evidence(given: EstimationInput, found: FoundKernel, kernel: Tensor) -> Evidence:
    """Measure the evidence for a kernel.

    Parameters
    ----------
    given : EstimationInput
        The image, of which the most textured window is restored.
    found : FoundKernel
        What the search found.
    kernel : (n, n)
        The final kernel.
    """
    y, valid = textured_window(given.y, given.valid, MIN_WINDOW, WINDOW_SIZES * kernel.shape[-1])
    image = y / y[valid > 0].std()
    sharp = KernelScorer(y, valid, Context()).restore(kernel, image)
    residual = residual_of(sharp, kernel, image, valid)
    extent = support_extent(kernel)
    return Evidence(
        coarse_sparsity=found.sparsity,
        fine_sparsity=log(sparsity_of(sharp, kernel) / sparsity_of(image, kernel)),
        agreement=found.agreement,
        stability=similarity_across_scales(found.kernel, found.ratio, kernel, 1.0),
        noise=log(0.1 + given.noise / REFERENCE_NOISE),
        extent=log(extent),
        pixels=log(min(given.y.shape) / extent),
        concentration=log(float(kernel.max() / kernel.sum()) * extent**2),
        residual=log(1e-3 + float(residual.square().mean().sqrt())),
        detail=_detail(sharp),
        direction=_anisotropy(sharp) - _anisotropy(image),
    )


def _detail(image: Tensor) -> float:
    """Return the logarithm of an image's gradient energy, relative to that of its half size."""
    half = functional.avg_pool2d(image[None, None], 2)[0, 0]
    whole, coarse = (float(gradient_energy(x).mean()) for x in (image, half))
    return log((whole + TINY) / (coarse + TINY))


def _anisotropy(image: Tensor) -> float:
    """Return the standard deviation, over directions, of the logarithm of an image's power."""
    window = [torch.hann_window(n, periodic=False).to(image) for n in image.shape]
    tapered = (image - image.mean()) * window[0][:, None] * window[1]
    power = torch.fft.fft2(tapered).abs().square()
    rows, columns = torch.meshgrid(*(torch.fft.fftfreq(n) for n in image.shape), indexing="ij")
    radius = torch.hypot(rows, columns)
    sector = (torch.atan2(rows, columns) / torch.pi % 1 * SECTORS).long().clamp_max(SECTORS - 1)
    used = ((radius > LOWEST_FREQUENCY) & (radius < HIGHEST_FREQUENCY)).to(power.device)
    weighted = (power * radius.to(power.device) ** 2)[used]
    total = power.new_zeros(SECTORS).index_add_(0, sector.to(power.device)[used], weighted)
    return float((total + TINY).log().std())


def confidence_of(evidence: Evidence) -> float:
    """Return the probability that the result gains at least 0.5 dB in PSNR, in [0, 1].

    It is 0 where a measure is not finite, as that of an image restored to one value.
    """
    odds = BIAS + sum(w * x for w, x in zip(WEIGHTS, astuple(evidence), strict=True))
    if not isfinite(odds):
        return 0.0
    return 1 / (1 + exp(-max(min(odds, 50.0), -50.0)))
