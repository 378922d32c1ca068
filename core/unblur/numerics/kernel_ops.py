"""Operations on kernels: centring, padding, removal of noise, alignment and averaging.

A kernel of `n` samples along an axis has its centre at index `n // 2`, odd or even.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import scipy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from unblur.model.kernel import Kernel

Float = NDArray[np.float64]

SUPPORT_THRESHOLD = 0.05
"""Value above which a sample belongs to a kernel's support when it is centred by it, as a
fraction of the peak."""
MIN_CORRELATION = 0.5
"""Smallest normalised cross-correlation with the most central kernel at which a kernel enters an
average, dimensionless."""


def recentre(
    kernel: Tensor,
    by: Literal["mass", "subpixel-mass", "unit-mass", "support"] = "mass",
    *,
    grow: bool = False,
) -> Tensor:
    """Move a kernel so that its middle lies at index `n // 2` along every axis.

    Parameters
    ----------
    kernel : (*k), or (B, n, n) for "unit-mass"
        Non-negative, of positive sum.
    by : str
        Which point is the middle, and how it is moved:

        - "mass": the centre of mass, by whole pixels;
        - "subpixel-mass": the centre of mass, by fractions of a pixel (cubic spline, negative
          values set to 0), scaled to sum 1;
        - "unit-mass": as "mass" for a batch of 2-D kernels of sum 1, differentiable with respect
          to the values; if any kernel of the batch moves, all are scaled to sum 1;
        - "support": the middle of the bounding box of the samples above
          `SUPPORT_THRESHOLD` times the peak, by whole pixels.
    grow : bool
        Whether the support grows as much as is needed to keep all non-zero samples; for "mass"
        and "support". Otherwise samples that leave the support are dropped, and the rest is
        scaled to keep the sum.

    Returns
    -------
    tensor
        Of the shape of `kernel`; larger by an even number along every axis if it had to grow.

    Example
    -------
    >>> kernel = torch.zeros(3, 3)
    >>> kernel[0, 1] = 1
    >>> recentre(kernel).argmax().item()
    4
    """
    if by == "unit-mass":
        return _recentre_batch(kernel)
    if by == "subpixel-mass":
        return _recentre_subpixel(kernel)
    shift = centring_shift(kernel) if by == "mass" else _support_shift(kernel)
    axes = tuple(range(kernel.ndim))
    if grow:
        nonzero = kernel.nonzero()
        margin = min(int(nonzero.min()), min(kernel.shape) - 1 - int(nonzero.max()))
        pad = max(max(abs(s) for s in shift) - margin, 0)
        return torch.roll(functional.pad(kernel, [pad] * (2 * kernel.ndim)), shift, axes)
    source, _ = _overlap(shift, kernel.shape)
    kept = torch.zeros_like(kernel)
    kept[source] = kernel[source]
    return torch.roll(kept, shift, axes) * (kernel.sum() / kept.sum())


def centring_shift(kernel: Tensor) -> tuple[int, ...]:
    """Return the shift in whole pixels per axis that brings the centre of mass to `n // 2`."""
    shift = []
    for axis, n in enumerate(kernel.shape):
        others = [a for a in range(kernel.ndim) if a != axis]
        profile = kernel.sum(others) if others else kernel
        position = torch.arange(n, dtype=kernel.dtype, device=kernel.device)
        shift.append(n // 2 - round(float((profile * position).sum() / profile.sum())))
    return tuple(shift)


def _support_shift(kernel: Tensor) -> tuple[int, ...]:
    support = (kernel > SUPPORT_THRESHOLD * kernel.max()).nonzero()
    middle = (support.min(0).values + support.max(0).values).double() / 2
    return tuple(round(n // 2 - float(m)) for n, m in zip(kernel.shape, middle, strict=True))


def _recentre_batch(kernel: Tensor) -> Tensor:
    n = kernel.shape[-1]
    offset = torch.arange(n, dtype=kernel.dtype, device=kernel.device) - n // 2
    rows = (kernel.sum(-1) @ offset).round().long().tolist()
    columns = (kernel.sum(-2) @ offset).round().long().tolist()
    if not any(rows) and not any(columns):
        return kernel
    moved = torch.zeros_like(kernel)
    for i, shift in enumerate(zip(rows, columns, strict=True)):
        source, target = _overlap([-s for s in shift], (n, n))
        moved[i][target] = kernel[i][source]
    return torch.stack([k / k.sum() for k in moved])


def _recentre_subpixel(kernel: Tensor) -> Tensor:
    weights = kernel.cpu().numpy()
    mass = [float((axis * weights).sum() / weights.sum()) for axis in np.indices(weights.shape)]
    offset = [n // 2 - m for n, m in zip(weights.shape, mass, strict=True)]
    moved = np.maximum(scipy.ndimage.shift(weights, offset, order=3), 0)
    return torch.from_numpy(moved / moved.sum()).to(kernel.device)


def _overlap(
    shift: Sequence[int], shape: Sequence[int]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the index of the samples that stay within `shape`, and their index after a shift."""
    pairs = list(zip(shift, shape, strict=True))
    source = tuple(slice(max(-s, 0), n - max(s, 0)) for s, n in pairs)
    target = tuple(slice(max(s, 0), n - max(-s, 0)) for s, n in pairs)
    return source, target


