"""Minimum of a deviance over one parameter, with its uncertainty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]

REACH = 2
"""Number of steps to each side of the initial value that are tried at first, dimensionless."""

DRIFT = 3.0
"""Standard deviation of the incomplete iteration, as a multiple of the change of the minimum from
the early deviance to the last one, dimensionless. On synthetic stacks of filaments and texture the
minimum changed by 0.02 and was 0.05 from the truth (`benchmarks/fitted_optics.py`)."""

FINE = 0.5
"""Distance of the values about the minimum from it, as a fraction of a step, dimensionless."""


@dataclass(frozen=True)
class FittedParameter:
    """A parameter at the minimum of a deviance.

    Attributes
    ----------
    value : float
        The minimum, extrapolated to a complete iteration.
    standard_deviation : float
        Of the value; infinite where the deviance has no minimum between the bounds.
    limit : float
        Largest standard deviation of a value that counts as determined.
    """

    value: float
    standard_deviation: float
    limit: float

    @property
    def is_determined(self) -> bool:
        """Whether the data determine the parameter."""
        return self.standard_deviation <= self.limit


def fit_parameter(
    deviance: Callable[[float], Tensor],
    start: float,
    step: float,
    bounds: tuple[float, float],
    limit: float,
) -> FittedParameter:
    """Return the minimum of a deviance, searched from an initial value.

    Parameters
    ----------
    deviance : callable
        Returns (2, B) for a value: after half of an iteration's steps and at its end, in B
        blocks of the data whose noise is independent.
    start, step : float
        Initial value, and distance of the values that are tried.
    bounds : (float, float)
        Range of the values.
    limit : float
        Largest standard deviation of a value that counts as determined.

    Notes
    -----
    The value is the minimum after all steps, plus its change since half of them: the minimum
    approaches the truth as the reciprocal of the number of steps (Richardson extrapolation).

    The variance is the sum of two. That of the noise and of structure that the model does not
    describe is `sum_b g_b^2 / D''^2` with the derivatives `g_b` of the blocks at the minimum and
    the curvature `D''` of the sum [1]_: it needs no scale of the deviance, so no gain of a camera.
    That of the incomplete iteration is the square of `DRIFT` times the difference between the
    minima after half of the steps and after all.

    References
    ----------
    .. [1] H. White, "Maximum likelihood estimation of misspecified models", Econometrica 50, 1982.

    Example
    -------
    >>> import torch
    >>> blocks = torch.tensor([0.28, 0.3, 0.32], dtype=torch.float64)
    >>> fitted = fit_parameter(
    ...     lambda v: ((v - blocks) ** 2).expand(2, -1), 0.0, 0.1, (-1.0, 1.0), 0.05
    ... )
    >>> round(fitted.value, 3), round(fitted.standard_deviation, 3), fitted.is_determined
    (0.3, 0.012, True)
    """
    found: dict[float, Array] = {}

    def total(value: float) -> float:
        key = round(value, 9)
        if key not in found:
            found[key] = deviance(value).cpu().double().numpy()
        return float(found[key][1].sum())

    low, high = bounds
    grid = [start + step * n for n in range(-REACH, REACH + 1) if low <= start + step * n <= high]
    for value in grid:
        total(value)
    while True:
        tried = sorted(found)
        best = min(tried, key=total)
        beyond = best + (step if best == tried[-1] else -step if best == tried[0] else 0.0)
        if beyond == best:
            break
        if not low <= beyond <= high:
            return FittedParameter(best, np.inf, limit)
        total(beyond)
    centre = _vertex(np.array(tried), np.array([total(v) for v in tried]))
    h = FINE * step
    fine = [centre - h, centre, centre + h]
    if fine[0] < low or fine[-1] > high:
        return FittedParameter(centre, np.inf, limit)
    for value in fine:
        total(value)
    below, middle, above = np.array([found[round(v, 9)] for v in fine])
    derivatives = ((above - below) / (2 * h))[1]
    steepness = (above - below).sum(1) / (2 * h)
    early, curvature = (above - 2 * middle + below).sum(1) / h**2
    if min(early, curvature) <= 0:
        return FittedParameter(centre, np.inf, limit)
    value = centre - steepness[1] / curvature
    count = len(derivatives)
    variance = (
        count / (count - 1) * np.square(derivatives - derivatives.mean()).sum() / curvature**2
    )
    drift = value - centre + steepness[0] / early
    spread = float(np.hypot(variance**0.5, DRIFT * drift))
    return FittedParameter(float(np.clip(value + drift, low, high)), spread, limit)


def _vertex(at: Array, values: Array) -> float:
    """Return the vertex of the parabola through the smallest of evenly spaced values."""
    best = int(np.clip(np.argmin(values), 1, len(values) - 2))
    below, middle, above = values[best - 1 : best + 2]
    curvature = above - 2 * middle + below
    if curvature <= 0:
        return float(at[np.argmin(values)])
    offset = np.clip((below - above) / (2 * curvature), -1.5, 1.5)
    return float(at[best] + offset * (at[best + 1] - at[best]))
