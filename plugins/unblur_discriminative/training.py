"""Samples, loss and validation of `unblur train discriminative`."""

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
    hold_out,
    image_files,
    integer,
    read_luma,
    read_luma_at_two_sizes,
    uniform,
)
from unblur_discriminative.network import Classifier
from unblur_discriminative.text_pages import text_page

KERNEL_SIZES = range(7, 52)
"""Extents of the kernels (Li Sec. 3.4), in pixels."""
N_KERNELS, N_PAGES = 400, 60
"""Numbers of kernels and of pages of text drawn before a training, counts."""
MIN_SHARPNESS, MAX_DRAWS = 1.5, 4
"""Least `sharpness` of a crop, dimensionless, and the largest number of draws for it, a count."""
MAX_GAIN = 2.5
"""Largest factor of a scene that is clipped at white, dimensionless."""
VALIDATION_PICTURES = 24
"""Largest number of images kept for validation, a count."""
VALIDATION_FACTORS = (1, 2, 4)
"""Factors by which the validation pairs are shrunk, dimensionless."""


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
        description="Smallest fraction of its size to which a pair is shrunk; 1 keeps the size.",
    )
    text: float = Field(default=0.15, ge=0, le=1, description="Fraction of pages of text.")
    saturated: float = Field(
        default=0.15, ge=0, le=1, description="Fraction of pairs that are clipped at white."
    )
    begin: Path | None = Field(
        default=None, description="Initial weights, .safetensors, instead of random ones."
    )
    exclude: Path | None = Field(
        default=None, description="File with the names of images that are left out."
    )


class DiscriminativeTrainer(Trainer):
    """Trains `Classifier` by the cross-entropy of Li Eq. 3, blurred = 1 and sharp = 0.

    A sample is one crop twice, sharp and blurred, shrunk to the same fraction of its size: 1 in a
    quarter of the samples, `smallest` in another, and uniform between them in the rest. The
    paper adds noise to the blurred image only; here both have it, of one level from 0 to `noise`,
    since otherwise the noise alone separates them and the prior would favour smooth images.
    Crops out of focus are drawn again: labelled sharp, they would shift the threshold.

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
        """Return a network with random weights, or with the initial weights of `begin`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.params.seed)
            model = Classifier()
        if self.params.begin is not None:
            model.load_state_dict(load_weights(self.params.begin))
        return model

    def optimiser(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return Adam, or SGD if `momentum` is set."""
        if self.params.momentum is None:
            return super().optimiser(model)
        p = self.params
        return torch.optim.SGD(model.parameters(), lr=p.rate, momentum=p.momentum)

    def prepare(self, data: Path) -> None:
        """Read the images; one in nine, 24 at most, is kept for validation."""
        excluded = self.params.exclude
        left_out = set(excluded.read_text(encoding="utf-8").split()) if excluded else set()
        files = [file for file in image_files(data) if file.name not in left_out]
        if not files:
            raise ImageError(f"training needs pictures, and '{excluded}' leaves none of '{data}'.")
        kept, held = hold_out(files, VALIDATION_PICTURES)
        generator = torch.Generator().manual_seed(self.params.seed)
        edge = self.params.crop + KERNEL_SIZES[-1] - 1
        self.kernels = [draw_kernel(generator) for _ in range(N_KERNELS)]
        self.photos = Crops(read_luma_at_two_sizes(kept), edge)
        self.pages = Crops([text_page(2 * edge, 2 * edge, generator) for _ in range(N_PAGES)], edge)
        self.validation = [self._validated(number, path) for number, path in enumerate(held)]

    def sample(self, index: int) -> DegradedPair:
        """Return sample number `index`: blurred and sharp, each (h, w)."""
        p, generator = self.params, self.generator(index)
        source = self.pages if uniform(generator) < p.text else self.photos
        kernel = self.kernels[integer(len(self.kernels), generator)]
        for _ in range(MAX_DRAWS):
            whole = source.draw(generator)
            if sharpness(whole) >= MIN_SHARPNESS:
                break
        scene = whole[tuple(slice(p.crop + n - 1) for n in kernel.shape)]
        gain = 1 + (MAX_GAIN - 1) * uniform(generator) if uniform(generator) < p.saturated else 1
        # Pairs with high noise, and those of the extreme sizes, are misclassified most often.
        pair = degrade_pair(scene, kernel, p.noise * uniform(generator) ** 0.5, generator, gain)
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
        for factor in VALIDATION_FACTORS:
            small = [
                DegradedPair(*(shrink_image(x, 1 / factor) for x in p)) for p in self.validation
            ]
            found = torch.stack([scores(model, pair, device) for pair in small])
            figures[f"accuracy-at-{factor}"] = 100 * float(is_correct(found).mean())
            losses.append(float(cross_entropy(found)))
        return {"likelihood": -sum(losses) / len(losses), **figures}

    def _validated(self, number: int, path: Path) -> DegradedPair:
        generator = torch.Generator().manual_seed(1000 + number)
        kernel = draw_kernel(generator)
        picture = read_luma(path, halved=number % 2 == 1).float() / 255
        size = min(*picture.shape, 240 + KERNEL_SIZES[-1])
        corners = product(*[(0, (n - size) // 2, n - size) for n in picture.shape])
        crops = [picture[y : y + size, x : x + size] for y, x in corners]
        return degrade_pair(max(crops, key=sharpness), kernel, 0.01, generator)


def sharpness(x: Tensor) -> float:
    """Return twice the mean squared derivative of an image (H, W) over that at half its size.

    Shrinking an image doubles the gradient of an edge that spreads over several pixels, which makes
    0.5; steps from one pixel to the next make 1.6, and fine texture more. The
    result does not depend on contrast.
    """
    whole, half = (
        sum(float(image.diff(dim=axis).square().mean()) for axis in (0, 1))
        for image in (x, shrink_image(x, 0.5))
    )
    return 2 * whole / max(half, 1e-12)


def draw_kernel(generator: torch.Generator) -> Kernel:
    """Draw the kernel of a camera motion, 7 to 51 pixels wide."""
    size = KERNEL_SIZES[integer(len(KERNEL_SIZES), generator)]
    kinds = (gaussian_process_kernel, shake_kernel)
    return kinds[integer(2, generator)](size, generator)


def degrade_pair(
    scene: Tensor, kernel: Kernel, noise: float, generator: torch.Generator, gain: float = 1.0
) -> DegradedPair:
    """Return a scene (H, W) blurred and not, both noisy and, with a gain above 1, clipped."""
    bright = gain * scene
    both = [blur_image(bright, kernel), crop_valid(bright, kernel)]
    noisy = [add_gaussian_noise(x, noise, generator) for x in both]
    return DegradedPair(*(x.clamp(0, 1) if gain > 1 else x for x in noisy))


def scores(model: nn.Module, pair: DegradedPair, device: torch.device) -> Tensor:
    """Return the log-odds (2,) of being blurred, of the blurred image and of the sharp one."""
    log_odds: Tensor = model(torch.stack([pair.blurred, pair.sharp])[:, None].to(device))
    return log_odds


def cross_entropy(log_odds: Tensor) -> Tensor:
    """Return the loss (Li Eq. 3) for log-odds (..., 2) of blurred, then sharp images."""
    labels = log_odds.new_tensor([1.0, 0.0]).expand_as(log_odds)
    return functional.binary_cross_entropy_with_logits(log_odds, labels)


def is_correct(log_odds: Tensor) -> Tensor:
    """Return 1 where log-odds (..., 2) of a blurred and a sharp image have the right sign."""
    return ((log_odds > 0) == torch.tensor([True, False], device=log_odds.device)).float()
