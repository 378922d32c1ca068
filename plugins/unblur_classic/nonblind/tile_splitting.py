"""Half-quadratic splitting on a tile of a large image, with two transforms in an iteration.

The same iteration as that of a whole image, see `unblur_classic.nonblind.hyper_laplacian`. The
blurred scene of a tile is known but for its border and what is masked or saturated. Its part of the
normal equations is transformed once; that of the pixels that are predicted anew in each iteration
is added to it where they lie.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Self

import torch
from torch import Tensor

from unblur.numerics.fourier import fast_length, fft, inverse_fft, mixed_length
from unblur.numerics.operators import Blur
from unblur.numerics.partial_blur import PartialBlur, Rectangle, transformed_pixels
from unblur_classic.nonblind.scene_solver import Problem

CUT_JOINT = 0.75
"""Distance over which the ends of a tile are joined along an axis on which it is cut out of the
image, in kernel extents."""
BORDER_JOINT = 1.5
"""Distance over which a border of the image is joined to the tile's other end, in kernel extents.
With the least, a kernel's extent, the scenes beyond both ends adjoin, and each has an influence on
the outermost rows at the other."""
EVEN_COST = 1.05
"""Time of a transform of an even length that 4 does not divide, relative to one that it divides,
dimensionless."""
BAND_CUBE = 500
"""Cube of the width of the pixels beyond a tile's border that takes as long to solve for as one row
of the tile in all iterations, in cubic pixels."""
MAX_PREDICTED = 0.5
"""Largest number of pixels in the transforms of all predicted pixels, relative to those of the
scene, for which they are transformed apart, dimensionless."""


def tile_domain(
    shape: Sequence[int],
    kernel: Sequence[int],
    cut_axes: Sequence[bool],
    spanned_axes: Sequence[bool] = (),
) -> tuple[int, ...]:
    """Return the extent of the grid of a tile's scene.

    Parameters
    ----------
    shape, kernel : sequence of int
        Extents of the tile with its halo, and of the kernel.
    cut_axes : sequence of bool
        Axes along which the whole halo is read on both sides, see `Context`. Of a kernel's extent
        beyond the tile a part suffices there, as what it changes lies within the halo.
    spanned_axes : sequence of bool
        Axes along which the tile is the whole image, whose grid is that of `Blur`.
    """
    found = []
    spanned_axes = spanned_axes or (False,) * len(shape)
    for n, k, is_cut, is_whole in zip(shape, kernel, cut_axes, spanned_axes, strict=True):
        joint = int(CUT_JOINT * k) if is_cut else max(int(BORDER_JOINT * k), k - 1)
        least = max(n + joint, k)
        found.append(fast_length(n + k - 1) if is_whole else _length(n, least))
    return tuple(found)


def _length(extent: int, least: int) -> int:
    """Return the length, at least `least`, of the grid of a tile that takes the least time."""

    def cost(length: int) -> float:
        slower = 1.0 if length % 4 == 0 else EVEN_COST
        return slower * length + (length - extent) ** 3 / BAND_CUBE

    return min(mixed_length(least), mixed_length(least, 2), key=cost)


@dataclass(frozen=True)
class Predicted:
    """The pixels of a tile's blurred scene that were not observed, which the scene predicts.

    Attributes
    ----------
    partial : PartialBlur
        The blur.
    rectangles : list of Rectangle
        They contain all such pixels.
    unobserved : Tensor
        1 where a pixel was not observed, else 0: (C, *domain).
    """

    partial: PartialBlur
    rectangles: list[Rectangle]
    unobserved: Tensor

    @classmethod
    def of(cls, blur: Blur, blurred: Tensor, saturated: Tensor | None) -> Self | None:
        """Return the pixels of a tile (C, H, W); `None` where they are too many or too scattered.

        `saturated` (C, H, W) is 1 where a pixel is saturated.
        """
        domain = (blur.domain[0], blur.domain[1])
        unobserved = torch.ones((len(blurred), *domain), dtype=torch.bool, device=blurred.device)
        known = torch.zeros_like(blurred, dtype=torch.bool)
        if blur.mask is not None:
            known |= blur.mask == 0
        if saturated is not None:
            known |= saturated > 0
        unobserved[blur.window] = known
        gaps = [n - extent for n, extent in zip(domain, blur.shape, strict=True)]
        start = [b + extent for b, extent in zip(blur.before, blur.shape, strict=True)]
        partial = PartialBlur(blur.kernel, domain)
        rectangles = partial.rectangles(unobserved.any(0), start, gaps)
        if transformed_pixels(rectangles) > MAX_PREDICTED * prod(domain):
            return None
        return cls(partial, rectangles, unobserved)

    def corrections(
        self, completed: Tensor, bound: Tensor | None
    ) -> Callable[[Tensor, Tensor], None]:
        """Return the function that adds the adjoint blur of what the predictions change.

        It is called with a scene and with the sum to which it adds, (C, *domain).

        Parameters
        ----------
        completed : (C, *domain)
            The blurred scene in the first iteration.
        bound : (C, *domain), optional
            The least values of a prediction.
        """
        places = [
            (
                own,
                own.take(completed),
                own.take(self.unobserved),
                None if bound is None else own.take(bound),
            )
            for own in self.rectangles
        ]

        def add(scene: Tensor, total: Tensor) -> None:
            changes = []
            for own, before, is_unobserved, least in places:
                found = self.partial.forward(scene, own)
                if least is not None:
                    found = torch.maximum(found, least)
                changes.append(found.sub_(before).mul_(is_unobserved))
            for (own, *_), change in zip(places, changes, strict=True):
                self.partial.add_adjoint(change, own, total)

        return add


class TileSplitting:
    """The scene of a tile in half-quadratic splitting; see `scene_solver.SceneSolver`.

    Parameters
    ----------
    problem : Problem
        The tile, whose blur has the extent of `tile_domain`.
    predicted : Predicted
        Its pixels that were not observed.
    """

    def __init__(self, problem: Problem, predicted: Predicted) -> None:
        blur, domain = problem.blur, problem.blur.domain
        wiener, completed = problem.initial_solution(is_lean=True)
        otf = blur.otf
        bound = None
        if problem.saturated is not None:
            bound = blur.place(problem.blurred)
            bound.masked_fill_(blur.place(problem.saturated) == 0, -torch.inf)
        self._add_corrections = predicted.corrections(completed, bound)
        self._is_first, self._domain = True, domain
        spectrum = fft(completed, blur.ndim)
        del completed, bound
        self.scene = inverse_fft(spectrum * wiener.restore, domain)
        del wiener
        self._observed = inverse_fft(spectrum.mul_(otf.conj()), domain)
        self._power, self._prior = otf.abs().square_(), problem.prior()

    def step(self, sparse: Tensor, penalty: Tensor) -> None:
        """Replace the scene by that of least cost for given sparse differences."""
        total = sparse.mul_(penalty).add_(self._observed)
        if not self._is_first:  # the first pixels beyond the border are part of `_observed`
            self._add_corrections(self.scene, total)
        self._is_first = False
        del self.scene
        spectrum = fft(total, len(self._domain))
        del sparse, total
        divisor = (penalty * self._prior).add_(self._power)
        torch.view_as_real(spectrum).div_(divisor[..., None])
        del divisor
        self.scene = inverse_fft(spectrum, self._domain)