def pad_to(kernel: Tensor, shape: Sequence[int]) -> Tensor:
    """Pad or crop a kernel to a shape, centre on centre; the values stay as they are.

    Example
    -------
    >>> pad_to(torch.tensor([[1.0, 2.0, 3.0]]), (3, 1)).tolist()
    [[0.0], [2.0], [0.0]]
    """
    pads = []
    for n, k in zip(reversed(shape), reversed(kernel.shape), strict=True):
        before = n // 2 - k // 2
        pads += [before, n - k - before]
    return functional.pad(kernel, pads)


def crop_around(
    values: NDArray[Any], centre: Sequence[int], half_width: Sequence[int]
) -> NDArray[Any]:
    """Cut out `2 half_width + 1` samples around `centre` per axis, with 0 outside the array."""
    pad = [
        (max(h - c, 0), max(c + h + 1 - n, 0))
        for c, h, n in zip(centre, half_width, values.shape, strict=True)
    ]
    padded = np.pad(values, pad)
    return padded[
        tuple(
            slice(c - h + before, c + h + 1 + before)
            for c, h, (before, _) in zip(centre, half_width, pad, strict=True)
        )
    ]


def crop_to_mass(kernel: Tensor, tail: float, factor: float = 1.0) -> Tensor:
    """Cut a kernel to a square array of odd extent around the box that holds most of its mass.

    Parameters
    ----------
    kernel : (n, n)
        Non-negative, of positive sum, of odd extent.
    tail : float
        The box is without the outermost rows and columns that at each side hold less than this
        fraction of the mass, in [0, 0.5).
    factor : float
        Extent of the array, relative to that of the box, at least 1; the array is not larger than
        that of `kernel`.

    Returns
    -------
    (m, m)
        The samples within the array, of sum 1; the middle of the box lies at `m // 2`.

    Example
    -------
    >>> line = torch.zeros(9, 9)
    >>> line[2, 1:6] = torch.tensor([1.0, 33.0, 33.0, 32.0, 1.0])
    >>> crop_to_mass(line, tail=0.02).shape
    torch.Size([3, 3])
    """
    box = [_without_tails(kernel.sum(axis), tail) for axis in (1, 0)]
    extent = int(factor * max(last - first + 1 for first, last in box))
    half = min(extent, kernel.shape[-1]) // 2
    padded = functional.pad(kernel, [half] * 4)
    # In the padded array the sample `i` lies at `i + half`.
    rows, columns = (slice(m := sum(ends) // 2, m + 2 * half + 1) for ends in box)
    kept = padded[rows, columns]
    return kept / kept.sum()


def _without_tails(profile: Tensor, tail: float) -> tuple[int, int]:
    """Return the first and last index between tails of less than a fraction of the sum."""
    least = tail * profile.sum()
    first = int((profile.cumsum(0) < least).sum())
    return first, len(profile) - 1 - int((profile.flip(0).cumsum(0) < least).sum())


def remove_small_components(kernel: Tensor, threshold: float, min_component_mass: float) -> Tensor:
    """Remove noise from a kernel: threshold small samples, then drop small connected components.

    Samples that touch along an edge or at a corner are connected. The largest component is
    always kept.

    Parameters
    ----------
    kernel : (n, n) or (A, n, n)
        Kernel or pose weights, of any sum; negative values become 0.
    threshold : float
        Value below which a sample becomes 0, as a fraction of the peak.
    min_component_mass : float
        Sum below which a connected component becomes 0, as a fraction of the whole sum.

    Returns
    -------
    tensor
        Of the same shape, non-negative, of sum 1.
    """
    kernel = torch.where(kernel < threshold * kernel.max(), 0, kernel)
    kernel = kernel / kernel.sum()
    values = kernel.cpu().numpy()
    labels, components = scipy.ndimage.label(values > 0, np.ones((3,) * kernel.ndim))
    if components > 1:
        mass = scipy.ndimage.sum(values, labels, np.arange(components + 1))
        removed = mass < min(min_component_mass, float(mass.max()))
        kernel = torch.where(torch.from_numpy(removed[labels]).to(kernel.device), 0, kernel)
    return kernel / kernel.sum()


def max_cross_correlation(a: Float, b: Float) -> tuple[float, tuple[int, ...]]:
    """Return the largest normalised cross-correlation over shifts, and the shift of `b` there.

    Parameters
    ----------
    a, b : array (*k)
        Kernels of one shape.

    Returns
    -------
    correlation : float
        In [0, 1] for non-negative kernels; 1 where `b` is a shifted multiple of `a`.
    shift : tuple of int
        Pixels per axis by which `b` must move to match `a` best.
    """
    extent = [2 * n for n in a.shape]
    axes = range(len(extent))
    product = np.fft.rfftn(a, extent, axes) * np.conj(np.fft.rfftn(b, extent, axes))
    correlation = np.fft.irfftn(product, extent, axes)
    peak = np.unravel_index(int(correlation.argmax()), correlation.shape)
    shift = tuple(int(p) if p < n // 2 else int(p) - n for p, n in zip(peak, extent, strict=True))
    return float(correlation.max() / (np.linalg.norm(a) * np.linalg.norm(b))), shift


def average_kernels(kernels: Sequence[Kernel]) -> tuple[Kernel, list[int]]:
    """Align kernels that are known up to a shift, and return their mean and which entered it.

    All are aligned with the one of largest total cross-correlation with the others; those that
    correlate with it by less than `MIN_CORRELATION` are left out.

    Example
    -------
    >>> line = Kernel(np.eye(5))
    >>> box = Kernel(np.ones((5, 5)))
    >>> mean, used = average_kernels([box, line, box])
    >>> used
    [0, 2]
    """
    shape = largest_shape(kernel.shape for kernel in kernels)
    weights = [
        pad_to(torch.from_numpy(kernel.weights.astype(np.float64)), shape).numpy()
        for kernel in kernels
    ]
    scores = np.array([[max_cross_correlation(a, b)[0] for b in weights] for a in weights])
    central = int(scores.sum(axis=1).argmax())
    used = [i for i in range(len(weights)) if scores[central, i] >= MIN_CORRELATION]
    shifts = [max_cross_correlation(weights[central], weights[i])[1] for i in used]
    aligned = [
        scipy.ndimage.shift(weights[i], s, order=1) for i, s in zip(used, shifts, strict=True)
    ]
    return Kernel(np.mean(aligned, axis=0)), used


def largest_shape(shapes: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Return the smallest shape that holds every one of several shapes."""
    return tuple(max(extents) for extents in zip(*shapes, strict=True))
