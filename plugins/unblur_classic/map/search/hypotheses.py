"""Hypotheses of a kernel search: priors, ridge and initial direction of an alternation."""

from __future__ import annotations

from dataclasses import dataclass

from unblur.model.params import PriorChoice
from unblur_classic.map.alternating import INITIAL_DIRECTIONS


class SearchParams:
    """Params of the alternations of a search, see `MapEstimator.Params`.

    With a higher threshold than that of the final estimate, and without small components, the
    extent of the support is that of the blur.
    """

    iterations, refinements, whiten = 4, 0, False
    threshold, min_component_mass = 0.05, 0.1

    def __init__(self, ridge: float) -> None:
        self.ridge = ridge


@dataclass(frozen=True)
class Hypothesis:
    """Settings of one alternation of a search.

    Attributes
    ----------
    priors : tuple of PriorChoice
        Priors on the latent image.
    direction : (int, int)
        Offset of the second pixel of the initial kernel, rows and columns in pixels.
    ridge : float
        Weight of the squared kernel.
    """

    priors: tuple[PriorChoice, ...]
    direction: tuple[int, int]
    ridge: float = 0.5


def _photograph(weight: float, direction: int) -> Hypothesis:
    return Hypothesis(
        (PriorChoice(prior="l0-gradient", weight=weight),), INITIAL_DIRECTIONS[direction]
    )


def _page(direction: int) -> Hypothesis:
    priors = [PriorChoice(prior=name, weight=1e-2) for name in ("l0-gradient", "two-tone")]
    return Hypothesis(tuple(priors), INITIAL_DIRECTIONS[direction], ridge=1.0)


HYPOTHESES = (_photograph(4e-3, 0), _photograph(8e-3, 1), _page(0), _page(1))
"""Hypotheses of a search: two weights of the prior of photographs, and the priors of pages of text,
from two initial directions. Each starts at several levels (`COARSEST_SIDES`)."""

STRONG_HYPOTHESES = (_photograph(3.2e-2, 1), _photograph(4.8e-2, 0))
"""Hypotheses that follow where the best kernel hardly sharpens the image: of eight and twelve times
the weight of the first, which keeps only the strongest edges of a scene full of repeated ones."""
