"""The estimator `kotera`: `selfdeblur` coarse to fine, initialised and regularised."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from unblur.model import stages
from unblur.model.context import Context
from unblur.model.stages import Estimate
from unblur.numerics.pyramid import (
    PyramidLevel,
    odd,
    rescale_kernel,
    resize_kernel,
    shrink_image,
)
from unblur_kotera.generator_fit import fit_generators, gaussian_kernel
from unblur_selfdeblur.dip_params import DipParams, Preset, kernel_size
from unblur_selfdeblur.fit_target import FitTarget, crop_to_region, progress_with_preview
from unblur_selfdeblur.initial_image import initialise
from unblur_selfdeblur.initial_kernel import estimate_from, find_initial_kernel
from unblur_selfdeblur.networks.generators import Generators
from unblur_selfdeblur.optimisation import DipResult, Observation, optimise
from unblur_selfdeblur.schedule import LossPhase, Schedule, fix_kernel_first
from unblur_selfdeblur.selection import best_of

MIN_KERNEL_SIZE = 7
"""Extent of the smallest kernel in pixels; smaller ones lead to the no-blur solution (section 4.1).
"""
COARSE_SHARE: dict[Preset, float] = {"published": 0.1, "fast": 0.25}
"""Iterations of a coarse scale as a fraction of those at full size; 500 to 5000 as published."""
N_SCALES = 3
"""Number of scales of the paper (Kotera Sec. 3)."""
FIRST_LOSS_SHARE = 0.4
"""Fraction of the iterations at full size with the first of the two losses; 2000 of 5000."""


class Kotera(stages.KernelEstimator):
    """Blind deconvolution by deep priors, coarse to fine; it fails less often than `selfdeblur`.

    The networks are those of `selfdeblur`. The image is deblurred at half its size, then at
    1 / sqrt(2) of it, then at full size; at every scale the networks are initialised with the
    result of the coarser one. The loss is first the squared residual with a penalty on large
    values of the kernel, then 1 - SSIM with total variation of the image (Kotera Eq. 9)::

        min  |k * x - y|^2 + 0.1 |k|^2,   then   1 - SSIM(k * x, y) + 0.01 |grad x|_1

    with all norms as means over their samples.

    Parameters
    ----------
    params : Params or mapping, optional
        See `Kotera.Params`.

    Notes
    -----
    At the coarsest scale the kernel network is initialised with a Gaussian whose standard
    deviation is half the extent of the kernel, and the image network at random. The fit of a
    network to its initial value ends at a root mean square error of 10 / 255 (Kotera Eq. 8).

    With an `initial_estimator` the networks are optimised at full size alone, from the kernel that
    it finds and the image that `hyper-laplacian` deconvolves with it, which is one of the inputs of
    the image network: with the second loss, in the first third of the iterations over the image
    network, then over both. With several `scales` the coarsest one begins with that kernel at its
    size.

    Seeds, failed attempts, colour and registration are as in `selfdeblur`.

    Examples
    --------
    >>> from unblur.model.context import Context
    >>> from unblur.testing import synthetic_scene
    >>> blurred = synthetic_scene((48, 48)).blurred
    >>> found = Kotera(size=9, iterations=3, width=4).estimate(blurred, Context())
    >>> found.latent.shape
    torch.Size([1, 48, 48])

    References
    ----------
    J. Kotera, F. Sroubek, V. Smidl, "Improving neural blind deconvolution", ICIP 2021 (Kotera
    Eqs. 8 and 9).
    """

    name = "kotera"
    summary = "As selfdeblur, from coarse to fine: steadier; slow without a GPU."
    cites = "Kotera, Šroubek, Šmídl, ICIP 2021"
    region = 256

    class Params(DipParams):
        """Settings of `kotera`."""

        scales: Literal["auto"] | Annotated[int, Field(ge=1, le=6)] = Field(
            "auto",
            description="Number of scales, each 1.41 times finer than the last; auto is 3, and 1 "
            "with an initial kernel.",
        )
        kernel_l2_weight: float = Field(
            0.1,
            ge=0,
            le=10,
            description="Weight of the mean squared kernel in the first loss (Kotera Eq. 9).",
        )
        tv_weight: float = Field(
            0.01,
            ge=0,
            le=10,
            description="Weight of total variation in the second loss (Kotera Eq. 9).",
        )

        @property
        def number_of_scales(self) -> int:
            """Number of scales."""
            if self.scales != "auto":
                return int(self.scales)
            return N_SCALES if self.initial is None else 1

    def estimate(self, blurred: Tensor, context: Context, mask: Tensor | None = None) -> Estimate:
        """Return the kernel and the sharp image; see `KernelEstimator`."""
        context.checkpoint()
        blurred, mask, is_whole = crop_to_region(blurred, mask, self.params.region)
        target = FitTarget.of(blurred, mask, self.params.colour == "joint")
        initial = find_initial_kernel(self.params.initial, self.params.size, blurred, mask, context)
        size = initial.size if initial else kernel_size(self.params.size, target.data, context)
        levels = scale_levels(size, self.params.number_of_scales)
        schedules = [self._schedule(level) for level in levels]
        steps = self.params.restarts * sum(schedule.iterations for schedule in schedules)
        tick = context.ticker(self.name, steps)

        def attempt(seed: int) -> DipResult:
            found: DipResult | None = None
            for level, schedule in zip(levels, schedules, strict=True):
                data = shrink_observation(target.data, level)
                generators = Generators.drawn(
                    data.blurred.shape,
                    level.size,
                    width=self.params.channels,
                    layers=self.params.kernel_net,
                    seed=seed,
                    device=context.device,
                )
                if found is None and initial:
                    kernel = rescale_kernel(initial.weights, level.size, level.ratio)
                    initialise(generators, kernel, data, target.context(context))
                elif found is None:
                    fit_generators(generators, gaussian_kernel(level.size, data.blurred))
                else:
                    kernel = resize_kernel(found.kernel, level.size)
                    fit_generators(generators, kernel, found.scene, context.checkpoint)
                full = level is levels[-1]
                step = progress_with_preview(tick, target) if full else lambda _: tick()
                found = optimise(generators, data, schedule, step)
            assert found is not None
            return found

        choice = best_of(self.params.restarts, context.seed, target.data, attempt)
        image = target.image(choice.best) if is_whole else None
        return estimate_from(initial, target.kernel(choice.best), image, choice.notes)

    def _schedule(self, level: PyramidLevel) -> Schedule:
        """Return the losses of a scale (Kotera Eq. 9), the first one alone below full size."""
        iterations = self.params.full_iterations
        kernel_l2_weight = self.params.kernel_l2_weight
        if level.ratio < 1:
            coarse = max(round(COARSE_SHARE[self.params.preset] * iterations), 1)
            phase = LossPhase(coarse, "mse", kernel_l2_weight=kernel_l2_weight)
            return Schedule([phase], halves_rates=False)
        if self.params.initial is not None:
            phase = LossPhase(iterations, "ssim", tv_weight=self.params.tv_weight)
            return Schedule(fix_kernel_first(phase), stops_early=self.params.stop == "auto")
        first = round(FIRST_LOSS_SHARE * iterations)
        phases = [
            LossPhase(first, "mse", kernel_l2_weight=kernel_l2_weight),
            LossPhase(iterations - first, "ssim", tv_weight=self.params.tv_weight),
        ]
        return Schedule(phases, stops_early=self.params.stop == "auto")


def scale_levels(size: int, number: int) -> list[PyramidLevel]:
    """Return the scales for a kernel of `size` pixels, the coarsest first (Kotera Sec. 3).

    Parameters
    ----------
    size : int
        Extent of the kernel at full size, in pixels.
    number : int
        Number of scales. A scale whose kernel would measure less than 7 pixels has one of 7; it
        is left out if that is more than `size`.

    Example
    -------
    >>> [(round(s.ratio, 2), s.size) for s in scale_levels(21, 3)]
    [(0.5, 11), (0.71, 15), (1.0, 21)]
    """
    ratios = [0.5 ** (n / 2) for n in range(number - 1, 0, -1)]
    coarse = [
        PyramidLevel(ratio, max(odd(round(size * ratio)), MIN_KERNEL_SIZE)) for ratio in ratios
    ]
    return [*(level for level in coarse if level.size <= size), PyramidLevel(1.0, size)]


def shrink_observation(data: Observation, level: PyramidLevel) -> Observation:
    """Return the data at a scale; a pixel is valid there if all that it covers are."""
    if level.ratio == 1:
        return data
    valid = None
    if data.valid is not None:
        valid = shrink_image(data.valid.float(), level.ratio) > 0.999
    return Observation(shrink_image(data.blurred, level.ratio), valid)
