"""Which turns of a network learn from a sample, and through what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Plan = Literal["by-turn", "staged", "end-to-end"]
HELD = 0.1
"""Share of a stage's samples in which the turns before the new one are held, if `staged`."""


@dataclass(frozen=True)
class Lesson:
    """What is done with one sample at each scale.

    Attributes
    ----------
    turns : int
        Turns that are made; the loss is on the last of them.
    first : int
        The first turn that learns; those before it only lead there.
    linked : bool
        Whether what the loss says goes back through the kernels of earlier turns and scales.
        Otherwise the kernel that a turn is handed is taken as given.
    """

    turns: int
    first: int
    linked: bool


def lesson_at(plan: Plan, index: int, turns: int, stage: int) -> Lesson:
    """Return what to do with a sample.

    Parameters
    ----------
    plan : str
        `by-turn`: one turn after the other in a circle, each by itself. `staged`: as in the
        paper (section 3.3), the first turn alone, then one more after every `stage` samples, the
        earlier ones held at first, then all that there are. `end-to-end`: all from the start.
    index : int
        Number of the sample.
    turns : int
        Turns of the network.
    stage : int
        Samples before the next turn is added, if `staged`.
    """
    if plan == "by-turn":
        return Lesson(index % turns + 1, index % turns, linked=False)
    if plan == "end-to-end":
        return Lesson(turns, 0, linked=True)
    added, within = divmod(index, stage)
    if added >= turns:
        return Lesson(turns, 0, linked=True)
    return Lesson(added + 1, added if within < HELD * stage else 0, linked=True)
