"""Search for the minimum of a deviance along one parameter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from unblur_classic.optics.quadratic_model import Array, find_vertex

Values = tuple[float, ...]
Deviance = Callable[[Values], Tensor]

REACH = 2
"""Number of steps to each side of the initial value that are tried at first, dimensionless."""


@dataclass(frozen=True)
class SearchedParameter:
    """A parameter that is fitted, and where it is searched.

    Attributes
    ----------
    name : str
        Its name.
    start, step : float
        Initial value, and distance of the values that are tried.
    bounds : (float, float)
        Range of the values.
    limit : float
        Largest standard deviation of a value that counts as determined, where it is more than the
        change from the initial value over `MAX_DEVIATIONS`.
    """

    name: str
    start: float
    step: float
    bounds: tuple[float, float]
    limit: float


class DevianceSurface:
    """A deviance whose values are kept."""

    def __init__(self, deviance: Deviance, start: Values) -> None:
        self._deviance, self._found = deviance, dict[Values, Array]()
        self.start = np.array(start)

    def __call__(self, values: Array) -> Array:
        """Return the deviance (2, B) at values of all parameters."""
        key = tuple(round(float(v), 9) for v in values)
        if key not in self._found:
            self._found[key] = self._deviance(key).cpu().double().numpy()
        return self._found[key]

    def total(self, values: Array) -> float:
        """Return the sum of the blocks after all iterations."""
        return float(self(values)[1].sum())


def search_along(
    surface: DevianceSurface, centre: Array, number: int, parameter: SearchedParameter
) -> Array | None:
    """Return the minimum along one parameter, or None where it is beyond the bounds."""
    low, high = parameter.bounds
    step = parameter.step

    def total(value: float) -> float:
        return surface.total(np.where(np.arange(len(centre)) == number, value, centre))

    tried = [parameter.start + step * n for n in range(-REACH, REACH + 1)]
    tried = [value for value in tried if low <= value <= high]
    while True:
        best = min(tried, key=total)
        beyond = best + (step if best == tried[-1] else -step if best == tried[0] else 0.0)
        if beyond == best:
            break
        if not low <= beyond <= high:
            return None
        tried = sorted([*tried, beyond])
    near = tried.index(best)
    vertex = find_vertex(best, step, [total(v) for v in tried[near - 1 : near + 2]])
    made = centre.copy()
    made[number] = vertex
    return made
