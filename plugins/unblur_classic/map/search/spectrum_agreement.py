"""Agreement of a blurred image's power spectrum with that of a kernel."""

from __future__ import annotations

import torch
from torch import Tensor

RINGS, SECTORS = 17, 16
"""Number of radial frequencies and of directions in which a spectrum is averaged, dimensionless."""
LOWEST_FREQUENCY, HIGHEST_FREQUENCY = 0.02, 0.36
"""Frequencies that are compared, in cycles per pixel."""
MIN_SAMPLES = 4
"""Smallest number of frequencies in a cell that is compared, dimensionless."""
MIN_CELLS = 20
"""Smallest number of cells from which an agreement is computed, dimensionless."""
SIGNAL_TO_NOISE = 3.0
"""Power above which a cell shows the scene, relative to that of the noise."""
DECIMALS = 4
"""Number of decimals of an agreement, dimensionless."""
MIN_GAIN = 1e-4
"""Power that is added to the kernel's before a logarithm, relative to that at frequency 0."""


def spectrum_agreement(image: Tensor, kernel: Tensor, noise: float) -> float:
    """Return the correlation of the logarithms of two power spectra, in [-1, 1].

    A kernel leaves its dark bands in the spectrum of the image that it blurs, while those of
    scenes are smooth: a power of the frequency, with a gradual decline. Both logarithms are
    therefore taken less the sum of a constant, the frequency and its logarithm that fits them
    best.

    Parameters
    ----------
    image : (h, w)
        Blurred image.
    kernel : (n, n)
        Non-negative, of positive sum, not larger than the image.
    noise : float
        Standard deviation of the noise in the image. Parts of the spectrum below
        `SIGNAL_TO_NOISE` times its power are left out.

    Returns
    -------
    float
        0 where too little of the spectrum exceeds the noise. It does not depend on the position
        of the kernel, nor on the contrast.

    References
    ----------
    The spectrum of scenes: D. J. Field, JOSA A 4(12), 1987. Blur in the spectrum of a single image:
    A. Goldstein, R. Fattal, "Blur-kernel estimation from spectral irregularities", ECCV 2012.

    Example
    -------
    >>> scene = torch.rand(96, 96, generator=torch.Generator().manual_seed(0))
    >>> motion = torch.zeros(9, 9)
    >>> motion[4] = 1 / 9
    >>> blurred = scene.unfold(1, 9, 1).mean(-1)
    >>> right, wrong = (spectrum_agreement(blurred, k, 0.0) for k in (motion, motion.T))
    >>> right > wrong + 0.5
    True
    """
    image, kernel = image.cpu().double(), kernel.cpu().double()
    window = [torch.hann_window(n, periodic=False).to(image) for n in image.shape]
    taper = window[0][:, None] * window[1]
    power = _power((image - image.mean()) * taper, image) / taper.square().sum()
    gain = _power(kernel / kernel.sum(), image)
    rows, columns = torch.fft.fftfreq(image.shape[0]), torch.fft.rfftfreq(image.shape[1])
    down, across = torch.meshgrid(rows.to(image), columns.to(image), indexing="ij")
    radius, cell = torch.hypot(down, across), _cells(down, across)
    count = _sum_of(torch.ones_like(radius), cell)
    means = [_sum_of(x, cell) / count.clamp_min(1) for x in (power, gain, radius)]
    used = (count >= MIN_SAMPLES) & (means[0] > SIGNAL_TO_NOISE * noise**2)
    if int(used.sum()) < MIN_CELLS:
        return 0.0
    power, gain, radius = (mean[used] for mean in means)
    trend = torch.stack([torch.ones_like(radius), radius, radius.log()], 1)
    # Less the noise, of which at most a third of the power is left.
    a = _without(trend, (power - noise**2).log())
    b = _without(trend, (gain + MIN_GAIN).log())
    # Rounded, so that last bits, in which threads may differ, do not matter.
    return round(float((a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-9)), DECIMALS)


def _power(x: Tensor, image: Tensor) -> Tensor:
    """Return the power spectrum of an array, padded to the size of an image."""
    return torch.fft.rfft2(x, s=list(image.shape)).abs().square()


def _cells(down: Tensor, across: Tensor) -> Tensor:
    """Return the number of the cell of each frequency; that of the others is the last."""
    radius, sector = torch.hypot(down, across), torch.atan2(down, across) / torch.pi % 1
    width = (HIGHEST_FREQUENCY - LOWEST_FREQUENCY) / RINGS
    ring = ((radius - LOWEST_FREQUENCY) / width).floor().long()
    cell = ring * SECTORS + (SECTORS * sector).long().clamp_max(SECTORS - 1)
    return torch.where((ring >= 0) & (ring < RINGS), cell, RINGS * SECTORS)


def _sum_of(x: Tensor, cell: Tensor) -> Tensor:
    """Return the sum of the values of each cell, of all cells but the last."""
    total = x.new_zeros(RINGS * SECTORS + 1)
    return total.index_add_(0, cell.flatten(), x.flatten())[:-1]


def _without(trend: Tensor, x: Tensor) -> Tensor:
    """Return values (n,) less the best combination of the columns of `trend` (n, m)."""
    return x - (trend @ torch.linalg.lstsq(trend, x[:, None]).solution)[:, 0]
