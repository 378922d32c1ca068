"""Several attempts with different seeds: failed ones are replaced, the best one is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unblur.errors import ImageError
from unblur.numerics.metrics.blind import blind_quality
from unblur_selfdeblur.divergence import Diverged
from unblur_selfdeblur.loss_terms import blur_valid
from unblur_selfdeblur.optimisation import DipResult, Observation

SPARE_SEEDS = 3
"""Number of further seeds that are tried in place of failed ones."""
SEED_STEP = 7919
"""Difference of consecutive seeds of one run, so that runs with neighbouring seeds share none."""

RESIDUAL_WEIGHT = 4.0
"""Weight of the unexplained part of the data; with less, too wide a kernel scores best."""


@dataclass(frozen=True)
class Choice:
    """The best of several attempts.

    Attributes
    ----------
    best : DipResult
        Result of the best attempt.
    notes : tuple of str
        One sentence for every failed attempt.
    """

    best: DipResult
    notes: tuple[str, ...]


def best_of(
    restarts: int,
    seed: int,
    data: Observation,
    attempt: Callable[[int], DipResult],
) -> Choice:
    """Run an attempt with several seeds and keep the best by `score_result`.

    Parameters
    ----------
    restarts : int
        Number of attempts that are to succeed.
    seed : int
        Seed of the first attempt; the same seed leads to the same choice.
    data : Observation
        The data that the attempts are fitted to.
    attempt : callable
        Takes a seed; raises `Diverged` if it fails, and another seed is tried.

    Raises
    ------
    ImageError
        If no attempt succeeds.
    """
    found: list[DipResult] = []
    notes: list[str] = []
    for number in range(restarts + SPARE_SEEDS):
        if len(found) == restarts:
            break
        try:
            found.append(attempt(seed + SEED_STEP * number))
        except Diverged as reason:
            notes.append(f"restarted with another seed, since {reason}.")
    if not found:
        raise ImageError(
            f"the networks diverged with each of {restarts + SPARE_SEEDS} seeds; "
            "try another kernel.size, another --seed, or kernel: map."
        )
    return Choice(min(found, key=lambda result: score_result(result, data)), tuple(notes))


def score_result(result: DipResult, data: Observation) -> float:
    """Score a result by `unblur.numerics.metrics.blind.blind_quality`; lower is better.

    The normalised sparsity of the image's gradients plus four times the share of the data's
    contrast that the result leaves unexplained. `benchmarks/selfdeblur_criterion.py` compares it
    with PSNR on results for right and wrong kernels.
    """
    residual = blur_valid(result.scene, result.kernel) - data.blurred
    if data.valid is not None:
        residual = residual * data.valid
    contrast = data.blurred.std()
    return blind_quality(
        result.scene, residual, contrast, method="normalized", weight=RESIDUAL_WEIGHT
    )
