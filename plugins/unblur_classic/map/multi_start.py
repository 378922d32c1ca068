"""Multi-start estimation: the kernel of the best score over several starts and weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from torch import Tensor

from unblur.numerics.pyramid import PyramidLevel, rescale_kernel
from unblur_classic.map.scoring import KernelScorer

RESTART_LEVELS = (2, 4)
"""Numbers of finest pyramid levels over which a restart runs, dimensionless."""
MIN_GAIN = 0.02
"""Smallest relative decrease of the score in a round of restarts for another round to follow,
dimensionless."""

Estimate = Callable[[float, Tensor, list[PyramidLevel]], Tensor]
"""Map from a factor on the priors' weights, an initial kernel and pyramid levels to a kernel."""


class ScoredKernel(NamedTuple):
    """A kernel (n, n) and its score, lower for better ones."""

    kernel: Tensor
    score: float


def multi_start(
    estimate: Estimate,
    scorer: KernelScorer,
    initial_kernels: Sequence[Tensor],
    factors: Sequence[float],
    levels: list[PyramidLevel],
    restarts: int,
) -> Tensor:
    """Return the kernel of the best score among estimates from different starts.

    Each initial kernel, at the coarsest level, is tried with each factor, until the best score is
    at or below the scorer's `stop_score`. If none is, the estimation restarts from the best
    kernel at the finer levels, for at most `restarts` rounds while the score decreases.

    Parameters
    ----------
    estimate : callable
        See `Estimate`; returns a kernel (n, n) at full size.
    scorer : KernelScorer
        Scores kernels. A single estimate is not scored.
    initial_kernels : sequence of (n, n)
        Initial kernels at the coarsest level.
    factors : sequence of float
        Factors on the priors' weights.
    levels : list of PyramidLevel
        The coarsest first.
    restarts : int
        Largest number of rounds of restarts.
    """
    if len(initial_kernels) == len(factors) == 1 and not restarts:
        return estimate(factors[0], initial_kernels[0], levels)
    best: ScoredKernel | None = None
    for initial in initial_kernels:
        best = _best_of(best, [(factor, initial, levels) for factor in factors], estimate, scorer)
        if best.score <= scorer.stop_score:
            return best.kernel
    assert best is not None
    for _ in range(restarts):
        before = best.score
        tries = [
            (factor, rescale_kernel(best.kernel, finer[0].size, finer[0].ratio), finer)
            for finer in (levels[-n:] for n in restart_levels(len(levels)))
            for factor in factors
        ]
        best = _best_of(best, tries, estimate, scorer)
        if best.score <= scorer.stop_score or before - best.score < MIN_GAIN * abs(before):
            break
    return best.kernel


def restart_levels(n_levels: int) -> list[int]:
    """Return the numbers of finest levels over which restarts run, of `n_levels`, each once."""
    return sorted({min(n, n_levels) for n in RESTART_LEVELS})


def _best_of(
    best: ScoredKernel | None,
    tries: Iterable[tuple[float, Tensor, list[PyramidLevel]]],
    estimate: Estimate,
    scorer: KernelScorer,
) -> ScoredKernel:
    """Return the best of the kernels that are tried, or `best` if none has a lower score."""
    for arguments in tries:
        kernel = estimate(*arguments)
        found = ScoredKernel(kernel, scorer(kernel))
        if best is None or found.score < best.score:
            best = found
    assert best is not None
    return best
