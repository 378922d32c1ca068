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
from unblur.numerics.fourier import corner
from unblur.numerics.operators import Blur
from unblur.numerics.overlap_save import BlockFilter, Index
from unblur.numerics.sensitivity import inverse_masked_sensitivity, inverse_sensitivity
from unblur_classic.nonblind.richardson_lucy.gradient_consensus import GradientConsensus
from unblur_classic.nonblind.richardson_lucy.image_quotient import ImageQuotient, make_zeros
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
        channels, count = len(data), repetitions * len(data)
        forward = BlockFilter(kernel, blur.shape, repetitions=count)
        # The adjoint of a convolution that keeps valid pixels is a correlation, 0 beyond them.
        correlation = partial(BlockFilter, extent=blur.domain, zero_margin=True, repetitions=count)
        axes = tuple(range(blur.ndim))
        adjoint = self._adjoint = correlation(back.flip(axes))
        self._combined: BlockFilter | None = None
        if combined_kernel is not None:
            self._combined = correlation(combined_kernel.flip(axes))

        scene = make_zeros(data, channels, blur.domain, forward.needed, adjoint.covered)
        self.scene = scene[corner(blur.domain)]
        self._wide_scene, self._scene_tiles = scene, adjoint.tiles(scene)
        self._lower_tiles: Tensor | None = None
        if lower_bound is not None:
            lowest = make_zeros(data, channels, adjoint.covered, blur.domain)
            lowest[corner(blur.domain)] = lower_bound
            self._lower_tiles = adjoint.tiles(lowest)
        self._quotient = ImageQuotient(blur, data, background, forward, adjoint.needed)

        # 1 / K' 1; where that is nearly 0, the scene keeps its initial value.
        if blur.mask is None:
            inverse = inverse_sensitivity(back, blur.shape, adjoint.covered, MIN_SENSITIVITY)[None]
        else:
            self._quotient.inner[corner(blur.shape)] = blur.mask
            inverse = inverse_masked_sensitivity(
                adjoint, self._quotient.values[:1], MIN_SENSITIVITY
            )
        if weight is not None:
            inverse = inverse.repeat(channels, *[1] * blur.ndim)
            inverse[corner(blur.domain)].mul_(weight)
        self._inverse_sensitivity = adjoint.tiles(inverse)

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

        Raises
        ------
        ValueError
            If a step is to be combined without a `combined_kernel`.
        """
        if is_combined and self._combined is None:
            raise ValueError("a combined step needs a combined_kernel; it was left out.")
        loss = self._quotient.update(self._wide_scene, with_loss=self._is_guarded)
        if loss > self._loss + self._rounding and self._log_change is not None:
            self.scene.mul_(self._log_change[corner(self.scene.shape[1:])].neg().exp_())
            self._log_change, self._loss = None, float("inf")
            return False
        self._loss = loss
        if self._combined is not None and is_combined:
            self._add_combined(self._combined)
            return True
        divisors = None
        if divisor is not None:
            wide = torch.ones_like(self._wide_scene)
            wide[corner(divisor.shape[1:])].copy_(divisor)
            divisors = self._adjoint.tiles(wide)
        is_plain = (momentum, relaxation) == PLAIN
        changes = None if is_plain else self._changes()
        lower = self._lower_tiles
        is_simple = divisor is None and lower is None and self._consensus is None
        if self._adjoint.is_compiled and is_simple:
            if changes is None:
                self._multiply_compiled()
            else:
                self._extrapolate_compiled(self._adjoint, changes, momentum, relaxation)
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
            self._extrapolate_compiled(combined, changes, is_combined=True)
            return

        def update(index: Index, change: Tensor) -> None:
            step = changes[index]
            weight = self._inverse_sensitivity[(0, *index[1:])].clamp_max(MAX_WEIGHT)
            torch.mul(change, weight, out=step)
            self._scene_tiles[index].mul_(step.clamp_(-MAX_LOG_CHANGE, MAX_LOG_CHANGE).exp())

        combined.for_each(self._quotient.values, update)

    def _multiply_compiled(self) -> None:
        """Multiply the scene by the factor, in compiled functions."""
        from unblur_classic.nonblind.richardson_lucy.compiled_updates import multiply_run

        run, smallest = multiply_run(source_version()), np.float32(self._min_factor)

        def update(pairs: Any, weight: Any, scene: Any, *arrays: Any) -> None:
            run(pairs, weight, scene, smallest, *arrays)

        images = [self._inverse_sensitivity, self._scene_tiles]
        self._adjoint.map_runs(self._quotient.values, images, update)

    def _extrapolate_compiled(
        self,
        back_projection: BlockFilter,
        changes: Tensor,
        momentum: float = 0.0,
        relaxation: float = 1.0,
        is_combined: bool = False,
    ) -> None:
        """Do an accelerated or a combined step in compiled functions."""
        from unblur_classic.nonblind.richardson_lucy.compiled_updates import extrapolate_run

        run = extrapolate_run(source_version())
        bounds = MIN_FACTOR, MAX_LOG_CHANGE, MAX_WEIGHT
        sizes = tuple(map(np.float32, (momentum, relaxation, *bounds)))

        def update(pairs: Any, weight: Any, scene: Any, steps: Any, *arrays: Any) -> None:
            run(pairs, weight, scene, steps, sizes, is_combined, *arrays)

        images = [self._inverse_sensitivity, self._scene_tiles, changes]
        back_projection.map_runs(self._quotient.values, images, update)

    def _for_each_change(self, work: Callable[[Index, Tensor], None]) -> None:
        """Call a function with blocks of the change, which is 0 where there is no consensus."""
        half, quotient = None, self._quotient.values
        if self._consensus is not None:
            half = self._consensus.half(self._steps, quotient)
            self._steps += 1
        if self._consensus is None or half is None:
            self._adjoint.for_each(quotient, work)
            return
        total, agrees = self._consensus.agreed_change(self._adjoint, quotient, half)
        if self._log_change is not None:
            self._log_change[corner(self.scene.shape[1:])].mul_(agrees)
        tiles = self._adjoint.tiles(total)
        for index in self._adjoint.indices(len(total)):
            work(index, tiles[index])
