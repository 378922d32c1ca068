"""Samples, loss and validation of `unblur train plug-and-play`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from unblur.model.kernel import Kernel
from unblur.numerics.operators import Blur
from unblur.plugins.weights import load_weights
from unblur.training import Trainer, TrainingParams
from unblur.training.blurred_samples import (
    KERNEL_SIZES,
    BlurredSample,
    blur_valid,
    degrade,
    draw_kernel,
)
from unblur.training.images import (
    Crops,
    hold_out,
    image_files,
    read_luma,
    read_luma_at_two_sizes,
    uniform,
)
from unblur.training.kernel_errors import perturb_kernel
from unblur_denoiser.sigma_schedule import make_schedule
from unblur_denoiser.unet import WIDTHS
from unblur_denoiser.unrolled import STEPS, UnrolledSplitting, spread

VALIDATION_PICTURES = 12
"""Largest number of images kept for validation, a count."""
VALIDATION_LEVELS = (0.01, 0.05)
"""Standard deviations of the noise in validation, white = 1."""
VALIDATION_SIZE = 160
"""Extent of the blurred validation crops, in pixels."""
EARLY_WEIGHT = 0.25
"""Weight of the error after each step but the last, in units of that of the last, dimensionless."""
NOISE_SPREAD = 0.1
"""Standard deviation of the log error of the noise level that the model is given, dimensionless."""


class UnrolledParams(TrainingParams):
    """Settings of the training end to end."""

    batch: int = Field(default=2, ge=1, description="Crops per step.")
    rate: float = Field(default=3e-4, gt=0, description="Peak learning rate.")
    clip: float = Field(default=0.5, gt=0, description="Largest norm of the gradient.")
    steps: int = Field(default=5000, ge=1, description="Total number of optimiser steps.")
    widths: tuple[int, ...] = Field(
        default=WIDTHS, min_length=1, description="Channels of the network at each scale."
    )
    unrolled: int = Field(default=STEPS, ge=2, description="Steps of the splitting.")
    crop: int = Field(default=96, ge=16, description="Extent of the blurred crops, in pixels.")
    lowest: float = Field(default=0.003, gt=0, description="Least noise drawn, white = 1.")
    highest: float = Field(default=0.06, gt=0, description="Most noise drawn, white = 1.")
    perturbed_kernels: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="Fraction of the samples whose kernel is given with errors like those of blind "
        "estimates.",
    )
    begin: Path | None = Field(
        default=None,
        description="Initial weights, .safetensors, of this model or of a denoiser; factors of "
        "another number of steps are interpolated.",
    )


class UnrolledTrainer(Trainer):
    """Trains `UnrolledSplitting` end to end through its steps.

    The loss is the l1 distance of every step's result to the truth in the window of the image,
    relative to that of the first step, so that crops of all noise levels have equal weight. The
    noise is log-uniform. Where the kernel is given with errors, the residual that they cause is
    added to the noise level, in quadrature, as the param `model_error` of the stage does.
    """

    name = "plug-and-play"
    summary = "Steps of plug-and-play, tuned end to end."
    score = "psnr"
    Params: ClassVar[type[TrainingParams]] = UnrolledParams

    def model(self) -> nn.Module:
        """Return the model, from given weights if there are any."""
        p = self.params
        model = UnrolledSplitting(p.widths, p.unrolled)
        if p.begin is not None:
            tensors = load_weights(p.begin)
            if "head.weight" in tensors:
                model.load_denoiser(tensors)
            else:
                model.load_state_dict(spread_factors(tensors, p.unrolled))
        return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def prepare(self, data: Path) -> None:
        """Read the images; one in nine, twelve at most, is kept for validation."""
        kept, held = hold_out(image_files(data), VALIDATION_PICTURES)
        margin = KERNEL_SIZES[-1] - 1
        self.crops = Crops(read_luma_at_two_sizes(kept), self.params.crop + margin)
        self.validation = [
            (level, sample)
            for number, path in enumerate(held)
            for level, sample in _validation_samples(number, path)
        ]

    def sample(self, index: int) -> BlurredSample:
        """Return sample number `index`."""
        p = self.params
        generator = self.generator(index)
        scene = self.crops.draw(generator)
        kernel = draw_kernel(generator)
        low, high = math.log(p.lowest), math.log(p.highest)
        noise = math.exp(low + (high - low) * uniform(generator))
        need = [p.crop + n - 1 for n in kernel.shape]
        scene = scene[: need[0], : need[1]]
        sample = degrade(scene, kernel, noise, generator)
        error = math.exp(NOISE_SPREAD * float(torch.randn((), generator=generator)))
        if uniform(generator) < p.perturbed_kernels:
            wrong = perturb_kernel(kernel, generator).tensor(dtype=torch.float32)
            residual = float(blur_valid(scene, wrong - sample.kernel).square().mean().sqrt())
            level = sample.noise.square().add(residual**2).sqrt()
            sample = replace(sample, kernel=wrong, noise=level)
        return replace(sample, noise=sample.noise * error)

    def loss(self, model: nn.Module, index: int, device: torch.device) -> Tensor:
        """Return the relative l1 error of sample number `index`."""
        sample = self.sample(index).to(device)
        errors = [(x - sample.sharp[0]).abs().mean() for x in estimates(model, sample)]
        scale = errors[0].detach().clamp_min(2e-3)
        return (errors[-1] + EARLY_WEIGHT * sum(errors[:-1])) / scale

    def validate(self, model: nn.Module, device: torch.device) -> Mapping[str, float]:
        """Return the mean PSNR in dB at each noise level and in all."""
        found: dict[float, list[float]] = {}
        for level, sample in self.validation:
            there = sample.to(device)
            last = estimates(model, there)[-1]
            error = (last.clamp(0, 1) - there.sharp[0]).square().mean()
            found.setdefault(level, []).append(-10 * math.log10(float(error)))
        figures = {f"psnr-{100 * k:g}": sum(v) / len(v) for k, v in found.items()}
        return {"psnr": sum(figures.values()) / len(figures), **figures}


def spread_factors(tensors: dict[str, Tensor], steps: int) -> dict[str, Tensor]:
    """Return the weights of a model of `steps` steps, its factors interpolated linearly."""
    return {
        name: spread(value, steps) if name.startswith("log_") else value
        for name, value in tensors.items()
    }


def estimates(model: nn.Module, sample: BlurredSample) -> list[Tensor]:
    """Return the image (1, H, W) after each step."""
    assert isinstance(model, UnrolledSplitting)
    blurred = sample.blurred[0]
    blur = Blur(sample.kernel, blurred.shape[1:])
    plan = make_schedule(
        Kernel(sample.kernel.cpu().numpy()),
        float(sample.noise),
        float(blurred.std()),
        model.steps,
    )
    return [blur.crop(scene) for scene in model.estimates(blur, blurred, plan)]


def _validation_samples(number: int, path: Path) -> list[tuple[float, BlurredSample]]:
    generator = torch.Generator().manual_seed(1000 + number)
    kernel = draw_kernel(generator)
    picture = read_luma(path, halved=number % 2 == 1).float() / 255
    size = min(*picture.shape, VALIDATION_SIZE + KERNEL_SIZES[-1] - 1)
    top, left = ((n - size) // 2 for n in picture.shape)
    scene = picture[top : top + size, left : left + size]
    return [(level, degrade(scene, kernel, level, generator)) for level in VALIDATION_LEVELS]
