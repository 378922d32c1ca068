"""Samples, loss and validation of `unblur train denoiser`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from unblur.plugins.weights import load_weights
from unblur.training import Trainer, TrainingParams
from unblur.training.images import (
    Crops,
    hold_out,
    image_files,
    read_luma,
    read_luma_at_two_sizes,
    uniform,
)
from unblur_denoiser.training.noise_samples import round_to_8_bits, white_noise, wiener_noise
from unblur_denoiser.unet import WIDTHS, DenoisingNetwork

VALIDATION_PICTURES = 12
"""Largest number of images kept for validation, a count."""
VALIDATION_LEVELS = (0.01, 0.03, 0.1)
"""Standard deviations of the noise in validation, white = 1."""
VALIDATION_SIZE = 192
"""Extent of the validation crops, in pixels."""
LOSS_OFFSET = 0.02
"""Noise level that is added to that of a sample where its error is weighted, white = 1."""


class DenoiserParams(TrainingParams):
    """Settings of the training of the denoiser."""

    batch: int = Field(default=1, ge=1, description="Groups of crops per step.")
    rate: float = Field(default=1e-3, gt=0, description="Peak learning rate.")
    clip: float = Field(default=0.5, gt=0, description="Largest norm of the gradient.")
    average: float = Field(
        default=0.999, ge=0, lt=1, description="Decay per step of the running mean of the weights."
    )
    steps: int = Field(default=20000, ge=1, description="Total number of optimiser steps.")
    validate_every: int = Field(default=500, ge=1, description="Steps between validations.")
    widths: tuple[int, ...] = Field(
        default=WIDTHS, min_length=1, description="Channels of the network at each scale."
    )
    crops: int = Field(default=16, ge=1, description="Crops in a group.")
    crop: int = Field(
        default=64, ge=16, multiple_of=16, description="Extent of the crops, in pixels."
    )
    lowest: float = Field(default=0.003, gt=0, description="Least noise drawn, white = 1.")
    highest: float = Field(default=0.2, gt=0, description="Most noise drawn, white = 1.")
    correlated: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="Fraction of the crops with noise as a Wiener filter leaves it.",
    )
    rounded: float = Field(
        default=0.3, ge=0, le=1, description="Fraction of the crops that are rounded to 8 bits."
    )
    begin: Path | None = Field(default=None, description="Initial weights, .safetensors.")


class DenoiserTrainer(Trainer):
    """Trains `DenoisingNetwork` on crops with noise of log-uniform standard deviation.

    The loss is the l1 distance to the clean crop over the noise level (plus a constant), so that
    all noise levels have about equal weight.
    """

    name = "denoiser"
    summary = "Denoiser for plug-and-play restoration."
    score = "psnr"
    Params: ClassVar[type[TrainingParams]] = DenoiserParams

    def model(self) -> nn.Module:
        """Return the network, from given weights if there are any."""
        model = DenoisingNetwork(self.params.widths)
        if self.params.begin is not None:
            model.load_state_dict(load_weights(self.params.begin))
        return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def prepare(self, data: Path) -> None:
        """Read the images; one in nine, twelve at most, is kept for validation."""
        kept, held = hold_out(image_files(data), VALIDATION_PICTURES)
        self.crops = Crops(read_luma_at_two_sizes(kept), self.params.crop)
        self.validation = [self._validation(number, path) for number, path in enumerate(held)]

    def sample(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return group number `index`: noisy and clean crops and their noise levels.

        Shapes are (N, 1, H, W) twice and (N, 1, 1, 1), white = 1.
        """
        p = self.params
        generator = self.generator(index)
        low, high = math.log(p.lowest), math.log(p.highest)
        noisy, clean, levels = [], [], []
        for _ in range(p.crops):
            crop = self.crops.draw(generator)
            level = math.exp(low + (high - low) * uniform(generator))
            coloured = uniform(generator) < p.correlated
            shape = (p.crop, p.crop)
            noise = (wiener_noise if coloured else white_noise)(shape, generator)
            observed = crop + level * noise
            if uniform(generator) < p.rounded:
                observed = round_to_8_bits(observed)
            noisy.append(observed)
            clean.append(crop)
            levels.append(level)
        return (
            torch.stack(noisy)[:, None],
            torch.stack(clean)[:, None],
            torch.tensor(levels)[:, None, None, None],
        )

    def loss(self, model: nn.Module, index: int, device: torch.device) -> Tensor:
        """Return the weighted l1 error of group number `index`."""
        noisy, clean, level = (part.to(device) for part in self.sample(index))
        error = (model(noisy, level) - clean).abs().mean(dim=(1, 2, 3), keepdim=True)
        loss: Tensor = (error / (level + LOSS_OFFSET)).mean()
        return loss

    def validate(self, model: nn.Module, device: torch.device) -> Mapping[str, float]:
        """Return the mean PSNR in dB at each noise level and in all."""
        clean = torch.stack([crop for crop, _ in self.validation])[:, None].to(device)
        noise = torch.stack([noise for _, noise in self.validation])[:, None].to(device)
        figures = {}
        for level in VALIDATION_LEVELS:
            sigma = clean.new_full((1, 1, 1, 1), level)
            found = torch.cat([model(y[None], sigma) for y in clean + level * noise])
            error = (found.clamp(0, 1) - clean).square().mean(dim=(1, 2, 3))
            figures[f"psnr-{100 * level:g}"] = float((-10 * error.log10()).mean())
        return {"psnr": sum(figures.values()) / len(figures), **figures}

    def _validation(self, number: int, path: Path) -> tuple[Tensor, Tensor]:
        picture = read_luma(path, halved=number % 2 == 1).float() / 255
        size = min(VALIDATION_SIZE, *picture.shape) // 16 * 16
        top, left = ((n - size) // 2 for n in picture.shape)
        noise = white_noise((size, size), torch.Generator().manual_seed(1000 + number))
        return picture[top : top + size, left : left + size], noise
