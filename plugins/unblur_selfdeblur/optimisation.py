"""Blind deconvolution as the optimisation of two networks (Ren Algorithm 1, Ren Algorithm 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from unblur.accel.malloc import no_malloc_trim
from unblur_selfdeblur.adam import FusedAdam
from unblur_selfdeblur.divergence import Plateau, raise_if_diverged
from unblur_selfdeblur.loss_terms import FixedTargetSSIM, blur_valid, mean_square, total_variation
from unblur_selfdeblur.networks.generators import Generators
from unblur_selfdeblur.schedule import IMAGE_RATE, KERNEL_RATE, LossPhase, Schedule

LOSS_CHECK_INTERVAL = 25
"""Number of iterations between two checks of the loss, each of which waits for the device."""


@dataclass
class Observation:
    """The blurred image and which of its pixels are valid.

    Attributes
    ----------
    blurred : (C, H, W)
        Blurred image y, white = 1, within [0, 1], finite.
    valid : (H, W) bool, optional
        True where a pixel is valid; the others do not count in the data term.
    """

    blurred: Tensor
    valid: Tensor | None = None

    def __post_init__(self) -> None:
        self._ssim = FixedTargetSSIM(self.blurred)

    def data_loss(self, prediction: Tensor, phase: LossPhase) -> Tensor:
        """Return the data term of a phase, as the squared one of (Ren Eq. 6), a scalar.

        Parameters
        ----------
        prediction : (C, H, W)
            The generated image blurred by the generated kernel.
        phase : LossPhase
            States which data term it is.
        """
        if self.valid is not None:
            prediction = torch.where(self.valid, prediction, self.blurred)
        if phase.data_term == "mse":
            return (prediction - self.blurred).square().mean()
        return 1 - self._ssim(prediction)


@dataclass(frozen=True)
class DipResult:
    """Result of one optimisation (DIP: deep image prior).

    Attributes
    ----------
    scene : (C, H + n - 1, W + n - 1)
        Generated image.
    kernel : (n, n)
        Generated kernel.
    iterations : int
        Number of iterations.
    """

    scene: Tensor
    kernel: Tensor
    iterations: int


def optimise(
    generators: Generators,
    data: Observation,
    schedule: Schedule,
    on_step: Callable[[Tensor | None], None],
) -> DipResult:
    """Minimise the losses of a schedule over the weights of both networks.

    Parameters
    ----------
    generators : Generators
        Networks; their weights are changed in place.
    data : Observation
        Data on the networks' device.
    schedule : Schedule
        Losses and their numbers of iterations.
    on_step : callable
        Called after every iteration, with the scene after those in which the loss is checked and
        with None after the others.

    Raises
    ------
    Diverged
        If the loss is not finite or the image has become flat.
    """
    optimiser = _Optimiser.of(generators, schedule)
    plateau = Plateau(schedule.phases[-1].data_term)
    iteration = 0
    with deterministic(), no_malloc_trim():
        for iteration in range(1, schedule.iterations + 1):
            phase = schedule.phase_at(iteration - 1)
            loss = optimiser.step(data, phase, schedule.rate_at(iteration - 1))
            checks = iteration % LOSS_CHECK_INTERVAL == 0
            on_step(optimiser.scene if checks else None)
            if checks:
                value = float(loss)
                raise_if_diverged(value, optimiser.scene, data.blurred, iteration)
                may_stop = phase is schedule.phases[-1] and schedule.stops_early
                if may_stop and plateau.is_reached(value):
                    break
        with torch.no_grad():
            scene, kernel = generators.scene(), generators.kernel()
    raise_if_diverged(float(scene.sum()), scene, data.blurred, iteration)
    return DipResult(scene, kernel, iteration)


@dataclass
class _Optimiser:
    """Adam over both networks, and the scene that its latest step started from."""

    generators: Generators
    image_adam: FusedAdam
    kernel_adam: FusedAdam
    alternating: bool
    scene: Tensor

    @classmethod
    def of(cls, generators: Generators, schedule: Schedule) -> _Optimiser:
        nets = generators.image_net, generators.kernel_net
        image, kernel = (FusedAdam(net.parameters()) for net in nets)
        return cls(generators, image, kernel, schedule.alternating, generators.image_noise[0])

    def step(self, data: Observation, phase: LossPhase, rate: float) -> Tensor:
        """Take one step at `rate` times the initial learning rates; return the loss before it."""
        if not phase.updates_kernel:
            with torch.no_grad():
                fixed = self.generators.kernel()
            return self._update(self.generators.scene(), fixed, data, phase, rate)
        if not self.alternating:
            scene, kernel = self.generators.scene(), self.generators.kernel()
            return self._update(scene, kernel, data, phase, rate)
        with torch.no_grad():
            scene = self.generators.scene()
        self._update(scene, self.generators.kernel(), data, phase, rate)
        scene, fixed = self.generators.scene(), self.generators.kernel().detach()
        return self._update(scene, fixed, data, phase, rate)

    def _update(
        self, scene: Tensor, kernel: Tensor, data: Observation, phase: LossPhase, rate: float
    ) -> Tensor:
        loss = data.data_loss(blur_valid(scene, kernel), phase)
        if phase.tv_weight:
            loss = loss + phase.tv_weight * total_variation(scene)
        if phase.kernel_l2_weight:
            loss = loss + phase.kernel_l2_weight * mean_square(kernel)
        loss.backward()  # type: ignore[no-untyped-call]
        self.image_adam.step(IMAGE_RATE * rate)
        self.kernel_adam.step(KERNEL_RATE * rate)
        self.scene = scene.detach()
        return loss.detach()


@contextmanager
def deterministic() -> Iterator[None]:
    """Allow only convolution algorithms of cuDNN that give the same bits on every run."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        yield
