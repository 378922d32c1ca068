"""One Richardson-Lucy iteration, computed block by block while a block is in cache."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from unblur.numerics.operators import Blur
from unblur_classic.nonblind.overlap_save import BlockFilter, Index
from unblur_classic.nonblind.rl_consensus import GradientConsensus

MIN_SENSITIVITY = 0.01
"""Smallest fraction `K' 1` of a scene pixel's flux inside the image for which the pixel is
updated, dimensionless."""
MIN_PREDICTION = 1e-6
"""Lower bound on the predicted image, white = 1; keeps data / prediction finite."""


class RichardsonLucyIteration:
    """Multiplication of a scene by `K'(y / (K x + background)) / (K' 1)`.

    The factor is computed as `1 + K'(y / (K x + background) - 1) / (K' 1)`: the transforms then
    round small numbers, so that differently cut blocks differ less.

    Parameters
    ----------
    blur : Blur
        The operator `K`, with its mask.
    data : (C, *spatial)
        The image `y`, non-negative.
    background : float
        Unblurred background, white = 1.
    consensus : GradientConsensus, optional
        Where it finds no agreement in a step, the scene stays as it is.

    Attributes
    ----------
    scene : (C, *domain)
        The current scene; set its elements for another initial scene.
    """

    def __init__(
        self,
        blur: Blur,
        data: Tensor,
        background: float,
        consensus: GradientConsensus | None = None,
    ) -> None:
        self._background = background
        self._consensus, self._steps = consensus, 0
        kernel = blur.kernel
        margin = tuple(n - 1 for n in kernel.shape)
        self._forward = BlockFilter(kernel, blur.shape)
        # The adjoint of a convolution that keeps valid pixels is a correlation, 0 beyond them.
        self._adjoint = BlockFilter(kernel.flip(tuple(range(blur.ndim))), blur.domain)
        forward, adjoint = self._forward, self._adjoint
        channels = len(data)

        scene = _zeros(data, channels, blur.domain, forward.needed, adjoint.covered)
        self.scene = _corner(scene, blur.domain)
        self._wide_scene, self._scene_tiles = scene, adjoint.tiles(scene)

        extended = tuple(n + k for n, k in zip(forward.covered, margin, strict=True))
        quotient = _zeros(data, channels, extended, adjoint.needed)
        inner = quotient[(..., *(slice(k, None) for k in margin))]
        self._wide_quotient, self._quotient_tiles = quotient, forward.tiles(inner)

        masked = _zeros(data, channels, forward.covered)
        _corner(masked, blur.shape)[:] = data if blur.mask is None else data * blur.mask
        self._data_tiles = forward.tiles(masked)
        weight = _zeros(data, 1, forward.covered)
        _corner(weight, blur.shape)[:] = 1 if blur.mask is None else blur.mask
        self._mask_tiles = forward.tiles(weight)

        # The sensitivity K' 1; where it is nearly 0, the scene keeps its initial value.
        _corner(inner, blur.shape)[:] = _corner(weight, blur.shape)
        self._inverse_sensitivity = torch.empty_like(adjoint.tiles(scene[:1]))
        for index, sensitivity in adjoint.pieces(quotient[:1]):
            self._inverse_sensitivity[index] = torch.where(
                sensitivity > MIN_SENSITIVITY, 1 / sensitivity, 0
            )

    def __call__(self) -> None:
        """Update the scene in place."""
        self._divide()
        for index, change in self._changes():
            factor = change.mul_(self._inverse_sensitivity[(0, *index[1:])]).add_(1)
            self._scene_tiles[index].mul_(factor).clamp_min_(0)

    def _divide(self) -> None:
        """Set the quotient of image and prediction, minus 1; 0 at pixels that are not valid."""
        for index, prediction in self._forward.pieces(self._wide_scene):
            if self._background:
                prediction.add_(self._background)
            data, quotient = self._data_tiles[index], self._quotient_tiles[index]
            torch.div(data, prediction.clamp_min_(MIN_PREDICTION), out=quotient)
            quotient.sub_(self._mask_tiles[(0, *index[1:])])

    def _changes(self) -> Iterator[tuple[Index, Tensor]]:
        """Yield blocks of the back-projected quotient, 0 where there is no consensus."""
        half = None
        if self._consensus is not None:
            half = self._consensus.half(self._steps, self._wide_quotient)
            self._steps += 1
        if self._consensus is None or half is None:
            yield from self._adjoint.pieces(self._wide_quotient)
            return
        first = torch.empty_like(self._wide_scene)
        product = torch.empty_like(self._wide_scene)
        first_tiles, product_tiles = self._adjoint.tiles(first), self._adjoint.tiles(product)
        for index, part in self._adjoint.pieces(self._wide_quotient * half):
            first_tiles[index] = part
        # The second half's is the whole's minus the first half's.
        total = torch.empty_like(self._wide_scene)
        total_tiles = self._adjoint.tiles(total)
        for index, change in self._adjoint.pieces(self._wide_quotient):
            total_tiles[index] = change
            part = first_tiles[index]
            torch.mul(part, change.sub_(part), out=product_tiles[index])
        agrees = self._consensus.agreement(_corner(product, self.scene.shape[1:]))
        _corner(total, self.scene.shape[1:]).mul_(agrees)
        for index in self._adjoint.indices(len(total)):
            yield index, total_tiles[index]


def _zeros(like: Tensor, channels: int, *extents: tuple[int, ...]) -> Tensor:
    """Return zeros of the elementwise largest of several extents."""
    return like.new_zeros((channels, *map(max, zip(*extents, strict=True))))


def _corner(x: Tensor, extent: tuple[int, ...]) -> Tensor:
    return x[(..., *(slice(0, n) for n in extent))]
