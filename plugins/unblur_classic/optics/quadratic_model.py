"""Quadratic model of a deviance about a point, from its values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class QuadraticModel:
    """A deviance as a quadratic polynomial of p parameters, after several numbers of steps.

    Attributes
    ----------
    centre : (p)
        Point about which it is.
    gradients : (K, B, p)
        Gradient there after K numbers of steps, in B blocks of the data.
    hessians : (K, p, p)
        Second derivatives of the sum of the blocks.
    """

    centre: Array
    gradients: Array
    hessians: Array

    @classmethod
    def of(
        cls,
        deviance: Callable[[Array], Array],
        centre: Array,
        active: Sequence[int],
        steps: Array,
    ) -> QuadraticModel:
        """Return the model by central differences.

        Parameters
        ----------
        deviance : callable
            Returns (K, B) at a point of all parameters.
        centre : (P)
            The point.
        active : sequence of int, p
            Parameters of the model; the others stay.
        steps : (p)
            Differences of the active parameters.

        Example
        -------
        >>> def deviance(x):
        ...     return np.array([[(x[0] - 1) ** 2 + (x[1] + x[0]) ** 2]])
        >>> QuadraticModel.of(deviance, np.zeros(2), [0, 1], np.full(2, 0.1)).minima.round(6)
        array([[ 1., -1.]])
        """
        count = len(active)

        def at(*offsets: tuple[int, float]) -> Array:
            point = centre.copy()
            for which, sign in offsets:
                point[active[which]] += sign * steps[which]
            return deviance(point)

        middle = at()
        above = [at((n, 1)) for n in range(count)]
        below = [at((n, -1)) for n in range(count)]
        pairs = zip(above, below, steps, strict=True)
        gradients = np.stack([(a - b) / (2 * h) for a, b, h in pairs], -1)
        hessians = np.zeros((len(middle), count, count))
        for n in range(count):
            hessians[:, n, n] = (above[n] - 2 * middle + below[n]).sum(-1) / steps[n] ** 2
        for n, m in combinations(range(count), 2):
            mixed = at((n, 1), (m, 1)) + at((n, -1), (m, -1)) + 2 * middle
            mixed = mixed - above[n] - below[n] - above[m] - below[m]
            hessians[:, n, m] = mixed.sum(-1) / (2 * steps[n] * steps[m])
            hessians[:, m, n] = hessians[:, n, m]
        return cls(centre[list(active)], gradients, hessians)

    @property
    def has_minimum(self) -> bool:
        """Whether the polynomial has a minimum after each number of steps."""
        scale = np.sqrt(np.abs(np.diagonal(self.hessians, axis1=1, axis2=2)))
        if not (np.isfinite(scale).all() and (scale > 0).all()):
            return False
        relative = self.hessians / (scale[:, :, None] * scale[:, None, :])
        return bool((np.linalg.eigvalsh(relative) > 1e-9).all())

    @property
    def minima(self) -> Array:
        """The minima, (K, p)."""
        steepness = self.gradients.sum(1)[..., None]
        return np.asarray(self.centre - np.linalg.solve(self.hessians, steepness)[..., 0])

    @property
    def covariance(self) -> Array:
        """Covariance of the last minimum by the spread of the blocks' gradients, (p, p)."""
        inverse = np.linalg.inv(self.hessians[-1])
        gradients = self.gradients[-1] - self.gradients[-1].mean(0)
        count = len(gradients)
        return np.asarray(inverse @ (gradients.T @ gradients) @ inverse * count / (count - 1))


def find_vertex(middle: float, step: float, values: Sequence[float]) -> float:
    """Return the vertex of the parabola through three evenly spaced values, the least between."""
    below, least, above = values
    curvature = above - 2 * least + below
    return middle if curvature <= 0 else middle + step * (below - above) / (2 * curvature)
