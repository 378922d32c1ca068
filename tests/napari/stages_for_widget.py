"""Simple stages and a broken plugin, registered for the tests of the widget."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.model.params import PriorChoice
from unblur.model.stages import Estimate
from unblur.numerics.operators import Blur
from unblur.numerics.synthesis import gaussian_kernel
from unblur.plugins.manager import BrokenPlugin, Registry

BROKEN = BrokenPlugin("shiny", "ModuleNotFoundError: No module named 'shiny_cuda'")


class Energy(stages.Prior):
    """Half the squared norm."""

    name = "energy"
    summary = "Half the squared norm."

    class Params(stages.Params):
        sharpness: float = Field(default=1.0, gt=0, description="Slope.")

    def energy(self, x: Tensor) -> Tensor:
        return (x * x).sum() / 2

    def gradient(self, x: Tensor) -> Tensor:
        return x

    def proximal(self, x: Tensor, step: float) -> Tensor:
        return x / (1 + step)


class Guess(stages.KernelEstimator):
    """Returns a Gaussian, after a time that is set by its params."""

    name = "guess"
    summary = "A Gaussian kernel, whatever the image."

    class Params(stages.Params):
        size: Annotated[int, Field(ge=3, le=99)] | Literal["auto"] = Field(
            default="auto", description="Extent of the kernel in pixels; auto takes 9."
        )
        priors: tuple[PriorChoice, ...] = Field(
            default=(PriorChoice(prior="energy", weight=4e-3),), description="Priors."
        )
        deviation: float = Field(default=1.5, gt=0, le=20, description="Width in pixels.")
        rounds: int = Field(default=1, ge=1, le=100_000, description="Number of rounds.")
        pause: float = Field(default=0.0, ge=0, description="Time that a round takes, in seconds.")
        confidence: float | None = Field(default=None, description="Confidence, in [0, 1].")

    def estimate(self, blurred: Tensor, context: Context, mask: Tensor | None = None) -> Estimate:
        for _ in context.track(range(self.params.rounds), self.name):
            time.sleep(self.params.pause)
        size = 9 if self.params.size == "auto" else self.params.size
        kernel = gaussian_kernel(self.params.deviation, size=size)
        return Estimate.of(kernel, confidence=self.params.confidence)


class Sharpen(stages.Deconvolver):
    """A few steps of gradient descent on the data term."""

    name = "sharpen"
    summary = "Gradient descent on the data term."
    dimensions = frozenset({2, 3})

    class Weights(stages.Params):
        flat: float = Field(default=0.1, ge=0, le=1, description="In flat regions.")
        edges: float = Field(default=0.9, ge=0, le=1, description="At edges.")

    class Params(stages.Params):
        iterations: int = Field(default=5, ge=1, le=5000, description="Iterations.")
        step: float = Field(default=0.5, gt=0, lt=2, description="Length of a step.")
        mode: Literal["fast", "careful"] = Field(default="fast", description="Kind of step.")
        positive: bool = Field(default=False, description="Keep values above 0.")
        noise: float | None = Field(default=None, ge=0, description="Noise, white = 1.")
        pause: float = Field(default=0.0, ge=0, description="Time that a step takes, in seconds.")
        taps: tuple[int, ...] = Field(default=(1, 2), description="Anything.")

    def deconvolve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Tensor:
        blur = Blur(kernel.tensor(), blurred.shape[1:])
        x = blur.extend(blurred)
        for _ in context.track(range(self.params.iterations), self.name):
            time.sleep(self.params.pause)
            x = x - self.params.step * blur.adjoint(blur.forward(x) - blurred)
        return blur.crop(x)

    def halo(self, kernel: Kernel) -> tuple[int, ...]:
        return tuple(r * 4 for r in kernel.half_width)


class Fails(stages.Postprocessor):
    """Raises the error that its params name."""

    name = "fails"
    summary = "Raises an error."

    class Params(stages.Params):
        how: Literal["value", "memory"] = Field(default="value", description="Which error.")

    def process(
        self, image: Tensor, blurred: Tensor, kernel: Kernel | None, context: Context
    ) -> Tensor:
        raise {"value": ValueError("seven is not eight"), "memory": MemoryError()}[self.params.how]


class Limit(stages.Postprocessor):
    """Clips values to [0, 1]."""

    name = "limit"
    summary = "Values stay within [0, 1]."

    def process(
        self, image: Tensor, blurred: Tensor, kernel: Kernel | None, context: Context
    ) -> Tensor:
        return torch.clip(image, 0, 1)


STAGES = (Energy, Guess, Sharpen, Fails, Limit)


@contextmanager
def registered(registry: Registry) -> Iterator[None]:
    """Add the stages and the broken plugin to the registry, and remove them at the end."""
    for cls in STAGES:
        registry.stages[cls.kind, cls.name] = cls
        registry.origins[cls] = "tests"
    registry.broken.append(BROKEN)
    yield
    registry.broken.remove(BROKEN)
    for cls in STAGES:
        del registry.stages[cls.kind, cls.name], registry.origins[cls]
