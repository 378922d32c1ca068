"""Estimation of the noise level from the image alone, independent of its blur."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unblur.errors import ImageError

PATCH = 7
"""Edge of the patches that are compared, in pixels."""

MOST_PLANES, MOST_PATCHES = 16, 20_000
"""Planes of a stack and patches of a plane that are looked at; more do not change the answer."""

MOST_PIXELS = 2**22
"""Pixels of a plane beyond which sixteen pieces of it are looked at, and the median taken."""

FEWEST_PATCHES = 8 * PATCH**2
"""Patches below which their covariance says nothing."""

NOISE_ENERGY = 383.8063823132486
"""Gradient energy that noise exceeds in one patch of a million, in units of the noise's variance.

The energy is a quadratic form of the patch, with the matrix `D^T D` of its differences; the gamma
distribution with that matrix's trace and rank stands for its law.
"""

CLIPPED_SHARE = 5e-3
"""Share of pixels at the darkest or brightest value from which that value counts as clipped."""


def estimate_noise(x: Tensor, mask: Tensor | None = None) -> float:
    """Return the standard deviation of white noise in an image.

    Parameters
    ----------
    x : (..., H, W) float tensor
        Finite, white = 1. Leading axes (channels, depth) are estimated one plane at a time.
    mask : (H, W) or (..., H, W) tensor, optional
        1 = valid pixel, 0 = invalid.

    Returns
    -------
    float
        In units of white, the median over planes and pieces of huge ones; 0 for a constant image.

    Notes
    -----
    White noise raises every eigenvalue of the covariance of patches by its variance, texture
    only some, so that the smallest eigenvalue is the noise. Patches with more gradient energy
    than noise alone explains are left out, which is repeated as the estimate falls. Clipped
    pixels carry too little noise and are left out too. Noise that is correlated between
    neighbours (JPEG, interpolation) is underestimated.

    References
    ----------
    X. Liu, M. Tanaka, M. Okutomi, "Single-image noise level estimation for blind denoising",
    IEEE TIP 22(12), 2013.

    Example
    -------
    >>> noise = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    >>> round(estimate_noise(0.5 + 0.02 * noise), 2)
    0.02
    """
    if x.ndim < 2 or 0 in x.shape:
        raise ImageError(f"noise is estimated on (..., H, W), got shape {tuple(x.shape)}.")
    planes = x.detach().reshape(-1, *x.shape[-2:])
    valid = None if mask is None else (mask > 0).expand(x.shape).reshape(planes.shape)
    levels = [
        _plane_noise(planes[where], None if valid is None else valid[where])
        for where in _samples(*planes.shape)
    ]
    return float(np.median(levels))


def _samples(planes: int, height: int, width: int) -> Iterator[tuple[int, slice, slice]]:
    """Yield the sampled windows: some whole planes, and a grid of pieces of very large ones."""
    huge = height * width > MOST_PIXELS
    rows, columns = (_spread(n) if huge else [slice(0, n)] for n in (height, width))
    for plane in np.unique(np.linspace(0, planes - 1, MOST_PLANES).round().astype(int)):
        yield from ((int(plane), row, column) for row in rows for column in columns)


def _spread(extent: int) -> list[slice]:
    piece = min(extent, 512)
    return [slice(s, s + piece) for s in sorted({i * (extent - piece) // 3 for i in range(4)})]


def _plane_noise(plane: Tensor, valid: Tensor | None) -> float:
    if min(plane.shape) < PATCH:
        return _laplacian_noise(plane)
    plane = plane.to(torch.float64 if plane.dtype == torch.float64 else torch.float32)
    energy = _patch_gradient_energy(plane)
    usable = energy > 0
    if valid is not None:
        usable &= _whole(valid)
    clipped = _clipped(plane)
    unclipped = usable & _whole(~clipped) if bool(clipped.any()) else usable
    if int(unclipped.sum()) >= FEWEST_PATCHES:
        usable = unclipped
    variance = _laplacian_noise(plane, usable) ** 2
    for _ in range(4):
        flat = usable & (energy < NOISE_ENERGY * variance)
        where = flat.nonzero()
        if len(where) < FEWEST_PATCHES:
            break
        variance = _smallest_eigenvalue(plane, where[:: -(-len(where) // MOST_PATCHES)])
    return math.sqrt(variance)


def _laplacian_noise(plane: Tensor, usable: Tensor | None = None) -> float:
    """Return the noise by the median deviation of a Laplacian, which texture raises.

    The filter [1 -2 1] along both axes has the norm 6; 0.6745 is the median of |N(0, 1)|.
    """
    if min(plane.shape) < 3:
        return 0.0
    rows = plane[:-2] - 2 * plane[1:-1] + plane[2:]
    both = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    if usable is not None:
        inner = slice(PATCH // 2 - 1, -(PATCH // 2 - 1))
        both = both[inner, inner][usable]
    return float(both.abs().median()) / 0.6745 / 6 if both.numel() else 0.0


def _patch_gradient_energy(plane: Tensor) -> Tensor:
    """Return the sum of squared differences inside each patch: (H - 6, W - 6)."""
    down, right = plane.diff(dim=0) ** 2, plane.diff(dim=1) ** 2
    box = PATCH**2 - PATCH
    return box * (_box_mean(down, (PATCH - 1, PATCH)) + _box_mean(right, (PATCH, PATCH - 1)))


def _box_mean(x: Tensor, size: tuple[int, int]) -> Tensor:
    columns = functional.avg_pool2d(x[None], (size[0], 1), 1)
    return functional.avg_pool2d(columns, (1, size[1]), 1)[0]


def _whole(valid: Tensor) -> Tensor:
    """Return where every pixel of a patch is valid: (H - 6, W - 6)."""
    return _box_mean((~valid).float(), (PATCH, PATCH)) == 0


def _clipped(plane: Tensor) -> Tensor:
    """Return the pixels at the darkest or brightest value, where those are many."""
    clipped = torch.zeros_like(plane, dtype=torch.bool)
    for extreme in (plane.min(), plane.max()):
        there = plane == extreme
        if float(there.float().mean()) > CLIPPED_SHARE:
            clipped |= there
    return clipped


def _smallest_eigenvalue(plane: Tensor, where: Tensor) -> float:
    patches = plane.unfold(0, PATCH, 1).unfold(1, PATCH, 1)[where[:, 0], where[:, 1]]
    covariance = torch.cov(patches.reshape(len(where), -1).T.double())
    smallest = max(float(torch.linalg.eigvalsh(covariance.cpu())[0]), 0.0)
    # The smallest eigenvalue of n samples of p values of unit noise is (1 - sqrt(p / n))^2.
    return smallest / (1 - math.sqrt(PATCH**2 / len(where))) ** 2
