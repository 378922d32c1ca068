"""Step sizes and momenta that replace many Richardson-Lucy iterations by few."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

ORDER = 1.5
"""Order nu of Brakhage's method, dimensionless. Smaller ones take fewer steps (8, 9, 10 and 11 in
place of 30 iterations for 0.5, 1, 1.5 and 2), but leave isolated stars less sharp."""
NOISE_MARGIN = 0.92
"""Progress of the steps relative to that of the iterations that they replace, dimensionless. Chosen
so that the noise is not above theirs; on other images (`benchmarks/richardson_lucy_noise.py`) it
is 0.986 times that of 30 iterations on average, and 0.998 times at most."""
FEWEST = 4
"""Smallest number of iterations that are replaced, dimensionless."""
COMBINED = 8
"""Largest number of iterations that one combined step replaces, dimensionless
(`benchmarks/richardson_lucy_volumes.py`)."""


class AcceleratedStep(NamedTuple):
    """One accelerated step.

    Attributes
    ----------
    momentum : float
        Factor of the last step's change of the logarithm of the scene; 0 for none.
    relaxation : float
        Power of the Richardson-Lucy factor; 1 is a plain iteration.
    progress : float
        Number of plain iterations that all steps up to this one are worth.
    is_combined : bool
        Whether the back projection is that of `COMBINED` iterations or fewer, see
        `back_projectors`; momentum and relaxation do not count then.
    """

    momentum: float
    relaxation: float
    progress: float
    is_combined: bool = False


PLAIN = (0.0, 1.0)
"""Momentum and relaxation of a plain iteration, dimensionless."""


def plain_steps(iterations: int, done: float = 0.0) -> list[AcceleratedStep]:
    """Return plain iterations after what `done` iterations are worth, at least one.

    Examples
    --------
    >>> [step.progress for step in plain_steps(5, 2.4)]
    [3.4, 4.4, 5.4]
    """
    count = max(int(iterations - done + 0.999), 1)
    return [AcceleratedStep(*PLAIN, done + n) for n in range(1, count + 1)]


def accelerated_steps(iterations: int) -> list[AcceleratedStep]:
    """Return the steps that replace a number of plain iterations; the last one is plain.

    Notes
    -----
    Near a scene, plain iterations multiply the error that belongs to an eigenvalue `t` of the
    blur by `(1 - t)^n`, which is `1 - n t` for small ones, in which the unresolved detail and the
    amplified noise lie. Steps with momentum `m` and relaxation `r` multiply it by a polynomial
    with `1 - c t`, where `c` follows `c + m (c - c_before) + r`. Their relaxation at the last of
    them is reduced so that `c` is `iterations`, but for `NOISE_MARGIN`. No step size depends on
    the image, so that tiles agree.

    References
    ----------
    H. Brakhage, "On ill-posed problems and the method of conjugate gradients", in Inverse and
    Ill-Posed Problems, 1987; M. Hanke, "Accelerated Landweber iterations for the solution of
    ill-posed equations", Numer. Math. 60, 1991.

    Examples
    --------
    >>> len(accelerated_steps(30)), len(accelerated_steps(100)), len(accelerated_steps(3))
    (10, 18, 3)
    """
    if iterations < FEWEST:
        return plain_steps(iterations)
    target = NOISE_MARGIN * (iterations - 1)
    steps: list[AcceleratedStep] = []
    before = now = 0.0
    for momentum, relaxation in _recurrence():
        gain = momentum * (now - before) + relaxation
        part = min((target - now) / gain, 1.0)
        before, now = now, now + part * gain
        steps.append(AcceleratedStep(part * momentum, part * relaxation, worth(now)))
        if part < 1.0 or now >= target:
            break
    return [*steps, AcceleratedStep(*PLAIN, float(iterations))]


def combined_steps(iterations: int) -> tuple[list[AcceleratedStep], float]:
    """Return steps that replace up to `COMBINED` iterations each, and how many; the last is plain.

    The list is that of `accelerated_steps` where this is not longer; the number is then 0.

    Notes
    -----
    All combined steps are worth the same number of iterations, so that one back projector does.

    Examples
    --------
    >>> steps, each = combined_steps(30)
    >>> len(steps), round(each, 2), [step.is_combined for step in steps]
    (5, 6.67, [True, True, True, True, False])
    >>> combined_steps(3)[1]
    0.0
    """
    others = accelerated_steps(iterations)
    count = math.ceil((iterations - 1) / COMBINED)
    if iterations < FEWEST or count + 1 >= len(others):
        return others, 0.0
    part = (iterations - 1) / count
    steps = [AcceleratedStep(0.0, 1.0, n * part, True) for n in range(1, count + 1)]
    return [*steps, AcceleratedStep(*PLAIN, float(iterations))], NOISE_MARGIN * part


def worth(progress: float) -> float:
    """Return the number of plain iterations with the noise of an accelerated progress."""
    return progress / NOISE_MARGIN


def _recurrence() -> Iterator[tuple[float, float]]:
    """Yield momentum and relaxation of Brakhage's method of order `ORDER`."""
    nu = ORDER
    yield 0.0, (4 * nu + 2) / (4 * nu + 1)
    k = 1
    while True:
        k += 1
        shared = (k + 2 * nu - 1) * (2 * k + 4 * nu - 1)
        momentum = (k - 1) * (2 * k - 3) * (2 * k + 2 * nu - 1) / (shared * (2 * k + 2 * nu - 3))
        yield momentum, 4 * (2 * k + 2 * nu - 1) * (k + nu - 1) / shared
