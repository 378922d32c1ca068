"""The quotient of an image and its prediction, computed block by block while it is in cache."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from unblur.accel.fourier.pair_filter import source_version
from unblur.accel.huge_pages import zeros_in_huge_pages
from unblur.numerics.fourier import corner
from unblur.numerics.operators import Blur
from unblur.numerics.overlap_save import BlockFilter, Index

MIN_PREDICTION = 1e-6
"""Lower bound on the predicted image, white = 1; keeps data / prediction finite."""


class ImageQuotient:
    """The quotient `y / (K x + background) - 1` of an image and its prediction.

    Parameters
    ----------
    blur : Blur
        The operator `K`, with its mask.
    data : (C, *spatial)
        The image `y`, non-negative.
    background : float or (C, *spatial)
        Unblurred background, white = 1, of the image or of each pixel.
    predict : BlockFilter
        Convolution with the kernel of `blur`.
    needed : tuple of int
        Smallest extent of `values`.

    Attributes
    ----------
    values : (C, *extended)
        The quotient, preceded along each axis by as many zeros as the kernel's extent minus 1, and
        followed by zeros; 0 at pixels that are not valid.
    inner : (C, *extent)
        The same without the zeros that precede it.
    """

    def __init__(
        self,
        blur: Blur,
        data: Tensor,
        background: float | Tensor,
        predict: BlockFilter,
        needed: tuple[int, ...],
    ) -> None:
        self._predict = predict
        channels, margin = len(data), tuple(n - 1 for n in blur.kernel.shape)
        extended = tuple(n + k for n, k in zip(predict.covered, margin, strict=True))
        self.values = make_zeros(data, channels, extended, needed)
        self.inner = self.values[(..., *(slice(k, None) for k in margin))]
        self._tiles = predict.tiles(self.inner)

        masked = make_zeros(data, channels, predict.covered)
        masked[corner(blur.shape)] = data if blur.mask is None else data * blur.mask
        self._data_tiles = predict.tiles(masked)
        observed = make_zeros(data, 1, predict.covered)
        observed[corner(blur.shape)] = 1 if blur.mask is None else blur.mask
        mask_tiles = predict.tiles(observed)
        self._mask_tiles = mask_tiles.expand(channels, *mask_tiles.shape[1:])

        self._background: float | Tensor = 0.0
        if isinstance(background, Tensor):
            level = make_zeros(data, channels, predict.covered)
            level[corner(blur.shape)] = background
            self._background = predict.tiles(level)
        else:
            self._background = background

    def update(self, scene: Tensor, *, with_loss: bool) -> float:
        """Set `values` for a scene (C, *extent), as large as `predict` needs.

        Return the negative log-likelihood but for a constant, if it is asked for, else 0.
        """
        if self._predict.is_compiled and not isinstance(self._background, Tensor):
            return self._update_compiled(scene, self._background, with_loss)
        losses: dict[Any, Tensor] = {}

        def divide(index: Index, prediction: Tensor) -> None:
            if isinstance(self._background, Tensor):
                prediction.add_(self._background[index])
            elif self._background:
                prediction.add_(self._background)
            data, quotient = self._data_tiles[index], self._tiles[index]
            mask = self._mask_tiles[index]
            prediction = prediction.clamp_min(MIN_PREDICTION)
            torch.div(data, prediction, out=quotient)
            quotient.sub_(mask)
            if with_loss:
                logarithm = prediction.log().mul_(data)
                losses[str(index)] = prediction.mul_(mask).sub_(logarithm).sum()

        self._predict.for_each(scene, divide)
        # In the order of the blocks, which threads finish in any.
        in_order = [losses[key] for key in sorted(losses)]
        return float(torch.stack(in_order).double().sum()) if in_order else 0.0

    def _update_compiled(self, scene: Tensor, background: float, with_loss: bool) -> float:
        """Do the same in compiled functions."""
        from unblur_classic.nonblind.richardson_lucy.compiled_updates import divide_run

        run = divide_run(source_version())
        bounds = np.float32(background), np.float32(MIN_PREDICTION)

        def divide(pairs: Any, data: Any, mask: Any, quotient: Any, *arrays: Any) -> float:
            loss = np.zeros(1)
            run(pairs, data, mask, quotient, bounds, with_loss, *arrays, loss)
            return float(loss[0])

        images = self._data_tiles, self._mask_tiles, self._tiles
        return sum(self._predict.map_runs(scene, images, divide))


def make_zeros(like: Tensor, channels: int, *extents: tuple[int, ...]) -> Tensor:
    """Return zeros of the elementwise largest of several extents."""
    return zeros_in_huge_pages(like, (channels, *map(max, zip(*extents, strict=True))))
