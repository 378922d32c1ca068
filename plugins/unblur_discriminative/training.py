"""How the classifier is made: samples, loss and validation of `unblur train discriminative`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from unblur.errors import ImageError
from unblur.model.kernel import Kernel
from unblur.numerics.pyramid import shrink_image
from unblur.numerics.synthesis import (
    DegradedPair,
    add_gaussian_noise,
    blur_image,
    crop_valid,
    gaussian_process_kernel,
    shake_kernel,
)
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
from unblur_discriminative.network import Classifier
from unblur_discriminative.pages import text_page

SIZES = range(7, 52)
"""Extents of the kernels, in pixels (Sec. 3.4)."""
KERNELS, PAGES = 400, 60
"""How many kernels and pages of text are drawn before a training, to choose from."""
SHARP, TRIES = 1.5, 4
"""Least `sharpness` of a crop of a photograph, and how many are drawn to meet it."""
BRIGHTEST = 2.5
"""Largest gain of a scene whose lights are clipped at white."""
VALIDATION_PICTURES = 24
VALIDATED = (1, 2, 4)
"""By which factors the validation pairs are shrunk."""


class DiscriminativeParams(TrainingParams):
    """Settings of the training."""

    steps: int = Field(default=6000, ge=1, description="Optimiser steps in all.")
    batch: int = Field(default=8, ge=1, description="Pairs, one blurred and one sharp, per step.")
    rate: float = Field(default=1e-3, gt=0, description="Peak learning rate.")
    momentum: float | None = Field(
        default=None, ge=0, lt=1, description="Momentum of SGD in place of Adam; none is Adam."
    )
    crop: int = Field(default=200, ge=16, description="Extent of the crops, in pixels.")
    noise: float = Field(
        default=0.01, ge=0, description="Highest standard deviation of the noise, white = 1."
    )
    smallest: float = Field(
        default=0.25,
        gt=0,
        le=1,
        description="To which share of its size a pair is shrunk at most; 1 trains on one scale.",
    )
    text: float = Field(default=0.15, ge=0, le=1, description="Share of pages of text.")
    saturated: float = Field(
        default=0.15, ge=0, le=1, description="Share of pairs whose lights are clipped at white."
    )
    begin: Path | None = Field(
        default=None, description="Weights to go on from, .safetensors, instead of random ones."
    )
    exclude: Path | None = Field(
        default=None, description="File with the names of pictures that are left out."
    )


class DiscriminativeTrainer(Trainer):
    """Trains `Classifier` by the cross-entropy of Eq. 3, blurred = 1 and sharp = 0.

    A sample is one crop twice, as it is and blurred, shrunk by the same factor: not at all, by as
    much as `smallest` allows, or by something between, each of the ends in a quarter of the
    samples. The paper adds noise to the blurred one only; here both have it, of one level from 0
    to `noise`, since otherwise noise itself tells them apart and the prior would favour smooth
    images. Crops out of focus are drawn anew: to call them sharp moves the threshold.

    References
    ----------
    L. Li et al., "Learning a discriminative prior for blind image deblurring", CVPR 2018,
    sections 3.3 and 3.4.
    """

    name = "discriminative"
    summary = "Classifier of blurred and sharp images, for the discriminative prior."
    score = "likelihood"
    Params: ClassVar[type[TrainingParams]] = DiscriminativeParams

    def model(self) -> nn.Module:
        """Return a network with random weights, or with those to go on from."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.params.seed)
            model = Classifier()
        if self.params.begin is not None:
            model.load_state_dict(load_weights(self.params.begin))
        return model

    def optimiser(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return Adam, or SGD where the params give it a momentum."""
        if self.params.momentum is None:
            return super().optimiser(model)
        p = self.params
        return torch.optim.SGD(model.parameters(), lr=p.rate, momentum=p.momentum)

    def prepare(self, data: Path) -> None:
        """Read the pictures; one in nine, 24 at most, is kept for validation."""
        excluded = self.params.exclude
        left_out = set(excluded.read_text(encoding="utf-8").split()) if excluded else set()
        files = [file for file in image_files(data) if file.name not in left_out]
        if not files:
            raise ImageError(f"training needs pictures, and '{excluded}' leaves none of '{data}'.")
        count = min(VALIDATION_PICTURES, max(len(files) // 9, 1))
        held = files[:: len(files) // count][:count]
        kept = [file for file in files if file not in held]
        generator = torch.Generator().manual_seed(self.params.seed)
        edge = self.params.crop + SIZES[-1] - 1
        self.kernels = [draw_kernel(generator) for _ in range(KERNELS)]
        self.photos = Crops(read_luma_at_two_sizes(kept), edge)
        self.pages = Crops([text_page(2 * edge, 2 * edge, generator) for _ in range(PAGES)], edge)
        self.validation = [self._validated(number, path) for number, path in enumerate(held)]

    def sample(self, index: int) -> DegradedPair:
        """Return sample number `index`: blurred and sharp, each (h, w)."""
        p, generator = self.params, self.generator(index)
        source = self.pages if uniform(generator) < p.text else self.photos
        kernel = self.kernels[integer(len(self.kernels), generator)]
        for _ in range(TRIES):
            whole = source.draw(generator)
            if sharpness(whole) >= SHARP:
                break
        scene = whole[tuple(slice(p.crop + n - 1) for n in kernel.shape)]
        gain = 1 + (BRIGHTEST - 1) * uniform(generator) if uniform(generator) < p.saturated else 1
        # Pairs with much noise and pairs at either end of the sizes are those most often misjudged.
        pair = degraded(scene, kernel, p.noise * uniform(generator) ** 0.5, generator, gain)
        share = min(max(2 * uniform(generator) - 0.5, 0.0), 1.0)
        ratio = p.smallest + (1 - p.smallest) * share
        return DegradedPair(*(shrink_image(x, ratio) for x in pair))

    def loss(self, model: nn.Module, index: int, device: torch.device) -> Tensor:
        """Return the cross-entropy of both images of sample number `index`."""
        return cross_entropy(scores(model, self.sample(index), device))

    def validate(self, model: nn.Module, device: torch.device) -> Mapping[str, float]:
        """Return the likelihood, log base e per image, and accuracy in percent at each size."""
        figures: dict[str, float] = {}
        losses = []
        for factor in VALIDATED:
            small = [
                DegradedPair(*(shrink_image(x, 1 / factor) for x in p)) for p in self.validation
            ]
            found = torch.stack([scores(model, pair, device) for pair in small])
            figures[f"accuracy-at-{factor}"] = 100 * float(judged_right(found).mean())
            losses.append(float(cross_entropy(found)))
        return {"likelihood": -sum(losses) / len(losses), **figures}

    def _validated(self, number: int, path: Path) -> DegradedPair:
        generator = torch.Generator().manual_seed(1000 + number)
        kernel = draw_kernel(generator)
        picture = read_luma(path, halved=number % 2 == 1).float() / 255
        size = min(*picture.shape, 240 + SIZES[-1])
        corners = product(*[(0, (n - size) // 2, n - size) for n in picture.shape])
        crops = [picture[y : y + size, x : x + size] for y, x in corners]
        return degraded(max(crops, key=sharpness), kernel, 0.01, generator)


def sharpness(x: Tensor) -> float:
    """Return twice the mean squared derivative of an image (H, W) over that at half its size.

    Shrinking an image doubles the slope of an edge that spreads over several pixels, which makes
    0.5; steps from one pixel to the next make 1.6, and fine texture more. Contrast is left out.
    """
    whole, half = (
        sum(float(image.diff(dim=axis).square().mean()) for axis in (0, 1))
        for image in (x, shrink_image(x, 0.5))
    )
    return 2 * whole / max(half, 1e-12)


def draw_kernel(generator: torch.Generator) -> Kernel:
    """Draw the kernel of a camera's path, 7 to 51 pixels wide."""
    size = SIZES[integer(len(SIZES), generator)]
    kinds = (gaussian_process_kernel, shake_kernel)
    return kinds[integer(2, generator)](size, generator)


def degraded(
    scene: Tensor, kernel: Kernel, noise: float, generator: torch.Generator, gain: float = 1.0
) -> DegradedPair:
    """Return a scene (H, W) blurred and not, both noisy and, with a gain above 1, clipped."""
    bright = gain * scene
    both = [blur_image(bright, kernel), crop_valid(bright, kernel)]
    noisy = [add_gaussian_noise(x, noise, generator) for x in both]
    return DegradedPair(*(x.clamp(0, 1) if gain > 1 else x for x in noisy))


def scores(model: nn.Module, pair: DegradedPair, device: torch.device) -> Tensor:
    """Return the log-odds (2,) of being blurred, of the blurred image and of the sharp one."""
    found: Tensor = model(torch.stack([pair.blurred, pair.sharp])[:, None].to(device))
    return found


def cross_entropy(found: Tensor) -> Tensor:
    """Return Eq. 3 for log-odds (..., 2) of blurred and sharp images, in this order."""
    labels = found.new_tensor([1.0, 0.0]).expand_as(found)
    return functional.binary_cross_entropy_with_logits(found, labels)


def judged_right(found: Tensor) -> Tensor:
    """Return 1 where log-odds (..., 2) say blurred of the blurred and sharp of the sharp image."""
    return ((found > 0) == torch.tensor([True, False], device=found.device)).float()
