"""Several tries at one image: what to do with a failed one, and which of the others is best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from unblur.errors import ImageError
from unblur_selfdeblur.divergence import Dead
from unblur_selfdeblur.losses import seen
from unblur_selfdeblur.optimisation import Data, Optimum

SPARE = 3
"""Further seeds that may be tried in place of failed ones."""
SEED_STEP = 7919
"""Between the seeds of one run, so that runs with neighbouring seeds share none."""

UNEXPLAINED = 4.0
"""Weight of what the data show and the result does not: with less, too wide a kernel wins."""


@dataclass(frozen=True)
class Choice:
    """The best of several tries.

    Attributes
    ----------
    best : Optimum
        The one kept.
    notes : tuple of str
        What happened to the others, where that matters.
    """

    best: Optimum
    notes: tuple[str, ...]


def best_of(count: int, seed: int, data: Data, attempt: Callable[[int], Optimum]) -> Choice:
    """Run an attempt with `count` seeds and keep the best by `blurriness`.

    Parameters
    ----------
    count : int
        Attempts that are to succeed.
    seed : int
        Of the first; the same seed leads to the same choice.
    data : Data
        What the attempts explain.
    attempt : callable
        Takes a seed; raises `Dead` if it arrives at nothing, and another seed is tried.

    Raises
    ------
    ImageError
        If no attempt succeeds.
    """
    found: list[Optimum] = []
    notes: list[str] = []
    for number in range(count + SPARE):
        if len(found) == count:
            break
        try:
            found.append(attempt(seed + SEED_STEP * number))
        except Dead as reason:
            notes.append(f"restarted with another seed, since {reason}.")
    if not found:
        raise ImageError(
            f"the networks arrived at no image with {count + SPARE} seeds; "
            "try another kernel.size, another --seed, or kernel: map."
        )
    return Choice(min(found, key=lambda optimum: blurriness(optimum, data)), tuple(notes))


def blurriness(optimum: Optimum, data: Data) -> float:
    """Return how unlike a sharp image that explains the data a result is; smaller is better.

    It is the sparsity `|grad x|_1 / |grad x|_2` of the image's gradients per pixel, which blur,
    ringing and noise all raise, plus four times the share of the data's contrast that the result
    leaves unexplained. Against PSNR on results for right and wrong kernels see
    `benchmarks/selfdeblur_criterion.py`.

    References
    ----------
    D. Krishnan, T. Tay, R. Fergus, "Blind deconvolution using a normalized sparsity measure",
    CVPR 2011.
    """
    residual = seen(optimum.scene, optimum.kernel) - data.blurred
    if data.trusted is not None:
        residual = residual * data.trusted
    unexplained = residual.square().mean().sqrt() / data.blurred.std()
    return float(_normalised_sparsity(optimum.scene) + UNEXPLAINED * unexplained)


def _normalised_sparsity(x: Tensor) -> Tensor:
    down, across = x.diff(dim=-2)[..., :-1], x.diff(dim=-1)[..., :-1, :]
    size = (down.square() + across.square()).sqrt()
    return size.mean() / size.square().mean().sqrt()
