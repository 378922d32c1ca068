"""Cosine transforms of all overlapping blocks of an image, and their inverse by averaging."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import torch
from scipy.fft import dct
from torch import Tensor

BLOCKS_PER_STRIP = 2**16
"""Number of blocks that are transformed at a time, which bounds the memory, dimensionless."""

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
    def basis(self) -> Tensor:
        """Orthonormal DCT basis, (64, 64): rows are coefficients, columns samples of a block."""
        along = dct(np.eye(self.edge), axis=0, norm="ortho")
        basis = np.ones((1, 1))
        for _ in range(self.ndim):
            basis = np.kron(basis, along)
        return torch.tensor(basis, dtype=torch.float32)

    @cached_property
    def order(self) -> Tensor:
        """Sum of each coefficient's frequency indices, (64,); 0 for the mean."""
        index = np.indices((self.edge,) * self.ndim).sum(0).ravel()
        return torch.tensor(index)

    def coefficients(self, x: Tensor, step: int = 1) -> Tensor:
        """Return the transform of every block of (C, *n): (64, C, *m), every `step`-th block."""
        offsets = product(range(self.edge), repeat=self.ndim)
        samples = torch.stack([self._samples(x, offset, step) for offset in offsets])
        return (self.basis.to(x) @ samples.flatten(1)).reshape(samples.shape)

    def filtered(self, x: Tensor, guide: Tensor, shrink: Shrink) -> Tensor:
        """Return `x` with every block's coefficients shrunk, overlaps averaged by weight.

        Parameters
        ----------
        x, guide : (C, *n)
            The image, and the one from which `shrink` derives its gains.
        shrink : callable
            Maps the coefficients (64, C, *m) of both to new ones and to weights (1, C, *m).
        """
        p = self.radius
        x, guide = pad_reflect(x, p), pad_reflect(guide, p)
        strips = [
            self._filtered_strip(x[:, rows], guide[:, rows], shrink) for rows in self._strips(x)
        ]
        return torch.cat(strips, dim=1)

    def _samples(self, x: Tensor, offset: Sequence[int], step: int = 1) -> Tensor:
        """Return a view of the sample at `offset` of every block, (C, *m)."""
        starts = [
            slice(o, n - self.radius + o, step) for o, n in zip(offset, x.shape[1:], strict=True)
        ]
        return x[(slice(None), *starts)]

    def _strips(self, padded: Tensor) -> Iterator[slice]:
        """Yield the rows of the padded image that adjoining strips of the result are made from."""
        extent = padded.shape[1] - 2 * self.radius
        rows = max(
            BLOCKS_PER_STRIP * padded.shape[1] // padded[0].numel() // len(padded), self.edge
        )
        for start in range(0, extent, rows):
            yield slice(start, min(start + rows, extent) + 2 * self.radius)

    def _filtered_strip(self, x: Tensor, guide: Tensor, shrink: Shrink) -> Tensor:
        coefficients = self.coefficients(x)
        guiding = coefficients if guide is x else self.coefficients(guide)
        kept, weight = shrink(coefficients, guiding)
        samples = (self.basis.to(x).T @ (kept * weight).flatten(1)).reshape(kept.shape)
        total, norm = torch.zeros_like(x), torch.zeros_like(x)
        offsets = product(range(self.edge), repeat=self.ndim)
        for part, offset in zip(samples, offsets, strict=True):
            target, target_norm = self._samples(total, offset), self._samples(norm, offset)
            target += part
            target_norm += weight[0]
        return trim(total / norm, self.radius)


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
