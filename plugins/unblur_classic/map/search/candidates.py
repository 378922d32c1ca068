"""Choice among the kernels of a search, each refined at full size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from math import inf, isfinite, log
from typing import NamedTuple

from torch import Tensor

from unblur.accel.parallel import map_on_threads
from unblur.model.confidence import confidence_grade
from unblur.model.context import Context
from unblur.numerics.kernel_ops import crop_to_mass, recentre
from unblur.numerics.metrics import kernel_similarity
from unblur_classic.map.preprocessing import EstimationInput
from unblur_classic.map.scoring import (
    KernelScorer,
    negative_light,
    sparsity_of,
    sparsity_score,
)
from unblur_classic.map.search.gain_prediction import predict_gain
from unblur_classic.map.search.kernel_confidence import (
    MIN_WINDOW,
    TYPICAL_NEGATIVE,
    WINDOW_SIZES,
    Evidence,
    confidence_of,
    measure_evidence,
)
from unblur_classic.map.search.kernel_search import UNLIKE_KERNEL, FoundKernel
from unblur_classic.map.search.search_track import textured_window

RESULT_TAIL = 0.02
"""Largest fraction of a kernel's mass beyond each side of the box that holds the others,
dimensionless."""
EXTENT_WEIGHT = 0.225
"""Difference of the logarithms of the normalised sparsities that outweighs an extent `e` times as
large, dimensionless. A kernel that is too large has more samples with which the restored image
becomes sparse, most of all with much noise."""
MIN_EXTENT = 5
"""Least extent of a kernel that counts in its score, so that a kernel of one pixel, which leaves
the image as it is, is not chosen for its extent, in pixels."""

HARDLY_SPARSER = -0.3
"""Logarithm of the normalised sparsity of the restored image relative to the blurred one's above
which it is hardly sharper, dimensionless. A kernel of high confidence may then be a wrong one, of
which only a part of the motion was found, or the motion may be small."""
ROUNDS = 2
"""Largest number of times that the best kernel is refined further, a count."""
GAIN_WEIGHT = 0.03
"""Difference of the logarithms of the normalised sparsities that outweighs a predicted gain of a
decibel, dimensionless."""


@dataclass(frozen=True)
class Candidate:
    """A kernel at full size, and the evidence for it.

    Attributes
    ----------
    found : FoundKernel
        What the search found.
    kernel : (n, n)
        Refined from it.
    evidence : Evidence
        Measures of both.
    sparsity : float
        Logarithm of the normalised sparsity of the restored image relative to the blurred one's,
        negative where the restored one is sharper; infinite where it is constant.
    """

    found: FoundKernel
    kernel: Tensor
    evidence: Evidence
    sparsity: float

    @classmethod
    def of(cls, found: FoundKernel, kernel: Tensor, given: EstimationInput) -> Candidate:
        """Return a candidate with its evidence; see `measure_evidence` and `measure_restored`."""
        restored = measure_restored(given, kernel)
        evidence = measure_evidence(given, found, kernel, restored.negative, restored.gain)
        return cls(found, kernel, evidence, restored.sparsity)

    @property
    def confidence(self) -> float:
        """Confidence of the kernel, in [0, 1]; 0 where it restores a constant image."""
        return confidence_of(self.evidence) if isfinite(self.sparsity) else 0.0

    @property
    def score(self) -> float:
        """Score among the kernels of a search, lower is better.

        It is `sparsity` plus `EXTENT_WEIGHT` times the logarithm of the extent, in pixels, of the
        box that holds the kernel's mass, at least `MIN_EXTENT`.
        """
        extent = max(crop_to_mass(self.kernel, RESULT_TAIL).shape[-1], MIN_EXTENT)
        return self.sparsity + EXTENT_WEIGHT * log(extent)

    @property
    def restoration_score(self) -> float:
        """Score of the restored image, lower is better: `sparsity` less a share of the gain."""
        return self.sparsity - GAIN_WEIGHT * self.evidence.gain


class Restored(NamedTuple):
    """Measures of the image that a kernel restores, in its most textured window.

    Attributes
    ----------
    sparsity : float
        See `Candidate`; raised by much negative light, see `sparsity_score`.
    negative : float
        Negative light in units of the blurred image's contrast; `TYPICAL_NEGATIVE` where black is
        not known.
    gain : float
        Gain that is predicted, in decibels; NaN if the image has too few pixels.
    """

    sparsity: float
    negative: float
    gain: float


def measure_restored(given: EstimationInput, kernel: Tensor) -> Restored:
    """Restore the most textured window of an image with a kernel, and measure it."""
    kernel = recentre(kernel, grow=True)
    y, valid = textured_window(given.y, given.valid, MIN_WINDOW, WINDOW_SIZES * kernel.shape[-1])
    contrast = float(y[valid > 0].std())
    image, black = y / contrast, given.black / contrast
    sharp = KernelScorer(y, valid, Context()).restore(kernel, image)
    value = log(sparsity_score(sharp, kernel, black) / sparsity_of(image, kernel))
    return Restored(
        sparsity=value if isfinite(value) else inf,
        negative=negative_light(sharp, kernel, black) if isfinite(black) else TYPICAL_NEGATIVE,
        gain=predict_gain(image, given.noise / contrast, kernel, sharp),
    )


def best_candidate(
    found: FoundKernel,
    given: EstimationInput,
    refine: Callable[[FoundKernel], Tensor],
    device: str = "cpu",
) -> Candidate:
    """Return the best of the kernels of a search, refined.

    The kernel of the search and one that is nearly as good are refined, on threads of their own
    (`sparser_candidate`). If the better of them has no high confidence, or restores an image that
    is hardly sparser than the blurred one (`HARDLY_SPARSER`), all alternatives are refined too, and
    the kernel of the best restored image is kept, by its sparsity and the predicted gain
    (`Candidate.restoration_score`): the image of a wrong kernel may be as sparse.

    Parameters
    ----------
    found : FoundKernel
        What the search found.
    given : EstimationInput
        The image, its valid pixels and noise.
    refine : callable
        Returns the refined kernel (n, n).
    device : str
        Device of the tensors.
    """
    kernels = [found, *found.alternatives]
    n_first = 1 + found.has_rival

    def complete(each: FoundKernel) -> Candidate:
        return Candidate.of(each, refine(each), given)

    first = map_on_threads(complete, kernels[:n_first], device)
    best = reduce(sparser_candidate, first)
    is_sharp = best.sparsity <= HARDLY_SPARSER
    if is_sharp and confidence_grade(best.confidence) == "high":
        return best
    further = map_on_threads(complete, kernels[n_first:], device)
    return min([best, *first, *further], key=lambda candidate: candidate.restoration_score)


def refined_further(
    best: Candidate, given: EstimationInput, refine: Callable[[Tensor], Tensor]
) -> Candidate:
    """Return a kernel, refined further as long as the image that it restores becomes better.

    Parameters
    ----------
    best : Candidate
        The best of the kernels of a search.
    given : EstimationInput
        The image, its valid pixels and noise.
    refine : callable
        Returns a kernel (n, n), refined further.
    """
    for _ in range(ROUNDS):
        other = Candidate.of(best.found, refine(best.kernel), given)
        if other.restoration_score >= best.restoration_score:
            break
        best = other
    return best


def sparser_candidate(one: Candidate, other: Candidate) -> Candidate:
    """Return the one of two candidates that restores the sparser image, the first if equal.

    Of kernels that are unlike, the larger one is better only if its image is clearly sparser
    (`Candidate.score`); extents of like ones differ by chance.
    """
    pair = (one, other)
    if kernel_similarity(*(c.kernel.cpu().numpy() for c in pair)) >= UNLIKE_KERNEL:
        return min(pair, key=lambda c: c.sparsity)
    return min(pair, key=lambda c: c.score)
