"""Noise levels and penalties of the steps of half-quadratic splitting, by rule."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from unblur.model.kernel import Kernel
from unblur.numerics.fourier import psf_to_otf
from unblur.numerics.operators import laplacian_otf

MIN_NOISE = 0.001
"""Lower bound on the noise, standard deviation for white = 1; keeps the penalties finite. It is
below the least noise of the training, 0.003, since the trained steps still work there
(`benchmarks/results/plug-and-play-low-noise.md`)."""
MAX_SIGMA = 0.1
"""Upper bound on the noise level of the first step, standard deviation for white = 1; with larger
ones the first images lose detail that is not recovered."""
LAST = 1.5
"""Noise level of the last step, in units of the noise, dimensionless."""
PENALTY = 0.15
"""Penalty of the last step, in units of `noise^2 / sigma^2`, dimensionless."""
PENALTY_RATIO = 1.7
"""Penalty of the first step divided by that of the last one, both in units of `noise^2 / sigma^2`,
dimensionless. With a smaller penalty the data amplify errors of the Wiener estimate that a denoiser
takes for texture. On crops of three Kodak pictures with 1 % of noise, in eight steps: 31.00 dB with
penalties from 0.25 to 0.15 and a last level of 1.5 times the noise, 30.85 dB with 0.5 to 0.1,
30.34 dB with 0.25 in all steps and a last level of the noise."""
GRADIENT_RMS = 0.55
"""Root mean square of a sharp photograph's gradient, as a fraction of its contrast."""
START_WEIGHT = 1 / 9
"""Weight of the squared gradient in the first estimate, in units of that of the least mean squared
error, dimensionless. The latter removes detail that a denoiser does not restore, while it does
remove noise: on four pictures with 1 % of noise, 28.91 dB with a weight of 1, 29.65 dB with 1/9,
29.64 dB with 1/30 (two pictures each of the validation images and of Kodak, eight steps)."""


@dataclass(frozen=True)
class SigmaSchedule:
    """The parameters of a run.

    Attributes
    ----------
    sigmas : tuple of float
        Noise level of the priors in each step, standard deviation for white = 1.
    penalties : tuple of float
        Penalty of each step, in units of the squared residual.
    wiener_weight : float
        Weight of the squared gradient in the first estimate, in units of the squared residual.
    """

    sigmas: tuple[float, ...]
    penalties: tuple[float, ...]
    wiener_weight: float


def make_schedule(
    kernel: Kernel,
    noise: float,
    contrast: float,
    steps: int,
    first: float | None = None,
    last: float = LAST,
    penalty: float = PENALTY,
) -> SigmaSchedule:
    """Return noise levels that fall geometrically, and the penalties that belong to them.

    Parameters
    ----------
    kernel : Kernel
        The blur.
    noise : float
        Standard deviation of the noise, white = 1, model errors included.
    contrast : float
        Standard deviation of the blurred image, white = 1.
    steps : int
        Number of steps.
    first : float, optional
        Noise level of the first step; by default `wiener_error`.
    last : float
        Noise level of the last step, in units of the noise.
    penalty : float
        Penalty of the last step in units of `noise^2 / sigma^2`; that of the first one is
        `PENALTY_RATIO` times as large, and it falls geometrically.

    Example
    -------
    >>> kernel = Kernel(np.ones((9, 9)))
    >>> plan = make_schedule(kernel, 0.01, 0.2, 3, 0.09, 1.0, 0.22)
    >>> [round(sigma, 3) for sigma in plan.sigmas]
    [0.09, 0.03, 0.01]
    """
    noise = max(noise, MIN_NOISE)
    weight = START_WEIGHT * (noise / (GRADIENT_RMS * max(contrast, noise))) ** 2
    lowest = max(last * noise, MIN_NOISE)
    if first is None:
        first = wiener_error(kernel, noise, weight)
    highest = min(max(first, lowest), MAX_SIGMA)
    sigmas = tuple(float(s) for s in np.geomspace(highest, lowest, steps))
    factors = np.geomspace(PENALTY_RATIO * penalty, penalty, steps)
    penalties = tuple(float(f) * noise**2 / s**2 for f, s in zip(factors, sigmas, strict=True))
    return SigmaSchedule(sigmas, penalties, weight)


def wiener_error(kernel: Kernel, noise: float, weight: float) -> float:
    """Return the expected root mean square error of a Wiener estimate, white = 1.

    Of a scene whose gradient is white noise of variance `noise^2 / weight`, and whose spectrum
    is therefore `S = noise^2 / (weight |D|^2)`, the mean squared error is the mean over all
    frequencies of `noise^2 / (|K|^2 + weight |D|^2)`.
    """
    grid = [max(128, 2 * n) for n in kernel.shape]
    otf = psf_to_otf(kernel.tensor(), grid)
    total = otf.abs().square() + weight * laplacian_otf(grid, otf.real)
    return noise * math.sqrt(float((1 / total).mean()))
