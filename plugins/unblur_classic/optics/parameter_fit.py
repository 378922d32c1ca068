"""Minimum of a deviance over several parameters, with its bias and its uncertainty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from unblur_classic.optics.line_search import (
    Deviance,
    DevianceSurface,
    SearchedParameter,
    Values,
    search_along,
)
from unblur_classic.optics.quadratic_model import Array, QuadraticModel

MAX_DEVIATIONS = 2.0
"""Largest distance of a fitted value from one that agrees with it, in standard deviations."""

DRIFT = 0.5
"""Standard deviation of the incomplete iteration, as a multiple of the difference between the
minima of half of the iterations and of all, each without its bias, dimensionless."""

BIAS_ERROR = 1.0
"""Standard deviation of the bias, as a multiple of its last correction, dimensionless."""

FINE = 0.5
"""Distance of the values about the minimum from it, as a fraction of a step, dimensionless."""

RECENTRED = 1.0
"""Distance of the minimum from the middle of the values about it beyond which they are taken
anew about the minimum, in their distances."""

MODEL_ERROR = 0.1
"""Standard deviation by light that the model does not describe, such as that of the scene above and
below the stack, as a fraction of a step, dimensionless. Simulated stacks do not have it."""

CORRECTIONS = 2
"""Number of corrections of the bias, each by data simulated at the value after the last one,
dimensionless. One leaves filaments with too small an aberration, and all of them, of simulated
scenes that are smoother than the true ones, lead beyond the true value."""

RELATIVE_ERROR = 0.25
"""Standard deviation of the bias that two corrections leave, as a fraction of the change from the
initial value, dimensionless: that of curved filaments and of shells
(`benchmarks/fitted_optics.py`)."""

NOISE_GAIN = 1.9
"""Standard deviation by noise after two corrections, in that before, dimensionless: with a slope of
0.7 of the minimum of simulated data against their value, `(3 - 3 0.7 + 0.7^2)^2` of the variance is
that of the data and `(2 - 0.7)^2` that of the simulated ones, whose noise is as large."""

WIDENED = 1.6
"""Growth of the distance of values among which there is no minimum, dimensionless."""

MAX_RECENTRED = 4
"""Largest number of times that this is done, dimensionless."""


@dataclass(frozen=True)
class FittedParameter:
    """A parameter at the minimum of a deviance.

    Attributes
    ----------
    value : float
        The minimum without its bias.
    standard_deviation : float
        Of the value; infinite where the deviance has no minimum between the bounds.
    limit : float
        Largest standard deviation of a value that counts as determined.
    is_used : bool
        Whether it replaces the initial value.
    """

    value: float
    standard_deviation: float
    limit: float
    is_used: bool = False

    @property
    def is_determined(self) -> bool:
        """Whether the data determine the parameter."""
        return self.standard_deviation <= self.limit

    def differs_from(self, value: float) -> bool:
        """Whether it is more than `MAX_DEVIATIONS` standard deviations from a value."""
        return abs(self.value - value) > MAX_DEVIATIONS * self.standard_deviation


def fit_parameters(
    deviance: Deviance,
    simulated: Callable[[Values], Deviance],
    searched: Sequence[SearchedParameter],
) -> list[FittedParameter]:
    """Return the parameters at the minimum of a deviance, each with its deviation.

    They are added one after the other, in their order, and all that were added are fitted
    together. The first is used where it is determined; a further one where all are, and where it
    differs from its initial value by more than `MAX_DEVIATIONS`. Otherwise it is left at its
    initial value, and those before it keep theirs.

    Parameters
    ----------
    deviance : callable
        Returns (2, B) for values of all parameters: after half of the iterations and after all, in
        B blocks of the data whose noise is independent.
    simulated : callable
        Returns the deviance of data that were simulated with given values.
    searched : sequence of SearchedParameter
        Parameters.

    Returns
    -------
    list of FittedParameter
        For each parameter; the fit in which it was added last.

    Notes
    -----
    An iteration that is not complete has its minimum at another value than the true one. The same
    fit to data simulated at the minimum gives this bias, which is subtracted (a parametric
    bootstrap [2]_), and once more at the value that results.

    The variance is a sum of five. That of the noise and of structure that the model does not
    describe is `H^-1 sum_b g_b g_b' H^-1` with the gradients `g_b` of the blocks at the minimum and
    the Hessian `H` of the sum [1]_: it needs no scale of the deviance, so no gain of a camera;
    times the square of `NOISE_GAIN`.
    The others are the squares of `MODEL_ERROR` times a step, of `BIAS_ERROR` times the last
    correction of the bias, of `DRIFT` times the difference between the values after half of the
    iterations and after all, and of `RELATIVE_ERROR` times the change from the initial value.

    References
    ----------
    .. [1] H. White, "Maximum likelihood estimation of misspecified models", Econometrica 50, 1982.
    .. [2] B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 10.

    Example
    -------
    >>> import torch
    >>> blocks = torch.tensor([0.28, 0.3, 0.32], dtype=torch.float64)
    >>> def deviance(values):  # its minimum is at half of the true value
    ...     return ((values[0] - blocks / 2) ** 2).expand(2, -1)
    >>> def simulated(true):
    ...     return lambda values: ((values[0] - 0 * blocks - true[0] / 2) ** 2).expand(2, -1)
    >>> parameter = SearchedParameter("x", 0.0, 0.1, (-1.0, 1.0), 0.2)
    >>> fitted = fit_parameters(deviance, simulated, [parameter])[0]
    >>> round(fitted.value, 2), round(fitted.standard_deviation, 2), fitted.is_determined
    (0.26, 0.08, True)
    """
    start = tuple(parameter.start for parameter in searched)
    surface = DevianceSurface(deviance, start)
    found: list[FittedParameter] = []
    active: list[int] = []
    centre = np.array(start)
    for number, parameter in enumerate(searched):
        tried = [*active, number]
        better = search_along(surface, centre, number, parameter)
        if better is None:
            found.append(FittedParameter(centre[number], np.inf, parameter.limit))
            continue
        parameters = [searched[n] for n in tried]
        fitted = _fit_together(surface, simulated, better, tried, parameters)
        found.append(fitted[-1])
        is_needed = number == 0 or fitted[-1].differs_from(parameter.start)
        if is_needed and all(one.is_determined for one in fitted):
            for n, one in zip(tried, fitted, strict=True):
                found[n] = replace(one, is_used=True)
            active, centre = tried, better.copy()
            centre[tried] = [one.value for one in fitted]
    return found


def _fit_together(
    surface: Callable[[Array], Array],
    simulated: Callable[[Values], Deviance],
    centre: Array,
    active: list[int],
    parameters: Sequence[SearchedParameter],
) -> list[FittedParameter]:
    """Return the active parameters at the minimum near `centre`."""
    steps = np.array([FINE * parameter.step for parameter in parameters])
    low, high = np.array([parameter.bounds for parameter in parameters]).T
    limits = [parameter.limit for parameter in parameters]
    unknown = [FittedParameter(v, np.inf, c) for v, c in zip(centre[active], limits, strict=True)]
    for _ in range(MAX_RECENTRED):
        at = centre[active]
        if (at - steps < low).any() or (at + steps > high).any():
            return unknown
        model = QuadraticModel.of(surface, centre, active, steps)
        minima = model.minima if model.has_minimum else None
        if minima is None:  # beside the minimum, or about one that is sharper than the steps
            moved = -np.sign(model.gradients[-1].sum(0))
        else:
            moved = (minima[-1] - at) / steps
            if np.abs(moved).max() <= RECENTRED:
                break
        centre = centre.copy()
        centre[active] = np.clip(at + np.clip(moved, -3, 3) * steps, low + steps, high - steps)
        steps = steps if model.has_minimum else WIDENED * steps
    else:
        return unknown
    assert minima is not None
    unbiased = _remove_bias(simulated, centre, active, steps, minima)
    if unbiased is None:
        return unknown
    values, error = unbiased
    start = np.array([parameter.start for parameter in parameters])
    change = np.abs(values[-1] - start)
    terms = (
        NOISE_GAIN * np.sqrt(np.diag(model.covariance)),
        MODEL_ERROR * np.array([parameter.step for parameter in parameters]),
        BIAS_ERROR * error,
        DRIFT * (values[-1] - values[0]),
        RELATIVE_ERROR * change,
    )
    deviations = np.linalg.norm(terms, axis=0)
    limits = np.maximum(limits, change / MAX_DEVIATIONS).tolist()
    return [
        FittedParameter(float(np.clip(v, a, b)), float(s), c)
        for v, s, c, a, b in zip(values[-1], deviations, limits, low, high, strict=True)
    ]


def _remove_bias(
    simulated: Callable[[Values], Deviance],
    centre: Array,
    active: list[int],
    steps: Array,
    minima: Array,
) -> tuple[Array, Array] | None:
    """Return the values of which simulated data have the minima (K, p), and their last change (p).

    They are those after `CORRECTIONS` corrections by the bias.
    """
    values = [minima]
    for _ in range(CORRECTIONS):
        point = centre.copy()
        point[active] = values[-1][-1]
        surface = DevianceSurface(simulated(tuple(point.tolist())), tuple(point.tolist()))
        near = point.copy()
        near[active] = minima[-1]
        model = QuadraticModel.of(surface, near, active, steps)
        if not model.has_minimum:
            return None
        values.append(values[-1][-1] + minima - model.minima)
    return values[-1], values[-1][-1] - values[-2][-1]
