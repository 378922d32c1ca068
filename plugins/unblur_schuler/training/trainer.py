"""How the weights are made: samples, loss and validation of `unblur train schuler`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from unblur.errors import ImageError
from unblur.numerics.kernel_ops import recentre
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.pyramid import rescale_kernel, shrink_image
from unblur.numerics.synthesis import gaussian_process_kernel
from unblur.plugins.weights import load_weights
from unblur.training import Trainer, TrainingParams
from unblur.training.images import (
    Crops,
    image_files,
    integer,
    read_luma,
    read_luma_at_two_sizes,
    uniform,
)
from unblur_schuler.coarse_to_fine import Network, descend
from unblur_schuler.layouts import Layout, untrained
from unblur_schuler.quotient import Spectra
from unblur_schuler.training.curriculum import Plan, lesson_at
from unblur_schuler.training.data import (
    LEAST_SHARE,
    SIZES,
    Example,
    draw_frame,
    draw_kernel,
    is_telling,
)
from unblur_schuler.training.losses import dissimilarity, edge_loss

MOST_REJECTED = 200
"""Crops in a row that may have too few edges."""
VALIDATION_PICTURES = 12
VALIDATION_NOISE = 0.01
"""Of white, or the nearest to it that is trained for."""
VALIDATION_SIZES = (9, 13, 17, 21, 25, 31)


class SchulerParams(TrainingParams):
    """Settings of the training."""

    layout: Layout = Field(default="deep", description="Our own network, or the paper's.")
    crop: int = Field(
        default=96,
        ge=64,
        description="Least extent of the blurred crops, in pixels; those for large kernels measure "
        "four times the kernel.",
    )
    lowest: float = Field(default=0.003, gt=0, description="Least noise drawn, white = 1.")
    highest: float = Field(default=0.05, gt=0, description="Most noise drawn, white = 1.")
    edges: float = Field(
        default=0.25,
        ge=0,
        description="Weight of the likeness of the features to the scene's clear edges.",
    )
    plan: Plan = Field(
        default="by-turn",
        description="by-turn (every turn by itself, all from the start), staged (the paper's: turn "
        "after turn is added, each time trained through all of them) or end-to-end (through all).",
    )
    stage: int = Field(
        default=1000, ge=1, description="Steps before the next turn is added, if staged."
    )
    optimiser: Literal["adam", "adadelta"] = Field(
        default="adam", description="Adam, or the paper's ADADELTA, for which set the rate to 1."
    )
    begin: Path | None = Field(
        default=None, description="Weights of the same layout to go on from, .safetensors."
    )


class SchulerTrainer(Trainer):
    """Trains a network on its own way from coarse to fine.

    The loss is how unlike a kernel is to the true one at its scale, plus how unlike the features
    are to the scene's clear edges. Unless the plan says otherwise, the kernel that a turn is
    handed is taken as given. So every turn learns from the start, on the kernels that the turns
    before it really make, where the paper adds stage after stage. Both parts of the loss are
    bounded, so that no example need be skipped for its error.
    """

    name = "schuler"
    summary = "Blind kernel estimation by learned features."
    score = "similarity"
    Params: ClassVar[type[TrainingParams]] = SchulerParams

    def model(self) -> nn.Module:
        """Return the network of the chosen layout, from given weights if there are any."""
        torch.manual_seed(self.params.seed)
        network = untrained(self.params.layout)
        if self.params.begin is not None:
            network.load_state_dict(load_weights(self.params.begin))
        return network

    def optimiser(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return Adam, or ADADELTA if the params say so."""
        if self.params.optimiser == "adam":
            return super().optimiser(model)
        return torch.optim.Adadelta(model.parameters(), lr=self.params.rate)

    def prepare(self, data: Path) -> None:
        """Read the pictures; one in nine, twelve at most, is kept for validation."""
        files = image_files(data)
        count = min(VALIDATION_PICTURES, max(len(files) // 9, 1))
        held = files[:: len(files) // count][:count]
        pictures = read_luma_at_two_sizes([f for f in files if f not in held])
        self.crops = Crops(pictures, self._edge(SIZES[-1]) + SIZES[-1] - 1)
        self.validation = [self._held_out(number, path) for number, path in enumerate(held)]

    def sample(self, index: int) -> Example:
        """Return sample number `index`."""
        generator = self.generator(index)
        scene = self._scene(generator)
        if integer(2, generator):
            scene = 1 - scene
        kernel = draw_kernel(generator)
        size = kernel.shape[0]
        frame = draw_frame(size, generator)
        need = self._edge(size) + size - 1
        return Example.of(scene[:need, :need], kernel, self._noise(generator), frame, generator)

    def loss(self, model: nn.Module, index: int, device: torch.device) -> Tensor:
        """Return the mean loss of the turns on sample number `index`."""
        assert isinstance(model, Network)
        sample = self.sample(index).to(device)
        stage = self.params.stage * self.params.batch
        lesson = lesson_at(self.params.plan, index, model.turns, stage)
        losses = []
        kernel = None
        for step, ratio in model.steps(sample.frame, lesson.turns):
            with torch.set_grad_enabled(step.turn >= lesson.first):
                y, x = (shrink_image(image, ratio) for image in (sample.blurred, sample.sharp))
                sharp, blurred = model.features(y, kernel, sample.noise * ratio, step)
                found = model.kernel(Spectra.of(sharp, blurred), step)
            if step.turn == lesson.turns - 1:
                truth = rescale_kernel(sample.kernel, step.size, ratio)
                losses.append(dissimilarity(found, truth) + self.params.edges * edge_loss(sharp, x))
            kernel = recentre(found if lesson.linked else found.detach(), by="unit-mass")
        return torch.stack(losses).mean()

    def validate(self, model: nn.Module, device: torch.device) -> Mapping[str, float]:
        """Return the mean and median similarity of the kernels found, and that per size."""
        assert isinstance(model, Network)
        found: dict[int, list[float]] = {}
        for sample in self.validation:
            there = sample.to(device)
            kernel = descend(model, there.blurred, there.frame, there.noise)
            score = kernel_similarity(kernel[0], there.kernel[0])
            found.setdefault(there.frame, []).append(score)
        scores = [score for group in found.values() for score in group]
        per_size = {f"similarity-{n}": sum(group) / len(group) for n, group in found.items()}
        return {
            "similarity": sum(scores) / len(scores),
            "similarity-median": median(scores),
            **per_size,
        }

    def _scene(self, generator: torch.Generator) -> Tensor:
        for _ in range(MOST_REJECTED):
            scene = self.crops.draw(generator)
            if is_telling(scene):
                return scene
        raise ImageError(
            f"training needs pictures with edges, but {MOST_REJECTED} random crops in a row have "
            f"fewer than {LEAST_SHARE:.0%} of their pixels on one; give other pictures."
        )

    def _edge(self, size: int) -> int:
        return max(int(self.params.crop), 4 * size + 8)

    def _noise(self, generator: torch.Generator) -> float:
        low, high = math.log(self.params.lowest), math.log(self.params.highest)
        return math.exp(low + (high - low) * uniform(generator))

    def _held_out(self, number: int, path: Path) -> Example:
        generator = torch.Generator().manual_seed(1000 + number)
        size = VALIDATION_SIZES[number % len(VALIDATION_SIZES)]
        kernel = gaussian_process_kernel(size, generator)
        picture = read_luma(path, halved=True).float() / 255
        edge = min(*picture.shape, 256 + size - 1)
        top, left = ((n - edge) // 2 for n in picture.shape)
        scene = picture[top : top + edge, left : left + edge]
        noise = min(max(VALIDATION_NOISE, self.params.lowest), self.params.highest)
        return Example.of(scene, kernel, noise, size, generator)
