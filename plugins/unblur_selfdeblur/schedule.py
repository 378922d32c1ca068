"""The losses of an optimisation, their iterations, and the learning rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

DataTerm = Literal["mse", "ssim"]

HALVINGS = (0.4, 0.6, 0.8)
"""Fractions of the iterations after which the learning rates are halved: 2000, 3000 and 4000 of
5000 (Ren Sec. 4)."""
FIXED_KERNEL_SHARE = 1 / 3
"""Fraction of the iterations in which an initial kernel stays as it is, dimensionless."""
IMAGE_RATE, KERNEL_RATE = 1e-2, 1e-4
"""Initial learning rates of Adam for the image network and the kernel network."""


@dataclass(frozen=True)
class LossPhase:
    """Iterations that minimise one loss.

    Attributes
    ----------
    iterations : int
        Number of iterations.
    data_term : "mse" or "ssim"
        Mean squared residual, or 1 - SSIM.
    tv_weight : float
        Weight of the image's total variation per pixel.
    kernel_l2_weight : float
        Weight of the mean square of the kernel.
    updates_kernel : bool
        Whether the kernel network is updated too, or the image network alone.
    """

    iterations: int
    data_term: DataTerm
    tv_weight: float = 0.0
    kernel_l2_weight: float = 0.0
    updates_kernel: bool = True


def fix_kernel_first(phase: LossPhase) -> list[LossPhase]:
    """Return a phase in two parts: first the kernel stays as it is, then both networks change.

    Until the image network generates an image, the derivative of the loss leads the kernel away
    from its initial value.
    """
    fixed = round(FIXED_KERNEL_SHARE * phase.iterations)
    return [
        replace(phase, iterations=fixed, updates_kernel=False),
        replace(phase, iterations=phase.iterations - fixed),
    ]


@dataclass(frozen=True)
class Schedule:
    """The phases of an optimisation, one after the other.

    Attributes
    ----------
    phases : sequence of LossPhase
        At least one.
    alternating : bool
        Update the kernel first and then the image (Ren Algorithm 1) instead of both at once
        (Ren Algorithm 2).
    halves_rates : bool
        Whether the learning rates are halved at `HALVINGS`.
    stops_early : bool
        Whether to stop once the loss of the last phase is on a plateau.
    """

    phases: Sequence[LossPhase]
    alternating: bool = False
    halves_rates: bool = True
    stops_early: bool = False

    @property
    def iterations(self) -> int:
        """Number of iterations of all phases."""
        return sum(phase.iterations for phase in self.phases)

    def phase_at(self, iteration: int) -> LossPhase:
        """Return the phase of an iteration, counted from 0."""
        for phase in self.phases:
            if iteration < phase.iterations:
                return phase
            iteration -= phase.iterations
        return self.phases[-1]

    def rate_at(self, iteration: int) -> float:
        """Return the factor of the learning rates in an iteration, at most 1."""
        if not self.halves_rates:
            return 1.0
        passed = sum(iteration >= share * self.iterations for share in HALVINGS)
        return float(0.5**passed)
