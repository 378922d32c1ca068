"""Each law holds for a lawful stage and catches a culprit made to break it."""

from __future__ import annotations

from typing import Any, ClassVar
from unittest import SkipTest

import numpy as np
import pytest
import torch
from pydantic import Field
from torch import Tensor

from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.model.stages import (
    Deconvolver,
    Estimate,
    KernelEstimator,
    Params,
    Postprocessor,
    Prior,
    Stage,
)
from unblur.numerics.fourier import apply_otf, psf_to_otf
from unblur.numerics.operators import Blur, gradient, gradient_adjoint
from unblur.numerics.solvers import conjugate_gradient
from unblur.testing import (
    LAWS,
    Case,
    LawBroken,
    check_stage,
    laws_of,
)

# Stages that obey the laws.


class Ridge(Deconvolver):
    """Minimise `|M(k * x - y)|^2 + weight |grad x|^2` by conjugate gradient."""

    name = "ridge"
    summary = "Least squares with a quadratic smoothness term."
    dimensions = frozenset({2, 3})
    tolerance = 2e-3

    class Params(Params):
        weight: float = Field(3e-3, gt=0, description="Weight of the smoothness term.")

    def deconvolve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Tensor:
        context.checkpoint()
        ndim = kernel.ndim
        seen = torch.ones_like(blurred[0]) if mask is None else mask
        blur = Blur(kernel.tensor(device=blurred.device), blurred.shape[1:], seen)

        def normal(x: Tensor) -> Tensor:
            smooth = gradient_adjoint(gradient(x, ndim), ndim)
            return blur.adjoint(blur.forward(x)) + self.params.weight * smooth

        target = blur.adjoint(blurred)
        start = blur.extend(blurred * seen + 0.5 * (1 - seen))
        x = conjugate_gradient(normal, target, start, iterations=60, ndim=ndim)
        return blur.crop(x)

    def halo(self, kernel: Kernel) -> tuple[int, ...]:
        return tuple(4 * n for n in kernel.shape)


class Spread(KernelEstimator):
    """Guess a Gaussian whose width follows the image's mean gradient."""

    name = "spread"
    summary = "A Gaussian as wide as the image is smooth."

    def estimate(self, blurred: Tensor, context: Context, mask: Tensor | None = None) -> Estimate:
        context.checkpoint()
        seen = torch.ones_like(blurred[0]) if mask is None else mask
        both = seen[:, 1:] * seen[:, :-1]
        slope = ((blurred.diff(dim=2).abs() * both).sum() / both.sum()).item()
        axis = torch.arange(9) - 4.0
        profile = torch.exp(-0.5 * (axis / (1 + 20 * slope)) ** 2)
        return Estimate.of(Kernel(torch.outer(profile, profile).numpy()))


class Smoothness(Prior):
    """Half the squared norm of the periodic gradient."""

    name = "smoothness"
    summary = "Squared differences of neighbours."

    def energy(self, x: Tensor) -> Tensor:
        return 0.5 * gradient(x).square().sum()

    def gradient(self, x: Tensor) -> Tensor:
        return gradient_adjoint(gradient(x))

    def proximal(self, x: Tensor, step: float) -> Tensor:
        return x - step / (1 + 8 * step) * self.gradient(x)


class Clip(Postprocessor):
    """Clip to [0, 1]."""

    name = "clip"
    summary = "Clip to what an image can hold."

    def process(
        self, image: Tensor, blurred: Tensor, kernel: Kernel | None, context: Context
    ) -> Tensor:
        return image.clamp(0, 1)


@pytest.mark.parametrize("cls", [Ridge, Spread, Smoothness, Clip], ids=lambda c: c.name)
def test_a_lawful_stage_passes(cls: type[Stage]) -> None:
    held = check_stage(cls)
    assert len(held) >= len(laws_of(cls)) - 1  # the GPU's law is skipped where there is none


# Culprits: each breaks one law, and that law says so.


class Nameless(Clip):
    name = "No Name"


class Undescribed(Clip):
    class Params(Params):
        level: float = 1.0


class Melting(Clip):
    class Params(Params):
        model_config: ClassVar[Any] = {"frozen": False}
        level: float = Field(1.0, description="Level.")


class Lax(Clip):
    class Params(Params):
        model_config: ClassVar[Any] = {"extra": "ignore"}


class Random(Clip):
    def process(self, image: Tensor, *rest: Any) -> Tensor:
        return image + 0.01 * torch.randn_like(image)


class Greedy(Clip):
    def process(self, image: Tensor, *rest: Any) -> Tensor:
        return image.mul_(0.5)


class Unstoppable(Ridge):
    def deconvolve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Any = None
    ) -> Any:
        return super().deconvolve(blurred, kernel, Context(), mask)


class Blind(Ridge):
    def deconvolve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Any = None
    ) -> Any:
        return super().deconvolve(blurred, kernel, context)


class Doubled(Ridge):
    def deconvolve(self, *given: Any) -> Any:
        return super().deconvolve(*given).double()


class Exploding(Ridge):
    def deconvolve(self, *given: Any) -> Any:
        return super().deconvolve(*given) / 0


class Lazy(Ridge):
    def deconvolve(self, blurred: Tensor, *rest: Any) -> Any:
        return blurred.clone()


class OffByOne(Ridge):
    def deconvolve(self, blurred: Tensor, kernel: Kernel, *rest: Any) -> Any:
        shift = tuple(1 - n % 2 for n in kernel.shape)
        result = super().deconvolve(blurred, kernel, *rest)
        return torch.roll(result, shift, tuple(range(-kernel.ndim, 0)))


