"""First and second differences of a scene, shrunk towards sparse ones."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from unblur.accel.threads import can_compile
from unblur.numerics.operators import laplacian_otf
from unblur.numerics.proximal import shrink

RAMP = 0.1
"""Width of the ramp that replaces the jump of the shrinkage, as a fraction of its threshold; with
it, tiles agree to 1e-3."""
COMPILED_EXPONENT = 2 / 3
"""Exponent of the gradient for which there are compiled loops, dimensionless."""
COMPILED_FROM = 2**19
"""Smallest number of values of an image whose differences are shrunk by compiled loops, a count; to
load the loops takes about as long as they save on one such image."""


class Differences:
    """First and second differences of a periodic scene, pure and mixed.

    Parameters
    ----------
    ndim : int
        Number of spatial axes.
    curvature : float
        Weight of the second differences; 0 omits them.
    image_values : int
        Number of values of the whole image, if the scenes are parts of a larger one.
    """

    def __init__(self, ndim: int, curvature: float, image_values: int = 0) -> None:
        self.curvature, self.image_values = curvature, image_values
        axes = range(-ndim, 0)
        self.terms: list[tuple[float, tuple[int, ...]]] = [(1.0, (a,)) for a in axes]
        if curvature:
            self.terms += [(curvature, (a, b)) for a in axes for b in axes if a <= b]

    def shrink_sum(self, x: Tensor, weight: float, exponent: float) -> Tensor:
        """Return the sum of `s D'(shrink(D x))` over the differences: (C, *spatial)."""
        if weight > 0 and is_compiled(x, exponent, self.image_values):
            from unblur_classic.nonblind.gradient_loops import shrink_differences

            return shrink_differences(x, weight, self.curvature, RAMP)
        total = torch.zeros_like(x)
        for factor, axes in self.terms:
            difference = x
            for axis in axes:
                difference = torch.roll(difference, -1, axis) - difference
            difference = shrink(difference, weight, exponent, RAMP)
            for axis in axes:
                difference = torch.roll(difference, 1, axis) - difference
            total.add_(difference, alpha=factor)
        return total

    def power(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return the transfer function of the sum of `s D' D` on a grid of extent `shape`."""
        # The Laplacian of a grid of extent 1 along all other axes is the term of one axis.
        per_axis = [
            laplacian_otf([n if a == axis else 1 for a, n in enumerate(shape)], like)
            for axis in range(len(shape))
        ]
        total = like.new_zeros(())
        for factor, axes in self.terms:
            total = total + factor * prod(per_axis[axis] for axis in axes)
        return total


def is_compiled(x: Tensor, exponent: float, image_values: int = 0) -> bool:
    """Return whether compiled loops shrink the differences of a scene (C, *spatial).

    `image_values` is the number of values of the whole image that it is a part of.
    """
    is_large = max(image_values, x.numel()) >= COMPILED_FROM
    return is_large and x.dim() == 3 and exponent == COMPILED_EXPONENT and can_compile(x)
