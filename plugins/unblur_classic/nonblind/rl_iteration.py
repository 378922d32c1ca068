"""One step of Richardson-Lucy, done block by block while the block is in cache."""

from __future__ import annotations

import torch
from torch import Tensor

from unblur.numerics.operators import Blur
from unblur_classic.nonblind.overlap_save import BlockFilter

LEAST_SEEN = 0.01
"""Share of a scene pixel's light that must reach the image for the image to change it."""
TINY = 1e-6
"""Least of the model, white = 1, so that its quotient with the data stays finite in the dark."""


class LucyStep:
    """Multiplies a scene by `K'(y / (K x + background)) / (K' 1)`.

    The factor is computed as `1 + K'(y / (K x + background) - 1) / (K' 1)`: the transforms then
    round a small number, and blocks that are cut differently agree the better.

    Parameters
    ----------
    blur : Blur
        The operator `K`, with its mask.
    data : (C, *spatial)
        The image `y`, not negative.
    background : float
        Light that was not blurred.

    Attributes
    ----------
    scene : (C, *domain)
        The present scene; assign to its elements to begin elsewhere.
    """

    def __init__(self, blur: Blur, data: Tensor, background: float) -> None:
        self._background = background
        kernel = blur.kernel
        reach = tuple(n - 1 for n in kernel.shape)
        self._ahead = BlockFilter(kernel, blur.shape)
        # The adjoint of a convolution that keeps valid pixels is a correlation amid zeros.
        self._back = BlockFilter(kernel.flip(tuple(range(blur.ndim))), blur.domain)
        ahead, back = self._ahead, self._back
        count = len(data)

        scene = _zeros(data, count, blur.domain, ahead.needed, back.covered)
        self.scene = _corner(scene, blur.domain)
        self._wide_scene, self._scene_tiles = scene, back.tiles(scene)

        behind = tuple(n + k for n, k in zip(ahead.covered, reach, strict=True))
        quotient = _zeros(data, count, behind, back.needed)
        inner = quotient[(..., *(slice(k, None) for k in reach))]
        self._wide_quotient, self._quotient_tiles = quotient, ahead.tiles(inner)

        known = _zeros(data, count, ahead.covered)
        _corner(known, blur.shape)[:] = data if blur.mask is None else data * blur.mask
        self._data_tiles = ahead.tiles(known)
        seen = _zeros(data, 1, ahead.covered)
        _corner(seen, blur.shape)[:] = 1 if blur.mask is None else blur.mask
        self._seen_tiles = ahead.tiles(seen)

        # What a scene pixel sends into the image; hardly any means it stays as first guessed.
        _corner(inner, blur.shape)[:] = _corner(seen, blur.shape)
        self._share = torch.empty_like(back.tiles(scene[:1]))
        for place, sent in back.pieces(quotient[:1]):
            self._share[place] = torch.where(sent > LEAST_SEEN, 1 / sent, 0)

    def __call__(self) -> None:
        """Advance the scene, in place."""
        for place, model in self._ahead.pieces(self._wide_scene):
            if self._background:
                model.add_(self._background)
            data, quotient = self._data_tiles[place], self._quotient_tiles[place]
            torch.div(data, model.clamp_min_(TINY), out=quotient)
            quotient.sub_(self._seen_tiles[(0, *place[1:])])
        for place, change in self._back.pieces(self._wide_quotient):
            factor = change.mul_(self._share[(0, *place[1:])]).add_(1)
            self._scene_tiles[place].mul_(factor).clamp_min_(0)


def _zeros(like: Tensor, count: int, *extents: tuple[int, ...]) -> Tensor:
    """Return zeros that are large enough for several extents."""
    return like.new_zeros((count, *map(max, zip(*extents, strict=True))))


def _corner(x: Tensor, extent: tuple[int, ...]) -> Tensor:
    return x[(..., *(slice(0, n) for n in extent))]
