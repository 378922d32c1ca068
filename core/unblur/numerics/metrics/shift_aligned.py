"""Scores under the best shift: Levin's protocol for results of blind deconvolution."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unblur.errors import ImageError
from unblur.numerics.metrics.fidelity import comparable, decibels, inside, ssim_map


class AlignedScore(NamedTuple):
    """The scores of a result at the shift of least squared error.

    Attributes
    ----------
    psnr : float
        Peak signal-to-noise ratio for a peak of 1, in decibels.
    ssim : float
        Structural similarity, at most 1.
    error : float
        Sum of squared differences, white = 1.
    shift : tuple of float
        Rows and columns, in pixels: the estimate was sampled at `position + shift`.
    """

    psnr: float
    ssim: float
    error: float
    shift: tuple[float, float]


def levin_aligned(
    estimate: Any, truth: Any, *, border: int = 15, search: float = 5.0, step: float = 0.25
) -> AlignedScore:
    """Score an estimate at its best shift, because a blind kernel is determined up to a shift.

    The truth loses `border` pixels on each side; the estimate is moved by every shift of the
    grid `-search, -search + step, ..., search` along both axes, sampled bilinearly, and scored
    where its squared error is smallest.

    Parameters
    ----------
    estimate, truth : (..., H, W)
        Images of one shape, white = 1.
    border, search, step : float
        Border excluded from the truth, largest shift and distance between shifts, in pixels;
        `border` is at least `search`.

    Raises
    ------
    ImageError
        If the shapes differ or nothing is left inside the border.

    Notes
    -----
    A bilinear sample is a sum of four integer shifts, so that its squared error follows from
    the inner products of integer shifts alone. The whole grid is therefore searched exactly at
    the cost of the integer shifts.

    References
    ----------
    A. Levin, Y. Weiss, F. Durand, W. T. Freeman, "Understanding and evaluating blind
    deconvolution algorithms", CVPR 2009.
    """
    if border < search or step <= 0:
        raise ImageError(
            f"the border cut off the truth covers the search for the shift and the step is "
            f"positive, got border {border}, search {search}, step {step}."
        )
    x, target = comparable(estimate, truth, 0, 2)
    target = inside(target, border, 2)
    count = int(np.floor(search / step + 1e-9))
    offsets = np.arange(-count, count + 1, dtype=np.float64) * step
    errors = _shift_errors(x, target, border, offsets)
    row, column = np.unravel_index(int(errors.argmin()), errors.shape)
    shift = (float(offsets[row]), float(offsets[column]))
    moved = _sample_bilinear(x, border, shift, target.shape)
    square = (moved - target) ** 2
    return AlignedScore(
        psnr=decibels(float(square.mean()), 1.0),
        ssim=float(ssim_map(moved, target).mean()),
        error=float(square.sum()),
        shift=shift,
    )


def error_ratio(estimated: Any, true: Any, truth: Any, **protocol: Any) -> float:
    """Return the error with an estimated kernel over that with the true one (Levin et al. 2009).

    A ratio of 1 is as good as the true kernel; results up to 2 count as good.

    Parameters
    ----------
    estimated, true : (..., H, W)
        Results of one and the same deconvolution with the estimated and with the true kernel.
    truth : (..., H, W)
        The sharp image.
    **protocol
        `border`, `search` and `step` of `levin_aligned`.
    """
    reference = levin_aligned(true, truth, **protocol).error
    error = levin_aligned(estimated, truth, **protocol).error
    if reference == 0:
        return 1.0 if error == 0 else float("inf")
    return error / reference


def _shift_errors(
    x: Tensor, target: Tensor, border: int, offsets: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the squared error of `x` sampled at every pair of offsets: (rows, columns)."""
    mean = target.mean()  # the common mean cancels; subtracting it limits rounding errors
    x, target = x - mean, target - mean
    low, high = int(np.floor(offsets[0])), int(np.ceil(offsets[-1]))
    moved = {
        (i, j): _sample_bilinear(x, border, (i, j), target.shape).reshape(-1)
        for i in range(low, high + 1)
        for j in range(low, high + 1)
    }
    flat = target.reshape(-1)
    cross = {p: float(flat @ m) for p, m in moved.items()}
    neighbours = ((0, 0), (0, 1), (1, 0), (1, 1), (1, -1))
    product = {
        (p, q): float(moved[p] @ moved[q])
        for p in moved
        for q in ((p[0] + di, p[1] + dj) for di, dj in neighbours)
        if q in moved
    }
    constant = float(flat @ flat)
    return np.array(
        [[constant + _expand(cross, product, dy, dx) for dx in offsets] for dy in offsets]
    )


def _expand(
    cross: dict[tuple[int, int], float],
    product: dict[tuple[tuple[int, int], tuple[int, int]], float],
    dy: float,
    dx: float,
) -> float:
    """Return `|s|^2 - 2 <s, target>` of the bilinear sample `s` at offset (dy, dx)."""
    corners = [((i, j), wy * wx) for i, wy in _linear_weights(dy) for j, wx in _linear_weights(dx)]
    square = sum(
        weight * other * product[(p, q) if (p, q) in product else (q, p)]
        for p, weight in corners
        for q, other in corners
    )
    return square - 2 * sum(weight * cross[p] for p, weight in corners)


def _linear_weights(offset: float) -> list[tuple[int, float]]:
    base = int(np.floor(offset))
    fraction = float(offset - base)
    return [(base, 1 - fraction), (base + 1, fraction)] if fraction else [(base, 1.0)]


def _sample_bilinear(
    x: Tensor, border: int, shift: tuple[float, float], shape: torch.Size
) -> Tensor:
    """Return `x` sampled bilinearly at `position + shift` for the positions inside the border."""
    (dy, dx), (height, width) = shift, shape[-2:]
    return sum(
        (
            wy * wx * x[..., border + i : border + i + height, border + j : border + j + width]
            for i, wy in _linear_weights(dy)
            for j, wx in _linear_weights(dx)
        ),
        start=x.new_zeros(()),
    )
