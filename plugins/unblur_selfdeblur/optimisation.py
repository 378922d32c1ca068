"""Blind deconvolution as the optimisation of two networks (Algorithms 1 and 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from unblur.accel.malloc import retained_memory
from unblur_selfdeblur.divergence import Plateau, check_alive
from unblur_selfdeblur.losses import Similarity, energy, seen, total_variation
from unblur_selfdeblur.networks.generators import Generators
from unblur_selfdeblur.schedule import IMAGE_RATE, KERNEL_RATE, Phase, Plan

CHECK = 25
"""Iterations between looks at the loss, each of which waits for the device."""


@dataclass
class Data:
    """What was observed.

    Attributes
    ----------
    blurred : (C, H, W)
        White = 1, within [0, 1], finite.
    trusted : (H, W) bool, optional
        Where the values may be trusted; elsewhere whatever the model predicts is right.
    """

    blurred: Tensor
    trusted: Tensor | None = None

    def __post_init__(self) -> None:
        self._similarity = Similarity(self.blurred)

    def misfit(self, model: Tensor, phase: Phase) -> Tensor:
        """Return the data term of what the model predicts, (C, H, W), a scalar."""
        if self.trusted is not None:
            model = torch.where(self.trusted, model, self.blurred)
        if phase.data_term == "squares":
            return (model - self.blurred).square().mean()
        return 1 - self._similarity(model)


@dataclass(frozen=True)
class Optimum:
    """What an optimisation arrived at.

    Attributes
    ----------
    scene : (C, H + n - 1, W + n - 1)
        The generated image.
    kernel : (n, n)
        The generated kernel.
    iterations : int
        How many were run.
    """

    scene: Tensor
    kernel: Tensor
    iterations: int


def optimise(
    generators: Generators,
    data: Data,
    plan: Plan,
    on_step: Callable[[Tensor | None], None],
) -> Optimum:
    """Minimise the plan's sums over the parameters of both networks.

    Parameters
    ----------
    generators : Generators
        Changed in place.
    data : Data
        On the networks' device.
    plan : Plan
        What is minimised and how often.
    on_step : callable
        Called after every iteration with the scene where it was looked at, else with None.

    Raises
    ------
    Dead
        If the loss is no number or the image has turned flat.
    """
    steps = _Steps.of(generators, plan)
    plateau = Plateau(plan.phases[-1].data_term)
    iteration = 0
    with deterministic(), retained_memory():
        for iteration in range(1, plan.iterations + 1):
            phase = plan.phase_at(iteration - 1)
            loss = steps.take(data, phase, plan.rate_at(iteration - 1))
            looked = iteration % CHECK == 0
            on_step(steps.scene if looked else None)
            if looked:
                value = float(loss)
                check_alive(value, steps.scene, data.blurred, iteration)
                ending = phase is plan.phases[-1] and plan.stops_early
                if ending and plateau.is_reached(value):
                    break
        with torch.no_grad():
            scene, kernel = generators.scene(), generators.kernel()
    check_alive(float(scene.sum()), scene, data.blurred, iteration)
    return Optimum(scene, kernel, iteration)


@dataclass
class _Steps:
    """The optimiser, and the scene that its latest step saw."""

    generators: Generators
    adam: torch.optim.Adam
    alternating: bool
    scene: Tensor

    @classmethod
    def of(cls, generators: Generators, plan: Plan) -> _Steps:
        groups = [
            {"params": generators.image_net.parameters(), "lr": IMAGE_RATE},
            {"params": generators.kernel_net.parameters(), "lr": KERNEL_RATE},
        ]
        adam = torch.optim.Adam(groups, fused=True)
        return cls(generators, adam, plan.alternating, generators.image_noise[0])

    def take(self, data: Data, phase: Phase, rate: float) -> Tensor:
        """Take one step and return the loss before it."""
        image, kernel = self.adam.param_groups
        image["lr"], kernel["lr"] = IMAGE_RATE * rate, KERNEL_RATE * rate
        if not self.alternating:
            return self._descend(self.generators.scene(), self.generators.kernel(), data, phase)
        with torch.no_grad():
            scene = self.generators.scene()
        self._descend(scene, self.generators.kernel(), data, phase)
        scene, found = self.generators.scene(), self.generators.kernel().detach()
        return self._descend(scene, found, data, phase)

    def _descend(self, scene: Tensor, kernel: Tensor, data: Data, phase: Phase) -> Tensor:
        loss = data.misfit(seen(scene, kernel), phase)
        if phase.smoothness:
            loss = loss + phase.smoothness * total_variation(scene)
        if phase.spread:
            loss = loss + phase.spread * energy(kernel)
        loss.backward()  # type: ignore[no-untyped-call]
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        self.scene = scene.detach()
        return loss.detach()


@contextmanager
def deterministic() -> Iterator[None]:
    """Have a GPU choose only such convolutions as give the same bits on every run."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        yield