class Correlating(Ridge):
    def deconvolve(self, blurred: Tensor, kernel: Kernel, *rest: Any) -> Any:
        return super().deconvolve(blurred, kernel.flipped(), *rest)


class Mixing(Ridge):
    """Let a tenth of every channel be the mean of all."""

    def deconvolve(self, *given: Any) -> Any:
        result = super().deconvolve(*given)
        return 0.9 * result + 0.1 * result.mean(0, keepdim=True)


class Cramped(Ridge):
    def deconvolve(self, blurred: Tensor, *rest: Any) -> Tensor:
        torch.nn.functional.pad(blurred, (2, 2, 2, 2), mode="circular")
        return super().deconvolve(blurred, *rest)


class Nearsighted(Ridge):
    def halo(self, kernel: Kernel) -> tuple[int, ...]:
        return (0, 0)


class Normalising(Clip):
    def process(self, image: Tensor, *rest: Any) -> Tensor:
        return image / image.max()


class Fickle(Ridge):
    def calibrate(self, *given: Any) -> Any:
        return Fickle(weight=10 * self.params.weight)


class Fading(Ridge):
    def deconvolve(self, *given: Any) -> Any:
        return 0.97 * super().deconvolve(*given)


class Needy(Clip):
    def process(self, image: Tensor, blurred: Tensor, kernel: Any, context: Context) -> Tensor:
        return apply_otf(image, psf_to_otf(kernel.tensor(), image.shape[1:]), 2)


class Deaf(Spread):
    def estimate(self, blurred: Tensor, context: Context, mask: Tensor | None = None) -> Estimate:
        return super().estimate(blurred, context)


class GreyOnly(Spread):
    def estimate(self, blurred: Tensor, context: Context, mask: Tensor | None = None) -> Estimate:
        return super().estimate(blurred.reshape(1, *self.shape), context, mask)

    shape = (96, 96)


class Vector(Smoothness):
    def energy(self, x: Tensor) -> Tensor:
        return gradient(x).square().sum((-2, -1))


class WrongSlope(Smoothness):
    def gradient(self, x: Tensor) -> Tensor:
        return 2 * super().gradient(x)


class Climbing(Smoothness):
    def proximal(self, x: Tensor, step: float) -> Tensor:
        return x + step / (1 + 8 * step) * self.gradient(x)


class Dazzled(Smoothness):
    def blur_score(self, x: Tensor) -> float:
        return float(x.mean())


CULPRITS = [
    (Nameless, "describes-itself"),
    (Undescribed, "describes-itself"),
    (Melting, "params-round-trip"),
    (Lax, "params-round-trip"),
    (Random, "same-seed-same-result"),
    (Greedy, "leaves-its-input-alone"),
    (Unstoppable, "stops-when-cancelled"),
    (Blind, "mask-is-respected"),
    (Deaf, "mask-is-respected"),
    (Doubled, "keeps-shape-and-type"),
    (Exploding, "keeps-shape-and-type"),
    (Lazy, "nears-the-truth"),
    (Cramped, "small-images-are-deblurred-or-refused"),
    (OffByOne, "nears-the-truth"),
    (Correlating, "nears-the-truth"),
    (Mixing, "channels-are-independent"),
    (Nearsighted, "tile-equals-whole"),
    (Normalising, "tile-equals-whole"),
    (Fickle, "calibration-changes-nothing"),
    (Fading, "keeps-the-flux-of-a-bead"),
    (Needy, "works-without-a-kernel"),
    (GreyOnly, "takes-grey-and-colour"),
    (Vector, "energy-is-a-number"),
    (WrongSlope, "gradient-is-the-slope-of-the-energy"),
    (Climbing, "proximal-lowers-its-objective"),
    (Dazzled, "blur-score-ignores-contrast"),
]


@pytest.mark.parametrize(("culprit", "name"), CULPRITS, ids=[c.__name__ for c, _ in CULPRITS])
def test_a_law_catches_its_culprit(culprit: type[Stage], name: str) -> None:
    law = next(law for law in laws_of(culprit) if law.name == name)
    with pytest.raises((LawBroken, RuntimeError, AttributeError)):
        law.check(Case(culprit))


def test_a_kernel_that_does_not_sum_to_one_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Kernel, "__post_init__", lambda self: None)

    class Heavy(Spread):
        def estimate(self, *given: Any) -> Estimate:
            return Estimate.of(Kernel(np.full((3, 3), 0.5, np.float32)))

    law = next(law for law in LAWS if law.name == "kernel-sums-to-one")
    with pytest.raises(LawBroken, match="sum 4.5"):
        law.check(Case(Heavy))


def test_every_law_has_a_culprit_and_a_statement() -> None:
    caught = {name for _, name in CULPRITS} | {"kernel-sums-to-one"}
    unproven = {law.name for law in LAWS} - caught
    assert unproven == {"keeps-its-promise-on-the-gpu"}
    assert all(law.statement.endswith(".") for law in LAWS)


def test_check_stage_skips_what_is_exempt_and_names_what_breaks() -> None:
    with pytest.raises(LawBroken, match="deconvolve 'ridge' mixes channels"):
        check_stage(Mixing)
    held = check_stage(Mixing, exempt={"channels-are-independent": "It denoises them jointly."})
    assert "channels-are-independent" not in held
    assert "tile-equals-whole" in held


class Flat(Ridge):
    dimensions = frozenset({2})


def test_skipping_is_pytest_skipping() -> None:
    with pytest.raises(SkipTest):
        next(law for law in LAWS if "bead" in law.name).check(
            Case(type("Flat", (Ridge,), {"dimensions": frozenset({2})}))
        )
