"""The scene that Richardson-Lucy finds for an image: its steps, until the last one or a stop."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unblur.accel.malloc import no_malloc_trim
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.operators import Blur, gradient, gradient_adjoint
from unblur_classic.nonblind.regularization import measure_contrast
from unblur_classic.nonblind.richardson_lucy.back_projectors import (
    combined_back_projector,
    wiener_butterworth,
)
from unblur_classic.nonblind.richardson_lucy.gradient_consensus import GradientConsensus
from unblur_classic.nonblind.richardson_lucy.image_quotient import MIN_PREDICTION
from unblur_classic.nonblind.richardson_lucy.iteration import RichardsonLucyIteration
from unblur_classic.nonblind.richardson_lucy.params import RichardsonLucyParams
from unblur_classic.nonblind.richardson_lucy.poisson.counts_model import CountsModel
from unblur_classic.nonblind.richardson_lucy.step_sizes import (
    AcceleratedStep,
    accelerated_steps,
    combined_steps,
    plain_steps,
)
from unblur_classic.nonblind.richardson_lucy.stopping import StoppingRule

TV_SMOOTHING = 0.02
"""Length of a gradient below which total variation is smoothed, as a fraction of the contrast; the
direction of rounding errors is arbitrary."""


@dataclass(frozen=True, eq=False)
class SceneEstimate:
    """A scene and what led to it.

    Attributes
    ----------
    scene : (C, *domain)
        White = 1.
    blur : Blur
        Its blur operator.
    iterations : int
        Number of plain iterations that the steps are worth.
    """

    scene: Tensor
    blur: Blur
    iterations: int


def estimate_scene(
    params: RichardsonLucyParams,
    blurred: Tensor,
    kernel: Kernel,
    context: Context,
    mask: Tensor | None,
    counts: CountsModel,
    combines: bool | None = None,
) -> SceneEstimate:
    """Return the scene of an image (C, *spatial), white = 1, after all steps or a stop.

    `combines` is what `combined_step_helps` found. Without it combined steps are taken, where there
    are any, until the likelihood is lower after one.
    """
    psf = kernel.tensor(device=blurred.device)
    blur = Blur(psf, blurred.shape[1:], mask)
    steps, combined_kernel = fastest_steps(params, psf, combines)
    is_guarded = params.is_accelerated and not params.tv
    if combines and combined_kernel is not None:
        is_guarded = False  # tiles take the same steps
    # Windows and tiles are transformed by compiled code where it is worth it for the whole image.
    repetitions = len(steps) * max(context.image_values // blurred.numel(), 1)
    iterate = _begin(params, blur, counts, combined_kernel, is_guarded, repetitions)
    scene, (pedestal, level) = iterate.scene, counts.lower_bound(blur)
    stopping_rule = StoppingRule.of(params.stop, blurred, context, mask)
    background = level - counts.level + counts.background
    if params.tv:
        contrast = measure_contrast(blurred, context, mask).reshape([-1] + [1] * blur.ndim)
        smoothing = TV_SMOOTHING * contrast + MIN_PREDICTION
    tick = context.ticker("richardson-lucy", len(steps))
    divisor, before, done, was_combined = None, 0.0, 0.0, False
    iterations = params.iterations
    with no_malloc_trim():
        while steps:
            if done and stopping_rule.is_reached(blur, scene, background):
                iterations = round(done)
                break
            if params.tv:
                divisor = tv_divisor(scene, params.tv, smoothing)
            step = steps.pop(0)
            if iterate(*step[:2], divisor, is_combined=step.is_combined):
                before, done, was_combined = done, step.progress, step.is_combined
                tick()
            else:
                done = before
                steps = smaller_steps(params, done, was_combined)
                tick = context.ticker("richardson-lucy", len(steps))
    return SceneEstimate(scene if pedestal is None else scene - pedestal, blur, iterations)


def combined_step_helps(
    params: RichardsonLucyParams,
    blurred: Tensor,
    kernel: Kernel,
    mask: Tensor | None,
    counts: CountsModel,
) -> bool | None:
    """Return whether the likelihood is higher after a first combined step, None if there is none.

    It is found on a part of an image, for all its tiles: where the likelihood is lower, it is so
    after the first of them (`benchmarks/richardson_lucy_volumes.py`).
    """
    psf = kernel.tensor(device=blurred.device)
    steps, combined_kernel = fastest_steps(params, psf)
    if combined_kernel is None:
        return None
    blur = Blur(psf, blurred.shape[1:], mask)
    iterate = _begin(params, blur, counts, combined_kernel, True, 2)
    return iterate(is_combined=True) and iterate(*steps[-1][:2])


def _begin(
    params: RichardsonLucyParams,
    blur: Blur,
    counts: CountsModel,
    combined_kernel: Tensor | None,
    is_guarded: bool,
    repetitions: int,
) -> RichardsonLucyIteration:
    """Return the iteration at its first scene."""
    pedestal, level = counts.lower_bound(blur)
    iterate = RichardsonLucyIteration(
        counts.observed(blur),
        counts.data,
        level,
        GradientConsensus(blur) if params.is_local else None,
        back_kernel=wiener_butterworth(blur.kernel) if params.is_preview else None,
        combined_kernel=combined_kernel,
        is_guarded=is_guarded,
        weight=counts.weight,
        lower_bound=pedestal,
        repetitions=repetitions,
    )
    iterate.scene[:] = counts.first_scene(blur)
    if params.initial == "smoothed":
        iterate.scene[:] = smoothed(blur, iterate.scene)
    if pedestal is not None:
        iterate.scene.add_(pedestal)
    return iterate


def fewest_steps(params: RichardsonLucyParams) -> list[AcceleratedStep]:
    """Return the steps that do what `iterations` plain ones do, without combined ones."""
    if params.is_accelerated:
        return accelerated_steps(params.iterations)
    return plain_steps(params.iterations)


def fastest_steps(
    params: RichardsonLucyParams, kernel: Tensor, combines: bool | None = None
) -> tuple[list[AcceleratedStep], Tensor | None]:
    """Return the steps with a kernel, and the back projector of combined ones if there are any.

    Of volumes with a compact kernel they are fewer, unless `combines` is False.
    """
    is_local = params.is_local or bool(params.tv) or bool(params.min_significance)
    is_possible = params.is_accelerated and kernel.ndim == 3 and not is_local
    if is_possible and combines is not False:
        steps, count = combined_steps(params.iterations)
        back = combined_back_projector(kernel, count) if count else None
        if back is not None:
            return steps, back
    return fewest_steps(params), None


def smaller_steps(
    params: RichardsonLucyParams, done: float, was_combined: bool
) -> list[AcceleratedStep]:
    """Return smaller steps after one that lowered the likelihood, after `done` iterations."""
    if not was_combined:
        return plain_steps(params.iterations, done)
    rest = accelerated_steps(max(round(params.iterations - done), 1))
    return [step._replace(progress=done + step.progress) for step in rest]


def tv_divisor(scene: Tensor, weight: float, smoothing: float | Tensor = MIN_PREDICTION) -> Tensor:
    """Return `1 - weight div(grad x / |grad x|)` of a scene (C, *domain), above 0.5.

    `smoothing`, (C, 1, ...) or a number, is the length below which a gradient counts less.
    """
    ndim = scene.ndim - 1
    gradients = gradient(scene, ndim)
    length = gradients.square().sum(0).add_(smoothing**2).sqrt_()
    return (1 + weight * gradient_adjoint(gradients / length, ndim)).clamp_min_(0.5)


def smoothed(blur: Blur, scene: Tensor) -> Tensor:
    """Return `K' K x / K' 1` of a scene (C, *domain), positive."""
    seen = blur.adjoint(blur.forward(torch.ones_like(scene)))
    return (blur.adjoint(blur.forward(scene)) / seen.clamp_min(MIN_PREDICTION)).clamp_min_(
        MIN_PREDICTION
    )
