"""How long the optimisation runs, and what it minimises when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

DataTerm = Literal["squares", "similarity"]

HALVINGS = (0.4, 0.6, 0.8)
"""Shares of the iterations after which the learning rates are halved (2000, 3000, 4000 of 5000)."""
IMAGE_RATE, KERNEL_RATE = 1e-2, 1e-4
"""Learning rates of the two networks at the beginning."""


@dataclass(frozen=True)
class Phase:
    """Iterations that minimise one sum.

    Attributes
    ----------
    iterations : int
        How many.
    data_term : "squares" or "similarity"
        Mean squared residual, or 1 - SSIM.
    smoothness : float
        Weight of the image's total variation per pixel.
    spread : float
        Weight of the mean square of the kernel.
    """

    iterations: int
    data_term: DataTerm
    smoothness: float = 0.0
    spread: float = 0.0


@dataclass(frozen=True)
class Plan:
    """The phases of an optimisation, one after the other.

    Attributes
    ----------
    phases : sequence of Phase
        At least one.
    alternating : bool
        Update the kernel first and then the image (Algorithm 1) instead of both at once
        (Algorithm 2).
    halves_rates : bool
        Whether the learning rates fall along the way.
    stops_early : bool
        Whether to stop once the last phase no longer gains anything.
    """

    phases: Sequence[Phase]
    alternating: bool = False
    halves_rates: bool = True
    stops_early: bool = False

    @property
    def iterations(self) -> int:
        """Number of iterations in all."""
        return sum(phase.iterations for phase in self.phases)

    def phase_at(self, iteration: int) -> Phase:
        """Return the phase of an iteration, counted from 0."""
        for phase in self.phases:
            if iteration < phase.iterations:
                return phase
            iteration -= phase.iterations
        return self.phases[-1]

    def rate_at(self, iteration: int) -> float:
        """Return the factor of the learning rates in an iteration."""
        if not self.halves_rates:
            return 1.0
        passed = sum(iteration >= share * self.iterations for share in HALVINGS)
        return float(0.5**passed)
