"""Samples, loss and validation of `unblur train schuler`."""

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
    hold_out,
    image_files,
    integer,
    read_luma,
    read_luma_at_two_sizes,
    uniform,
)
from unblur_schuler.coarse_to_fine import Network, estimate_coarse_to_fine
from unblur_schuler.layouts import NetworkLayout, build_network
from unblur_schuler.quotient import Spectra
from unblur_schuler.training.curriculum import PlanName, curriculum_for
from unblur_schuler.training.training_losses import edge_loss, kernel_loss
from unblur_schuler.training.training_samples import (
    MIN_EDGE_SHARE,
    SIZES,
    TrainingSample,
    draw_kernel,
    draw_size,
    has_edges,
)

MAX_REJECTED = 200
"""Number of consecutive crops with too few edges after which the training is refused."""
VALIDATION_PICTURES = 12
"""Largest number of photographs that are kept for validation."""
VALIDATION_NOISE = 0.01
"""Standard deviation of the noise, white = 1, limited to the range of the training."""
VALIDATION_SIZES = (9, 13, 17, 21, 25, 31)
"""Extents of the kernels, in pixels, for one photograph after the other."""


class SchulerParams(TrainingParams):
    """Settings of the training."""

    layout: NetworkLayout = Field(default="deep", description="Our own network, or the paper's.")
    crop: int = Field(
        default=96,
        ge=64,
        description="Smallest extent of the blurred crops, in pixels; those for large kernels "
        "measure four times the kernel.",
    )
    lowest: float = Field(
        default=0.003, gt=0, description="Smallest standard deviation of the noise, white = 1."
    )
    highest: float = Field(
        default=0.05, gt=0, description="Largest standard deviation of the noise, white = 1."
    )
    edges: float = Field(
        default=0.25,
        ge=0,
        description="Weight of the loss that compares the features with the scene's clear edges.",
    )
    plan: PlanName = Field(
        default="by-iteration",
        description="by-iteration (every iteration by itself, all from the start), staged (the "
        "paper's: one iteration after the other is added, each time trained through all of them) "
        "or end-to-end (through all).",
    )
    stage: int = Field(
        default=1000, ge=1, description="Steps before the next iteration is added, if staged."
    )
    optimiser: Literal["adam", "adadelta"] = Field(
        default="adam", description="Adam, or the paper's ADADELTA, for which set the rate to 1."
    )
    begin: Path | None = Field(
        default=None, description="Weights of the same layout to start from, .safetensors."
    )


