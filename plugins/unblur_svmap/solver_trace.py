"""What a run decides by sums over its image, kept so that tiles of the image go the same way."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unblur.numerics.solvers import (
    CgCoefficients,
    Operator,
    conjugate_gradient,
    replay_conjugate_gradient,
)
from unblur_svmap.filters import mean_correlation

OnStep = Callable[[int, Tensor], None]


class Course:
    """Coefficients of the conjugate gradients and mean filters, by the name of the system.

    The optimal length of a step and the preconditioner's mean filters are sums over all pixels:
    a tile that computed its own would differ from its neighbours. A course that records takes
    them from the run; one that does not hands them to it. What was never recorded, each run
    decides for itself.

    Parameters
    ----------
    recording : bool
        Whether runs leave what they decide here.
    """

    def __init__(self, recording: bool = False) -> None:
        self._recording = recording
        self._coefficients: dict[str, CgCoefficients] = {}
        self._correlations: dict[str, Tensor] = {}

    def fixed(self) -> Course:
        """Return the course for others to follow."""
        other = Course()
        other._coefficients, other._correlations = self._coefficients, self._correlations
        return other

    def correlation(self, name: str, bank: Tensor) -> Tensor:
        """Return the mean correlation of a bank of filters; see `mean_correlation`."""
        if name in self._correlations and not self._recording:
            return self._correlations[name].to(bank)
        found = mean_correlation(bank)
        if self._recording:
            self._correlations[name] = found
        return found

    def solve(
        self,
        name: str,
        operator: Operator,
        b: Tensor,
        x: Tensor,
        *,
        iterations: int,
        precondition: Operator,
        on_step: OnStep | None = None,
    ) -> Tensor:
        """Reduce `operator(x) = b` along the recorded steps, or by steps of its own.

        A part so unlike the recorded whole that its error would grow takes its own steps.
        """
        known = self._coefficients.get(name)
        if known is not None and not self._recording:
            found = replay_conjugate_gradient(
                operator, b, x, known, precondition=precondition, on_step=on_step
            )
            if found is not None:
                return found
        coefficients: list[tuple[Tensor, Tensor]] = []
        x = conjugate_gradient(
            operator,
            b,
            x,
            iterations=iterations,
            precondition=precondition,
            on_step=on_step,
            on_coefficients=coefficients.append,
        )
        if self._recording:
            self._coefficients[name] = torch.stack([torch.stack(pair) for pair in coefficients])
        return x
