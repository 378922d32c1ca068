"""Scores of blind results whose kernel is determined up to a shift of many pixels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unblur.model.kernel import Kernel
from unblur.numerics.fourier import fast_length, fft, inverse_fft
from unblur.numerics.metrics import levin_aligned
from unblur.numerics.metrics.shift_aligned import AlignedScore

MAX_SHIFT = 20
"""Largest shift at which a result is compared with the truth, in pixels."""
SUPPORT_THRESHOLD = 0.02
"""Samples of a true kernel above this fraction of its peak belong to its support."""


def best_score(estimate: Tensor, truth: Tensor) -> AlignedScore:
    """Score (H, W) at the best shift of at most `MAX_SHIFT`, to a quarter of a pixel.

    `MAX_SHIFT + 1` pixels at each side of the truth are left out.
    """
    x, target = estimate.double(), truth.double()
    border = MAX_SHIFT + 1
    inner = target[border:-border, border:-border]
    errors = _errors_of_shifts(x[1:-1, 1:-1], inner)
    row, column = divmod(int(errors.argmin()), errors.shape[1])
    shift = (row - MAX_SHIFT, column - MAX_SHIFT)
    moved = torch.roll(x, (-shift[0], -shift[1]), (0, 1))
    fine = levin_aligned(moved, target, border=border, search=1.0)
    return fine._replace(shift=(shift[0] + fine.shift[0], shift[1] + fine.shift[1]))


def _errors_of_shifts(x: Tensor, target: Tensor) -> Tensor:
    """Return the squared error of each window of `x` of the shape of `target`."""
    domain = [fast_length(n) for n in x.shape]
    mean = target.mean()
    x, target = x - mean, target - mean

    def correlate(a: Tensor, b: Tensor) -> Tensor:
        full = inverse_fft(fft(_pad(a, domain), 2) * fft(_pad(b, domain), 2).conj(), domain)
        return full[: 2 * MAX_SHIFT + 1, : 2 * MAX_SHIFT + 1]

    return correlate(x**2, torch.ones_like(target)) - 2 * correlate(x, target)


def _pad(x: Tensor, domain: list[int]) -> Tensor:
    return functional.pad(x, (0, domain[1] - x.shape[1], 0, domain[0] - x.shape[0]))


def support_of(kernel: Kernel) -> int:
    """Return the larger side, in pixels, of the box around the support of a true kernel."""
    weights = np.asarray(kernel.weights)
    places = np.argwhere(weights > SUPPORT_THRESHOLD * weights.max())
    return int(np.ptp(places, axis=0).max()) + 1
