"""Which iterations of a network are trained on a sample, and how far gradients are propagated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PlanName = Literal["by-iteration", "staged", "end-to-end"]
HELD_SHARE = 0.1
"""Fraction of a stage's samples in which the iterations before its own are fixed, if `staged`."""


@dataclass(frozen=True)
class Curriculum:
    """Iterations that are trained on one sample, at each scale.

    Attributes
    ----------
    iterations : int
        Number of iterations; the loss is that of the last one.
    first : int
        Number of the first iteration that is trained, counted from 0.
    linked : bool
        Whether gradients are propagated through the kernels of earlier iterations and scales.
        Otherwise the kernel that an iteration starts from is a constant.
    """

    iterations: int
    first: int
    linked: bool


def curriculum_for(plan: PlanName, index: int, iterations: int, stage: int) -> Curriculum:
    """Return the iterations that are trained on a sample.

    Parameters
    ----------
    plan : str
        `by-iteration`: one iteration after the other, each by itself. `staged`: as in the paper
        (Schuler Sec. 3.3), the first iteration alone, then one more after every `stage` samples,
        the earlier ones fixed at first, then all of them. `end-to-end`: all from the start.
    index : int
        Number of the sample.
    iterations : int
        Iterations of the network.
    stage : int
        Samples before the next iteration is added, if `staged`.
    """
    if plan == "by-iteration":
        return Curriculum(index % iterations + 1, index % iterations, linked=False)
    if plan == "end-to-end":
        return Curriculum(iterations, 0, linked=True)
    added, within = divmod(index, stage)
    if added >= iterations:
        return Curriculum(iterations, 0, linked=True)
    return Curriculum(added + 1, added if within < HELD_SHARE * stage else 0, linked=True)
