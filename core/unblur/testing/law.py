"""Laws of stages, and the cases on which they are checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

import torch
from torch import Tensor

from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.model.stages import Deconvolver, KernelEstimator, Kind, Postprocessor, Stage
from unblur.testing.scenes import SyntheticScene, synthetic_scene

NOISE = 0.005
"""Noise level stated in the context of every case, standard deviation for white = 1.

Stages then do not estimate it from a tile.
"""

CONTRAST = 0.2
"""Contrast stated in the context of every case for the same reason, dimensionless."""


class LawBroken(AssertionError):
    """Error raised if a stage breaks a law; the message names the stage and the violation."""


@dataclass(frozen=True, eq=False)
class Case:
    """A stage with params, and the synthetic scene on which its laws are checked.

    Parameters
    ----------
    cls : type of Stage
        The stage class.
    params : mapping
        Params that reduce the run time for the test; the others have their defaults.
    scene : SyntheticScene
        Image, kernel and blurred image to run the stage on.
    device : str
        Torch device.
    """

    cls: type[Stage]
    params: Mapping[str, Any] = field(default_factory=dict)
    scene: SyntheticScene = field(default_factory=lambda: synthetic_scene(noise=NOISE))
    device: str = "cpu"

    @property
    def name(self) -> str:
        """Kind and name of the stage, for messages."""
        return f"{self.cls.kind} '{self.cls.name}'"

    @property
    def context(self) -> Context:
        """The context in which the stage runs unless a law changes it."""
        return Context(device=self.device, seed=1, noise=NOISE, contrast=CONTRAST)

    def stage(self) -> Stage:
        """Return a fresh stage."""
        return self.cls(dict(self.params))

    def run(
        self,
        blurred: Tensor | None = None,
        kernel: Kernel | None = None,
        context: Context | None = None,
        mask: Tensor | None = None,
        stage: Stage | None = None,
    ) -> Tensor:
        """Run the stage, or `stage`; return its image, or the kernel of an estimator.

        Missing arguments are taken from the scene. A postprocessor gets the blurred image as its
        image, and no mask.
        """
        context = self.context if context is None else context
        kernel = self.scene.kernel if kernel is None else kernel
        blurred = (self.scene.blurred if blurred is None else blurred).to(context.device)
        mask = None if mask is None else mask.to(context.device)
        stage = self.stage() if stage is None else stage
        if isinstance(stage, KernelEstimator):
            found = stage.estimate(blurred, context, mask)
            return cast(Tensor, found.kernel.tensor())
        if isinstance(stage, Deconvolver):
            return stage.deconvolve(blurred, kernel, context, mask).cpu()
        if isinstance(stage, Postprocessor):
            return stage.process(blurred, blurred, kernel, context).cpu()
        raise TypeError(f"{self.name} cannot be run on an image")

    def calibrate(self, blurred: Tensor, kernel: Kernel) -> Stage:
        """Return the stage calibrated on `blurred`."""
        stage, blurred = self.stage(), blurred.to(self.device)
        if isinstance(stage, Deconvolver):
            return stage.calibrate(blurred, kernel, self.context)
        if isinstance(stage, Postprocessor):
            return stage.calibrate(blurred, blurred, kernel, self.context)
        raise TypeError(f"{self.name} has no `calibrate`")

    def broken(self, what: str) -> NoReturn:
        """Raise `LawBroken` for this stage."""
        raise LawBroken(f"{self.name} {what}")

    def check_close(self, a: Tensor, b: Tensor, tolerance: float, what: str) -> None:
        """Raise `LawBroken` unless `a` and `b` differ by at most `tolerance` everywhere."""
        if a.shape != b.shape:
            self.broken(f"{what}: shapes {tuple(a.shape)} and {tuple(b.shape)}.")
        difference = float((a - b).abs().max())
        if not difference <= tolerance:
            self.broken(f"{what}: they differ by {difference:.3g}, allowed is {tolerance:.3g}.")


@dataclass(frozen=True)
class Law:
    """A property that holds for every stage of some kinds.

    Attributes
    ----------
    check : callable
        Function of a `Case` that raises `LawBroken`, or `unittest.SkipTest` if the law cannot
        be checked on this machine. Its docstring states the law.
    kinds : tuple of str
        Kinds of stages to which the law applies.
    """

    check: Callable[[Case], None]
    kinds: tuple[Kind, ...]

    @property
    def name(self) -> str:
        """The law's name, e.g. "tile-equals-whole"."""
        return self.check.__name__.replace("_", "-")

    @property
    def statement(self) -> str:
        """The law in one sentence."""
        return (self.check.__doc__ or "").strip().partition("\n")[0]


def with_masked_pixels(blurred: Tensor, value: float) -> tuple[Tensor, Tensor]:
    """Return a copy with some pixels set to `value`, and the mask that is 0 at them."""
    mask = torch.ones(blurred.shape[1:])
    middle = tuple(slice(n // 2, n // 2 + 3) for n in mask.shape)
    mask[middle] = 0
    mask[tuple(slice(5, None, 17) for _ in mask.shape)] = 0
    return torch.where(mask > 0, blurred, torch.full_like(blurred, value)), mask
