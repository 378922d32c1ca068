"""Samples, loss and validation of `unblur train svmap`."""

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
from unblur.training.blurred_samples import KERNEL_SIZES, BlurredSample, degrade, draw_kernel
from unblur.training.images import (
    Crops,
    hold_out,
    image_files,
    read_luma,
    read_luma_at_two_sizes,
    uniform,
)
from unblur.training.kernel_errors import perturb_kernel
from unblur_svmap.model import DataTerm, ModelDesign, Regulariser, SpatiallyVariantMap

VALIDATION_PICTURES = 12
"""Largest number of images kept for validation, a count."""
GAIN = 1.2
"""Factor of scenes that are clipped at white (Dong Sec. 4.1), dimensionless."""
HELD_OUT = Path(__file__).parent / "night_held_out.txt"


def held_out() -> frozenset[str]:
    """Return the file names of the night scenes kept for testing."""
    return frozenset(HELD_OUT.read_text(encoding="utf-8").split())


class SvmapParams(TrainingParams):
    """Settings of the training; the first four choose between the variants of the paper."""

    data_term: DataTerm = Field(
        default="learned", description="Learned, or the plain l2 data term."
    )
    regulariser: Regulariser = Field(
        default="learned", description="Learned, or the fixed hyper-Laplacian."
    )
    invariant: bool = Field(
        default=False, description="Share the filters among pixels, predict their weights (SIMAP)."
    )
    reweightings: int = Field(
        default=ModelDesign.steps,
        ge=1,
        le=5,
        description="Reweighted least-squares steps, each with networks.",
    )
    iterations: int = Field(
        default=ModelDesign.iterations,
        ge=1,
        le=50,
        description="Conjugate-gradient iterations per reweighting.",
    )
    degradation: Literal["gaussian", "saturated"] = Field(
        default="gaussian",
        description="Gaussian noise, or clipping at white as well with little noise.",
    )
    perturbed_kernels: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Fraction of the samples whose kernel is given with errors like those of blind "
        "estimates.",
    )
    crop: int = Field(default=128, ge=32, description="Extent of the blurred crops, in pixels.")
    lowest: float = Field(default=0.003, gt=0, description="Least noise drawn, white = 1.")
    highest: float = Field(default=0.06, gt=0, description="Most noise drawn, white = 1.")
    begin: Path | None = Field(
        default=None,
        description="Initial weights, .safetensors; where they have fewer reweightings, the "
        "further ones are initialised with copies of the last; fixed parts are left out.",
    )


def spread_over_steps(tensors: dict[str, Tensor], steps: int) -> dict[str, Tensor]:
    """Return the weights of a model of `steps` steps; missing ones are copies of the last.

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

    The loss (Dong Eq. 10) is the l1 distance of every step's result to the truth, relative to
    that of the initial solution, so that crops of all noise levels have equal weight. The noise
    is log-uniform; the model is given it with an error of 10 %, like that of an estimate.
    """

    name = "svmap"
    summary = "Spatially-variant MAP deconvolution."
    score = "psnr"
    Params: ClassVar[type[TrainingParams]] = SvmapParams

    def model(self) -> nn.Module:
        """Return the network of the chosen design, from given weights if there are any."""
        p = self.params
        design = ModelDesign(p.data_term, p.regulariser, p.invariant, p.reweightings, p.iterations)
        model = SpatiallyVariantMap(design)
        if p.begin is not None:
            given = spread_over_steps(load_weights(p.begin), p.reweightings)
            learned = model.state_dict().keys()
            model.load_state_dict({key: given[key] for key in given if key in learned})
        return model

    def prepare(self, data: Path) -> None:
        """Read the images; one in nine, twelve at most, is kept for validation.

        The night scenes of `held_out`, on which `benchmarks` measures, are left out.
        """
        tested = held_out()
        files = [file for file in image_files(data) if file.name not in tested]
        kept, held = hold_out(files, VALIDATION_PICTURES)
        margin = KERNEL_SIZES[-1] - 1
        self.crops = Crops(read_luma_at_two_sizes(kept), self.params.crop + margin)
        self.validation = self._validation(held)

    def sample(self, index: int) -> BlurredSample:
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
        return self._with_kernel_error(sample, kernel, generator)

    def loss(self, model: nn.Module, index: int, device: torch.device) -> Tensor:
        """Return the relative l1 error of sample number `index`."""
        sample = self.sample(index).to(device)
        estimates = _estimates(model, sample)
        errors = [self._error(x, sample.sharp) for x in estimates]
        scale = errors[0].detach().clamp_min(2e-3)
        return (errors[-1] + 0.3 * sum(errors[1:-1])) / scale

    def validate(self, model: nn.Module, device: torch.device) -> Mapping[str, float]:
        """Return PSNR in dB initially and after each step, per noise level and in all."""
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

    def _validation(self, files: list[Path]) -> list[tuple[str, BlurredSample]]:
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
                sample = self._with_kernel_error(sample, kernel, generator)
                samples.append((f"{100 * level:g}", sample))
        return samples

    def _with_kernel_error(
        self, sample: BlurredSample, kernel: Kernel, generator: torch.Generator
    ) -> BlurredSample:
        """Return the sample, in the fraction `perturbed_kernels` with a perturbed kernel."""
        share = self.params.perturbed_kernels
        if not share or uniform(generator) >= share:
            return sample
        return replace(sample, kernel=perturb_kernel(kernel, generator).tensor(dtype=torch.float32))

    def _gain(self) -> float:
        return GAIN if self.params.degradation == "saturated" else 1.0

    def _noise(self, generator: torch.Generator) -> float:
        p = self.params
        if p.degradation == "saturated":
            return 0.01 * uniform(generator)
        low, high = math.log(p.lowest), math.log(p.highest)
        return math.exp(low + (high - low) * uniform(generator))

    def _error(self, x: Tensor, sharp: Tensor) -> Tensor:
        # Above white the truth is unknown, so that estimates there have no error.
        shown = x.clamp(0, 1) if self.params.degradation == "saturated" else x
        return (shown - sharp).abs().mean()


def _estimates(model: nn.Module, sample: BlurredSample) -> list[Tensor]:
    found: list[Tensor] = model(sample.blurred, sample.kernel, sample.noise, clipped=sample.clipped)
    return found
