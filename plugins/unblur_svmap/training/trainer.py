"""How the weights are made: samples, loss and validation of `unblur train svmap`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from unblur.model.kernel import Kernel
from unblur.plugins.weights import load_weights
from unblur.training import Trainer, TrainingParams
from unblur.training.images import Crops, image_files, read_luma, read_luma_at_two_sizes, uniform
from unblur_svmap.model import Data, Design, Regulariser, SpatiallyVariantMap
from unblur_svmap.training.data import KERNEL_SIZES, Sample, degrade, draw_kernel
from unblur_svmap.training.kernel_errors import mistaken

VALIDATION_PICTURES = 12
GAIN = 1.2
HELD_OUT = Path(__file__).parent / "night_held_out.txt"


def held_out() -> frozenset[str]:
    """Return the names of the night scenes that are kept for testing."""
    return frozenset(HELD_OUT.read_text(encoding="utf-8").split())


class SvmapParams(TrainingParams):
    """Settings of the training; the first four choose between the variants of the paper."""

    data_term: Data = Field(default="learned", description="Learned, or the plain l2 data term.")
    regulariser: Regulariser = Field(
        default="learned", description="Learned, or the fixed hyper-Laplacian."
    )
    invariant: bool = Field(
        default=False, description="Share the filters among pixels, predict their weights (SIMAP)."
    )
    reweightings: int = Field(
        default=Design.steps,
        ge=1,
        le=5,
        description="Reweighted least-squares steps, each with networks.",
    )
    iterations: int = Field(
        default=Design.iterations,
        ge=1,
        le=50,
        description="Conjugate-gradient steps per reweighting.",
    )
    degradation: Literal["gaussian", "saturated"] = Field(
        default="gaussian",
        description="Gaussian noise, or clipping at white as well with little noise.",
    )
    mistaken: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of the samples with which the model is told a somewhat wrong kernel, "
        "as blind estimates are.",
    )
    crop: int = Field(default=128, ge=32, description="Extent of the blurred crops, in pixels.")
    lowest: float = Field(default=0.003, gt=0, description="Least noise drawn, white = 1.")
    highest: float = Field(default=0.06, gt=0, description="Most noise drawn, white = 1.")
    begin: Path | None = Field(
        default=None,
        description="Weights to go on from, .safetensors; where they have fewer reweightings, "
        "the further ones begin as copies of their last; parts that are fixed are left out.",
    )


def spread_over_steps(tensors: dict[str, Tensor], steps: int) -> dict[str, Tensor]:
    """Return the weights of a model of `steps` steps; those beyond the given are copies.

    Keys read "data.0.network…" and "regularisers.0.network…", the number being the step.
    """
    spread: dict[str, Tensor] = {}
    for part in ("data", "regularisers"):
        own = {key: value for key, value in tensors.items() if key.startswith(f"{part}.")}
        given = 1 + max((int(key.split(".")[1]) for key in own), default=-1)
        for step in range(steps if given else 0):
            source = f"{part}.{min(step, given - 1)}."
            spread |= {
                f"{part}.{step}.{key.removeprefix(source)}": value
                for key, value in own.items()
                if key.startswith(source)
            }
    return spread


class SvmapTrainer(Trainer):
    """Trains `SpatiallyVariantMap` end to end through its conjugate gradients.

    The loss is the l1 distance of both steps' results to the truth, relative to the start's,
    so that crops of all noise levels count alike. The noise is log-uniform; the model is told
    it with an error of 10 %, as it will be where it is estimated.
    """

    name = "svmap"
    summary = "Spatially-variant MAP deconvolution."
    score = "psnr"
    Params: ClassVar[type[TrainingParams]] = SvmapParams

    def model(self) -> nn.Module:
        """Return the network of the chosen design, from given weights if there are any."""
        p = self.params
        design = Design(p.data_term, p.regulariser, p.invariant, p.reweightings, p.iterations)
        model = SpatiallyVariantMap(design)
        if p.begin is not None:
            given = spread_over_steps(load_weights(p.begin), p.reweightings)
            learned = model.state_dict().keys()
            model.load_state_dict({key: given[key] for key in given if key in learned})
        return model

    def prepare(self, data: Path) -> None:
        """Read the pictures; one in nine, twelve at most, is kept for validation.

        The night scenes that `benchmarks` measures on are left out, wherever they lie.
        """
        tested = held_out()
        files = [file for file in image_files(data) if file.name not in tested]
        count = min(VALIDATION_PICTURES, max(len(files) // 9, 1))
        held = files[:: len(files) // count][:count]
        margin = KERNEL_SIZES[-1] - 1
        kept = [f for f in files if f not in held]
        self.crops = Crops(read_luma_at_two_sizes(kept), self.params.crop + margin)
        self.validation = self._validation(held)

    def sample(self, index: int) -> Sample:
        """Return sample number `index`."""
        p = self.params
        generator = self.generator(index)
        scene = self.crops.draw(generator)
        kernel = draw_kernel(generator)
        noise = self._noise(generator)
        need = [p.crop + n - 1 for n in kernel.shape]
        sample = degrade(scene[: need[0], : need[1]], kernel, noise, generator, self._gain())
        error = math.exp(0.1 * float(torch.randn((), generator=generator)))
        sample = replace(sample, noise=sample.noise * error)
        return self._mistaken(sample, kernel, generator)

    def loss(self, model: nn.Module, index: int, device: torch.device) -> Tensor:
        """Return the relative l1 error of sample number `index`."""
        sample = self.sample(index).to(device)
        estimates = _estimates(model, sample)
        errors = [self._error(x, sample.sharp) for x in estimates]
        scale = errors[0].detach().clamp_min(2e-3)
        return (errors[-1] + 0.3 * sum(errors[1:-1])) / scale

    def validate(self, model: nn.Module, device: torch.device) -> Mapping[str, float]:
        """Return PSNR in dB at the start and after each step, per noise level and in all."""
        figures: dict[str, list[float]] = {}
        for name, sample in self.validation:
            there = sample.to(device)
            for step, x in enumerate(_estimates(model, there)):
                error = (x.clamp(0, 1) - there.sharp).square().mean()
                figures.setdefault(f"psnr-{name}-step{step}", []).append(
                    -10 * math.log10(float(error))
                )
        means = {name: sum(values) / len(values) for name, values in figures.items()}
        last = [value for name, value in means.items() if name.endswith(f"step{step}")]
        return {"psnr": sum(last) / len(last), **means}

    def _validation(self, files: list[Path]) -> list[tuple[str, Sample]]:
        levels = (0.0, 0.01) if self._gain() > 1 else (0.01, 0.05)
        samples = []
        for number, path in enumerate(files):
            generator = torch.Generator().manual_seed(1000 + number)
            kernel = draw_kernel(generator)
            picture = read_luma(path, halved=number % 2 == 1).float() / 255
            size = min(*picture.shape, 160 + KERNEL_SIZES[-1] - 1)
            top, left = ((n - size) // 2 for n in picture.shape)
            scene = picture[top : top + size, left : left + size]
            for level in levels:
                sample = degrade(scene, kernel, level, generator, self._gain())
                sample = self._mistaken(sample, kernel, generator)
                samples.append((f"{100 * level:g}", sample))
        return samples

    def _mistaken(self, sample: Sample, kernel: Kernel, generator: torch.Generator) -> Sample:
        """Return the sample with a wrong kernel, if its turn comes."""
        share = self.params.mistaken
        if not share or uniform(generator) >= share:
            return sample
        return replace(sample, kernel=mistaken(kernel, generator).tensor(dtype=torch.float32))

    def _gain(self) -> float:
        return GAIN if self.params.degradation == "saturated" else 1.0

    def _noise(self, generator: torch.Generator) -> float:
        p = self.params
        if p.degradation == "saturated":
            return 0.01 * uniform(generator)
        low, high = math.log(p.lowest), math.log(p.highest)
        return math.exp(low + (high - low) * uniform(generator))

    def _error(self, x: Tensor, sharp: Tensor) -> Tensor:
        # Above white the truth is not known, so there an estimate may lie where it likes.
        seen = x.clamp(0, 1) if self.params.degradation == "saturated" else x
        return (seen - sharp).abs().mean()


def _estimates(model: nn.Module, sample: Sample) -> list[Tensor]:
    found: list[Tensor] = model(sample.blurred, sample.kernel, sample.noise, clipped=sample.clipped)
    return found
