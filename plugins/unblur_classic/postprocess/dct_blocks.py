"""Cosine transforms of all overlapping blocks of an image, and their inverse by averaging."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import product
from typing import Any

import numpy as np
import torch
from scipy.fft import dct
from torch import Tensor

BLOCKS_PER_TILE, BLOCKS_PER_TILE_OF_GPU = 2**14, 2**16
"""Number of blocks of all channels that are transformed at a time, on a CPU and on a GPU,
dimensionless: so few that their coefficients stay in the cache between the steps."""
MAX_BLOCKS_ALONG = 2**10
"""Largest number of blocks of a tile along the last axis, dimensionless."""

Shrink = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Map from the coefficients of an image and of a guide to new ones and the blocks' weights."""


@dataclass(frozen=True)
class BlockDct:
    """Discrete cosine transform of all overlapping blocks of an image, 2-D or 3-D.

    Parameters
    ----------
    ndim : int
        Number of spatial axes. Blocks have 8 x 8 samples in 2-D and 4 x 4 x 4 in 3-D, so that
        both have 64 coefficients, the one of the mean first.
    """

    ndim: int

    @property
    def edge(self) -> int:
        """Extent of a block along each axis."""
        return 8 if self.ndim == 2 else 4

    @property
    def radius(self) -> int:
        """Largest distance along an axis of a sample of a block from any other, in pixels."""
        return self.edge - 1

    @cached_property
    def along(self) -> Tensor:
        """Orthonormal DCT basis of one axis, (edge, edge): rows are frequencies."""
        return torch.tensor(dct(np.eye(self.edge), axis=0, norm="ortho"))

    @cached_property
    def basis(self) -> Tensor:
        """Orthonormal DCT basis, (64, 64): rows are coefficients, columns samples of a block."""
        return reduce(torch.kron, [self.along] * self.ndim).float()

    @cached_property
    def order(self) -> Tensor:
        """Sum of each coefficient's frequency indices, (64,); 0 for the mean."""
        index = np.indices((self.edge,) * self.ndim).sum(0).ravel()
        return torch.tensor(index)

    def coefficients(self, x: Tensor, step: int = 1) -> Tensor:
        """Return the transform of every block of (C, *n): (C, 64, *m), every `step`-th block."""
        c, along = x[:, None], self.along.to(x)
        for axis in range(2, 2 + self.ndim):
            number = c.shape[axis] - self.radius
            before = [slice(None)] * axis
            samples = torch.stack(
                [c[(*before, slice(o, o + number, step))] for o in range(self.edge)], dim=2
            )
            c = (along @ samples.flatten(3)).reshape(samples.shape).flatten(1, 2)
        return c

    def filtered(self, x: Tensor, guide: Tensor, shrink: Shrink) -> Tensor:
        """Return `x` with every block's coefficients shrunk, overlaps averaged by weight.

        Parameters
        ----------
        x, guide : (C, *n)
            The image, and the one from which `shrink` derives its gains.
        shrink : callable
            Maps the coefficients (C, 64, blocks) of both, which it may overwrite, to new ones and
            to the blocks' weights (C, 1, blocks).
        """
        p = self.radius
        is_guided = guide is not x
        x = pad_reflect(x, p)
        guide = pad_reflect(guide, p) if is_guided else x
        total, norm = torch.zeros_like(x), torch.zeros_like(x)
        for tile in self._tiles(x):
            c = self.coefficients(x[tile])
            extent = c.shape[2:]
            guiding = self.coefficients(guide[tile]) if is_guided else c
            kept, weight = shrink(c.flatten(2), guiding.flatten(2))
            total[tile] += self._overlapped((kept * weight).unflatten(2, extent))
            norm[tile] += self.overlapped_sum(weight.unflatten(2, extent)[:, 0])
        return trim(total / norm, p)

    def overlapped_sum(self, weights: Tensor) -> Tensor:
        """Return the sum of the weights (C, *m) of all blocks that contain a sample: (C, *n)."""
        for axis in range(1, 1 + self.ndim):
            weights = self._summed([weights] * self.edge, axis)
        return weights

    def _tiles(self, padded: Tensor) -> Iterator[tuple[slice, ...]]:
        """Yield the samples of adjoining tiles of blocks of the padded image (C, *n)."""
        budget = (BLOCKS_PER_TILE_OF_GPU if padded.is_cuda else BLOCKS_PER_TILE) // len(padded)
        extents: list[int] = []
        for n in reversed(padded.shape[1:]):
            blocks = max(1, min(n - self.radius, budget, MAX_BLOCKS_ALONG))
            budget //= blocks
            extents.insert(0, blocks)
        starts = [
            range(0, n - self.radius, extent)
            for n, extent in zip(padded.shape[1:], extents, strict=True)
        ]
        for corner in product(*starts):
            placed = zip(corner, extents, strict=True)
            yield slice(None), *(slice(start, start + e + self.radius) for start, e in placed)

    def _overlapped(self, c: Tensor) -> Tensor:
        """Return the sum of the blocks with the coefficients (C, 64, *m): (C, *n)."""
        inverse = self.along.T.to(c)
        for axis in reversed(range(2, 2 + self.ndim)):
            parts = c.unflatten(1, (-1, self.edge))
            samples = (inverse @ parts.flatten(3)).reshape(parts.shape)
            c = self._summed(samples.unbind(2), axis)
        return c[:, 0]

    def _summed(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        """Return the sum of the parts, each displaced along `axis` by its number."""
        extent = list(parts[0].shape)
        number = extent[axis]
        extent[axis] += self.radius
        total = parts[0].new_zeros(extent)
        for offset, part in enumerate(parts):
            total.narrow(axis, offset, number).add_(part)
        return total


def pad_reflect(x: Tensor, width: int) -> Tensor:
    """Extend the spatial axes of (C, *n) by reflection, by any width."""
    for axis in range(1, x.ndim):
        n = x.shape[axis]
        index = torch.arange(-width, n + width, device=x.device) % max(2 * (n - 1), 1)
        x = x.index_select(axis, torch.minimum(index, (2 * (n - 1) - index).abs()))
    return x


def trim(x: Tensor, width: int) -> Tensor:
    """Remove `width` samples at both ends of each spatial axis of (C, *n)."""
    for axis in range(1, x.ndim):
        x = x.narrow(axis, width, x.shape[axis] - 2 * width)
    return x


def filtered_noise_variance(basis: Tensor, gain: Tensor, extent: Sequence[int]) -> Tensor:
    """Return the variance of each coefficient of white noise after a filter, (64,).

    Parameters
    ----------
    basis : (64, *edge)
        Basis functions of the transform.
    gain : (*extent[:-1], extent[-1] // 2 + 1)
        Squared magnitude of the filter's transfer function on a grid of `extent`.
    """
    axes: Any = tuple(range(1, basis.ndim))
    power = torch.fft.rfftn(basis, s=tuple(extent), dim=axes).abs() ** 2
    multiplicity = torch.full_like(gain, 2.0)  # real-to-complex transforms store half the spectrum
    multiplicity[..., 0] = 1
    if extent[-1] % 2 == 0:
        multiplicity[..., -1] = 1
    variance: Tensor = (power * gain * multiplicity).flatten(1).sum(1) / float(np.prod(extent))
    return variance
