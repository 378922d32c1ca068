"""Many descents to a kernel from different starts, of which the most plausible is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from torch import Tensor

from unblur.numerics.pyramid import PyramidLevel, rescale_kernel
from unblur_classic.map.scoring import Judge

DEPTHS = (2, 4)
"""From how many of the finest scales on a further descent begins."""
GAIN = 0.02
"""Share by which a round must lower the verdict for another one to follow."""

Descend = Callable[[float, Tensor, list[PyramidLevel]], Tensor]
"""Takes a factor on the priors' weights, a first kernel and the scales from its own on."""


class Judged(NamedTuple):
    """A kernel (n, n) and the verdict on it."""

    kernel: Tensor
    verdict: float


def searched(
    descend: Descend,
    judge: Judge,
    firsts: Sequence[Tensor],
    factors: Sequence[float],
    levels: list[PyramidLevel],
    rounds: int,
) -> Tensor:
    """Return the best of the kernels that descents from different starts arrive at.

    Each of the first kernels, at the coarsest scale, is tried with each factor, until the best
    kernel is good enough to the judge. If none is, the best is started from again at the finer
    scales, for as many rounds as are allowed and gain something.

    Parameters
    ----------
    descend : callable
        See `Descend`; returns a kernel (n, n) at full size.
    judge : Judge
        Compares kernels. A single descent is not judged.
    firsts : sequence of (n, n)
        First kernels at the coarsest scale.
    factors : sequence of float
        On the priors' weights.
    levels : list of PyramidLevel
        The coarsest first.
    rounds : int
        Most rounds of further descents.
    """
    if len(firsts) == len(factors) == 1 and not rounds:
        return descend(factors[0], firsts[0], levels)
    best: Judged | None = None
    for first in firsts:
        best = _best_of(best, [(factor, first, levels) for factor in factors], descend, judge)
        if best.verdict <= judge.enough:
            return best.kernel
    assert best is not None
    for _ in range(rounds):
        before = best.verdict
        again = [
            (factor, rescale_kernel(best.kernel, finer[0].size, finer[0].ratio), finer)
            for finer in (levels[-depth:] for depth in depths_of(len(levels)))
            for factor in factors
        ]
        best = _best_of(best, again, descend, judge)
        if best.verdict <= judge.enough or before - best.verdict < GAIN * abs(before):
            break
    return best.kernel


def depths_of(count: int) -> list[int]:
    """Return from how many scales, of `count`, further descents begin; none twice."""
    return sorted({min(depth, count) for depth in DEPTHS})


def _best_of(
    best: Judged | None,
    tries: Iterable[tuple[float, Tensor, list[PyramidLevel]]],
    descend: Descend,
    judge: Judge,
) -> Judged:
    """Return the best of the kernels that are tried, or `best` if none is better."""
    for attempt in tries:
        kernel = descend(*attempt)
        found = Judged(kernel, judge(kernel))
        if best is None or found.verdict < best.verdict:
            best = found
    assert best is not None
    return best
