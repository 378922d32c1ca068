"""Global quantities of a solve (CG coefficients, mean filters), recorded to be reused on tiles."""

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


class SolverTrace:
    """Recorded conjugate-gradient coefficients and mean filters, by the name of the system.

    The optimal length of a step and the preconditioner's mean filters are sums over all pixels:
    values computed on single tiles would differ between neighbours. A recording trace stores
    the values of a solve; any other replays the stored ones. A system without stored values is
    solved with its own.

    Parameters
    ----------
    recording : bool
        Whether the values of a solve are stored here.
    """

    def __init__(self, recording: bool = False) -> None:
        self._recording = recording
        self._coefficients: dict[str, CgCoefficients] = {}
        self._correlations: dict[str, Tensor] = {}

    def fixed(self) -> SolverTrace:
        """Return a trace that replays what was recorded here."""
        other = SolverTrace()
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
        """Solve `operator(x) = b` with the recorded coefficients, or with its own.

        Its own are computed where the recorded ones would let the error grow.
        """
        recorded = self._coefficients.get(name)
        if recorded is not None and not self._recording:
            found = replay_conjugate_gradient(
                operator, b, x, recorded, precondition=precondition, on_step=on_step
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
