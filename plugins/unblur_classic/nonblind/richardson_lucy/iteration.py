"""One Richardson-Lucy iteration, computed block by block while a block is in cache."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unblur.accel.fourier.pair_filter import source_version
from unblur.accel.huge_pages import zeros_in_huge_pages
from unblur.numerics.operators import Blur
from unblur.numerics.overlap_save import BlockFilter, Index
from unblur.numerics.sensitivity import inverse_masked_sensitivity, inverse_sensitivity
from unblur_classic.nonblind.richardson_lucy.gradient_consensus import GradientConsensus
from unblur_classic.nonblind.richardson_lucy.step_sizes import PLAIN

MIN_SENSITIVITY = 0.01
"""Smallest fraction `K' 1` of a scene pixel's flux inside the image for which the pixel is
updated, dimensionless."""
MAX_LOG_CHANGE = 4.6
"""Largest change of the logarithm of a scene pixel in an accelerated step, dimensionless (100
times brighter or darker)."""
MAX_WEIGHT = 1.0
"""Largest weight `1 / K' 1` of a scene pixel in a combined step, dimensionless. With larger ones,
which count outside the image, stacks of cells are noisier at the border."""
MIN_FACTOR = 0.01
"""Smallest factor of a scene pixel in an accelerated step, or by an unmatched back projector,
dimensionless; a pixel that were 0 would stay so."""
ROUNDING = 1e-6
"""Increase of the negative log-likelihood that counts as rounding, relative to the sum of the
data."""
MIN_PREDICTION = 1e-6
"""Lower bound on the predicted image, white = 1; keeps data / prediction finite."""


class RichardsonLucyIteration:
    """Multiplication of a scene by `K'(y / (K x + background)) / (K' 1)`.

    The factor is computed as `1 + K'(y / (K x + background) - 1) / (K' 1)`: the transforms then
    round small numbers, so that differently cut blocks differ less.

    Accelerated steps add a part of the last change of the logarithm of the scene: it stays
    positive, and bright points grow as fast as flat areas.

    Parameters
    ----------
    blur : Blur
        The operator `K`, with its mask.
    data : (C, *spatial)
        The image `y`, non-negative.
    background : float or (C, *spatial)
        Unblurred background, white = 1, of the image or of each pixel.
    consensus : GradientConsensus, optional
        Where it finds no agreement in a step, the scene stays as it is.
    back_kernel : (*k), optional
        Kernel of an unmatched back projection in place of the adjoint's, of sum 1.
    combined_kernel : (*k), optional
        Kernel of the back projection in combined steps, of sum 1.
    is_guarded : bool
        Whether accelerated steps after which the likelihood is lower are taken back.
    weight : (C, *domain), optional
        How much a pixel of the scene is changed, in [0, 1].
    lower_bound : (C, *domain), optional
        Smallest values of the scene, positive; 0 if left out.
    repetitions : int
        Number of steps, by which it is decided whether the transforms are compiled.

    Attributes
    ----------
    scene : (C, *domain)
        The current scene; set its elements for another initial scene.
    """

    def __init__(
        self,
        blur: Blur,
        data: Tensor,
        background: float | Tensor,
        consensus: GradientConsensus | None = None,
        *,
        back_kernel: Tensor | None = None,
        combined_kernel: Tensor | None = None,
        is_guarded: bool = False,
        weight: Tensor | None = None,
        lower_bound: Tensor | None = None,
        repetitions: int = 1,
    ) -> None:
        self._consensus, self._steps = consensus, 0
        self._min_factor = 0.0 if back_kernel is None else MIN_FACTOR
        self._is_guarded, self._loss = is_guarded, float("inf")
        self._rounding = ROUNDING * float(data.sum()) if is_guarded else 0.0
        self._log_change: Tensor | None = None
        kernel = blur.kernel
        back = kernel if back_kernel is None else back_kernel
        margin = tuple(n - 1 for n in kernel.shape)
        self._forward = BlockFilter(kernel, blur.shape, repetitions=repetitions * len(data))
        # The adjoint of a convolution that keeps valid pixels is a correlation, 0 beyond them.
        correlation = partial(
            BlockFilter, extent=blur.domain, zero_margin=True, repetitions=repetitions * len(data)
        )
        axes = tuple(range(blur.ndim))
        self._adjoint = correlation(back.flip(axes))
        self._combined: BlockFilter | None = None
        if combined_kernel is not None:
            self._combined = correlation(combined_kernel.flip(axes))
        forward, adjoint = self._forward, self._adjoint
        channels = len(data)

        scene = _zeros(data, channels, blur.domain, forward.needed, adjoint.covered)
        self.scene = _corner(scene, blur.domain)
        self._wide_scene, self._scene_tiles = scene, adjoint.tiles(scene)
        self._lower_tiles: Tensor | None = None
        if lower_bound is not None:
            lowest = _zeros(data, channels, adjoint.covered, blur.domain)
            _corner(lowest, blur.domain)[:] = lower_bound
            self._lower_tiles = adjoint.tiles(lowest)

        extended = tuple(n + k for n, k in zip(forward.covered, margin, strict=True))
        quotient = _zeros(data, channels, extended, adjoint.needed)
        inner = quotient[(..., *(slice(k, None) for k in margin))]
        self._wide_quotient, self._quotient_tiles = quotient, forward.tiles(inner)

        masked = _zeros(data, channels, forward.covered)
        _corner(masked, blur.shape)[:] = data if blur.mask is None else data * blur.mask
        self._data_tiles = forward.tiles(masked)
        observed = _zeros(data, 1, forward.covered)
        _corner(observed, blur.shape)[:] = 1 if blur.mask is None else blur.mask

        self._background: float | Tensor = 0.0
        if isinstance(background, Tensor):
            pedestal = _zeros(data, channels, forward.covered)
            _corner(pedestal, blur.shape)[:] = background
            self._background = forward.tiles(pedestal)
        else:
            self._background = background

        # 1 / K' 1; where that is nearly 0, the scene keeps its initial value.
        if blur.mask is None:
            inverse = inverse_sensitivity(back, blur.shape, adjoint.covered, MIN_SENSITIVITY)[None]
        else:
            _corner(inner, blur.shape)[:] = blur.mask
            inverse = inverse_masked_sensitivity(adjoint, quotient[:1], MIN_SENSITIVITY)
        if weight is not None:
            inverse = inverse.repeat(channels, *[1] * blur.ndim)
            _corner(inverse, blur.domain).mul_(weight)
        self._inverse_sensitivity = adjoint.tiles(inverse)
        mask_tiles = forward.tiles(observed)
        self._mask_tiles = mask_tiles.expand(channels, *mask_tiles.shape[1:])

    def __call__(
        self,
        momentum: float = 0.0,
        relaxation: float = 1.0,
        divisor: Tensor | None = None,
        *,
        is_combined: bool = False,
    ) -> bool:
        """Update the scene in place.

        Parameters
        ----------
        momentum, relaxation : float
            See `AcceleratedStep` in `step_sizes`; 0 and 1 for a plain iteration.
        divisor : (C, *domain), optional
            Of a penalised likelihood; divides the factor.
        is_combined : bool
            Whether to add the quotient's back projection by `combined_kernel` to the logarithm of
            the scene instead. The other arguments do not count then.

        Returns
        -------
        bool
            False if the likelihood was found to be lower than before the last step: the scene is
            then the one before that step, and no momentum is left.
        """
        loss = self._divide()
        if loss > self._loss + self._rounding and self._log_change is not None:
            self.scene.mul_(_corner(self._log_change, self.scene.shape[1:]).neg().exp_())
            self._log_change, self._loss = None, float("inf")
            return False
        self._loss = loss
        if is_combined and self._combined is not None:
            self._add_combined(self._combined)
            return True
        divisors = None
        if divisor is not None:
            wide = torch.ones_like(self._wide_scene)
            _corner(wide, divisor.shape[1:]).copy_(divisor)
            divisors = self._adjoint.tiles(wide)
        is_plain = (momentum, relaxation) == PLAIN
        changes = None if is_plain else self._changes()
        lower = self._lower_tiles
        is_simple = divisor is None and lower is None and self._consensus is None
        if self._adjoint.is_compiled and is_simple:
            self._update_compiled(None if is_plain else changes, momentum, relaxation)
            return True

        def update(index: Index, change: Tensor) -> None:
            # Not in place: the change is every second number of a complex array.
            inverse = self._inverse_sensitivity[(index[0] if lower is not None else 0, *index[1:])]
            factor = torch.mul(change, inverse).add_(1)
            scene = self._scene_tiles[index]
            if is_plain or changes is None:
                if self._min_factor:
                    factor.clamp_min_(self._min_factor)
                scene.mul_(factor)
                if lower is None:
                    scene.clamp_min_(0)
                else:
                    torch.maximum(scene, lower[index], out=scene)
                if divisors is not None:
                    scene.div_(divisors[index])
                return
            if divisors is not None:
                factor.div_(divisors[index])
            step = changes[index].mul_(momentum)
            step.add_(factor.clamp_min_(MIN_FACTOR).log_(), alpha=relaxation)
            scene.mul_(step.clamp_(-MAX_LOG_CHANGE, MAX_LOG_CHANGE).exp())
            if lower is not None:
                bound = lower[index]
                missing = torch.where(scene < bound, bound / scene, 1)
                scene.mul_(missing)
                step.add_(missing.log_())

        self._for_each_change(update)
        return True

    def _changes(self) -> Tensor:
        """Return the last changes of the logarithm of the scene, by blocks; 0 at first."""
        if self._log_change is None:
            self._log_change = zeros_in_huge_pages(self._wide_scene, self._wide_scene.shape)
        return self._adjoint.tiles(self._log_change)

    def _add_combined(self, combined: BlockFilter) -> None:
        """Add the quotient's back projection by a filter to the logarithm of the scene."""
        changes = self._changes()
        if combined.is_compiled:
            from unblur_classic.nonblind.richardson_lucy.compiled_updates import add_run

            run = add_run(source_version())
            bounds = np.float32(MAX_WEIGHT), np.float32(MAX_LOG_CHANGE)

            def add(pairs: Any, weight: Any, scene: Any, steps: Any, *arrays: Any) -> None:
                run(pairs, weight, scene, steps, bounds, *arrays)

            images = [self._inverse_sensitivity, self._scene_tiles, changes]
            combined.map_runs(self._wide_quotient, images, add)
            return

        def update(index: Index, change: Tensor) -> None:
            step = changes[index]
            weight = self._inverse_sensitivity[(0, *index[1:])].clamp_max(MAX_WEIGHT)
            torch.mul(change, weight, out=step)
            self._scene_tiles[index].mul_(step.clamp_(-MAX_LOG_CHANGE, MAX_LOG_CHANGE).exp())

        combined.for_each(self._wide_quotient, update)

    def _divide(self) -> float:
        """Set the quotient of image and prediction, minus 1; 0 at pixels that are not valid.

        Return the negative log-likelihood but for a constant, if steps are guarded, else 0.
        """
        if self._forward.is_compiled and not isinstance(self._background, Tensor):
            return self._divide_compiled(self._background)
        losses: dict[Any, Tensor] = {}

        def divide(index: Index, prediction: Tensor) -> None:
            if isinstance(self._background, Tensor):
                prediction.add_(self._background[index])
            elif self._background:
                prediction.add_(self._background)
            data, quotient = self._data_tiles[index], self._quotient_tiles[index]
            mask = self._mask_tiles[index]
            prediction = prediction.clamp_min(MIN_PREDICTION)
            torch.div(data, prediction, out=quotient)
            quotient.sub_(mask)
            if self._is_guarded:
                logarithm = prediction.log().mul_(data)
                losses[str(index)] = prediction.mul_(mask).sub_(logarithm).sum()

        self._forward.for_each(self._wide_scene, divide)
        # In the order of the blocks, which threads finish in any.
        in_order = [losses[key] for key in sorted(losses)]
        return float(torch.stack(in_order).double().sum()) if in_order else 0.0

    def _divide_compiled(self, background: float) -> float:
        """Do the same in compiled functions."""
        from unblur_classic.nonblind.richardson_lucy.compiled_updates import divide_run

        run = divide_run(source_version())
        bounds = np.float32(background), np.float32(MIN_PREDICTION)

        def divide(pairs: Any, data: Any, mask: Any, quotient: Any, *arrays: Any) -> float:
            loss = np.zeros(1)
            run(pairs, data, mask, quotient, bounds, self._is_guarded, *arrays, loss)
            return float(loss[0])

        images = self._data_tiles, self._mask_tiles, self._quotient_tiles
        return sum(self._forward.map_runs(self._wide_scene, images, divide))

    def _update_compiled(self, steps: Tensor | None, momentum: float, relaxation: float) -> None:
        """Multiply the scene by the factor, or extrapolate with `steps`, the last changes."""
        from unblur_classic.nonblind.richardson_lucy.compiled_updates import (
            extrapolate_run,
            multiply_run,
        )

        images = [self._inverse_sensitivity, self._scene_tiles]
        if steps is None:
            run, smallest = multiply_run(source_version()), np.float32(self._min_factor)

            def update(pairs: Any, weight: Any, scene: Any, *arrays: Any) -> None:
                run(pairs, weight, scene, smallest, *arrays)
        else:
            run, images = extrapolate_run(source_version()), [*images, steps]
            sizes = tuple(map(np.float32, (momentum, relaxation, MIN_FACTOR, MAX_LOG_CHANGE)))

            def update(pairs: Any, weight: Any, scene: Any, *arrays: Any) -> None:
                run(pairs, weight, scene, arrays[0], sizes, *arrays[1:])

        self._adjoint.map_runs(self._wide_quotient, images, update)

    def _for_each_change(self, work: Callable[[Index, Tensor], None]) -> None:
        """Call a function with blocks of the change, which is 0 where there is no consensus."""
        half = None
        if self._consensus is not None:
            half = self._consensus.half(self._steps, self._wide_quotient)
            self._steps += 1
        if self._consensus is None or half is None:
            self._adjoint.for_each(self._wide_quotient, work)
            return
        total, agrees = self._consensus.agreed_change(self._adjoint, self._wide_quotient, half)
        if self._log_change is not None:
            _corner(self._log_change, self.scene.shape[1:]).mul_(agrees)
        tiles = self._adjoint.tiles(total)
        for index in self._adjoint.indices(len(total)):
            work(index, tiles[index])


def _zeros(like: Tensor, channels: int, *extents: tuple[int, ...]) -> Tensor:
    """Return zeros of the elementwise largest of several extents."""
    return zeros_in_huge_pages(like, (channels, *map(max, zip(*extents, strict=True))))


def _corner(x: Tensor, extent: tuple[int, ...]) -> Tensor:
    return x[(..., *(slice(0, n) for n in extent))]