class SchulerTrainer(Trainer):
    """Trains a network on the kernels of its own coarse-to-fine estimation.

    The loss is 1 minus the correlation of a kernel with the true one at its scale, plus a term
    that compares the features with the scene's clear edges. With the plan `by-iteration` the
    kernel that an iteration starts from is a constant, so that every iteration is trained from the
    start, on the kernels that the iterations before it estimate; the paper adds stage after stage
    (Schuler Sec. 3.3). Both terms of the loss are bounded, so that no sample has to be skipped for
    its error.
    """

    name = "schuler"
    summary = "Blind kernel estimation by learned features."
    score = "similarity"
    Params: ClassVar[type[TrainingParams]] = SchulerParams

    def model(self) -> nn.Module:
        """Return the network of the chosen layout, with the weights of `begin` if it is set."""
        torch.manual_seed(self.params.seed)
        network = build_network(self.params.layout)
        if self.params.begin is not None:
            network.load_state_dict(load_weights(self.params.begin))
        return network

    def optimiser(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser that the params choose, Adam or ADADELTA."""
        if self.params.optimiser == "adam":
            return super().optimiser(model)
        return torch.optim.Adadelta(model.parameters(), lr=self.params.rate)

    def prepare(self, data: Path) -> None:
        """Read the photographs; one in nine, twelve at most, is kept for validation."""
        kept, held = hold_out(image_files(data), VALIDATION_PICTURES)
        pictures = read_luma_at_two_sizes(kept)
        self.crops = Crops(pictures, self._edge(SIZES[-1]) + SIZES[-1] - 1)
        self.validation = [self._held_out(number, path) for number, path in enumerate(held)]

    def sample(self, index: int) -> TrainingSample:
        """Return sample number `index`."""
        generator = self.generator(index)
        scene = self._scene(generator)
        if integer(2, generator):
            scene = 1 - scene
        kernel = draw_kernel(generator)
        size = kernel.shape[0]
        estimated = draw_size(size, generator)
        need = self._edge(size) + size - 1
        return TrainingSample.of(
            scene[:need, :need], kernel, self._noise(generator), estimated, generator
        )

    def loss(self, model: nn.Module, index: int, device: torch.device) -> Tensor:
        """Return the loss of sample number `index`, of the last iteration, averaged over scales."""
        assert isinstance(model, Network)
        sample = self.sample(index).to(device)
        stage = self.params.stage * self.params.batch
        curriculum = curriculum_for(self.params.plan, index, model.iterations, stage)
        losses = []
        kernel = None
        for iteration, ratio in model.schedule(sample.size, curriculum.iterations):
            with torch.set_grad_enabled(iteration.index >= curriculum.first):
                y, x = (shrink_image(image, ratio) for image in (sample.blurred, sample.sharp))
                sharp, blurred = model.features(y, kernel, sample.noise * ratio, iteration)
                found = model.kernel(Spectra.of(sharp, blurred), iteration)
            if iteration.index == curriculum.iterations - 1:
                truth = rescale_kernel(sample.kernel, iteration.size, ratio)
                losses.append(kernel_loss(found, truth) + self.params.edges * edge_loss(sharp, x))
            kernel = recentre(found if curriculum.linked else found.detach(), by="unit-mass")
        return torch.stack(losses).mean()

    def validate(self, model: nn.Module, device: torch.device) -> Mapping[str, float]:
        """Return mean and median similarity of the kernels, and the mean of each size."""
        assert isinstance(model, Network)
        found: dict[int, list[float]] = {}
        for sample in self.validation:
            there = sample.to(device)
            kernel = estimate_coarse_to_fine(model, there.blurred, there.size, there.noise)
            score = kernel_similarity(kernel[0], there.kernel[0])
            found.setdefault(there.size, []).append(score)
        scores = [score for group in found.values() for score in group]
        per_size = {f"similarity-{n}": sum(group) / len(group) for n, group in found.items()}
        return {
            "similarity": sum(scores) / len(scores),
            "similarity-median": median(scores),
            **per_size,
        }

    def _scene(self, generator: torch.Generator) -> Tensor:
        for _ in range(MAX_REJECTED):
            scene = self.crops.draw(generator)
            if has_edges(scene):
                return scene
        raise ImageError(
            f"training needs pictures with edges, but {MAX_REJECTED} random crops in a row have "
            f"fewer than {MIN_EDGE_SHARE:.0%} of their pixels on one; give other pictures."
        )

    def _edge(self, size: int) -> int:
        return max(int(self.params.crop), 4 * size + 8)

    def _noise(self, generator: torch.Generator) -> float:
        low, high = math.log(self.params.lowest), math.log(self.params.highest)
        return math.exp(low + (high - low) * uniform(generator))

    def _held_out(self, number: int, path: Path) -> TrainingSample:
        generator = torch.Generator().manual_seed(1000 + number)
        size = VALIDATION_SIZES[number % len(VALIDATION_SIZES)]
        kernel = gaussian_process_kernel(size, generator)
        picture = read_luma(path, halved=True).float() / 255
        edge = min(*picture.shape, 256 + size - 1)
        top, left = ((n - edge) // 2 for n in picture.shape)
        scene = picture[top : top + edge, left : left + edge]
        noise = min(max(VALIDATION_NOISE, self.params.lowest), self.params.highest)
        return TrainingSample.of(scene, kernel, noise, size, generator)
