"""Choice among the kernels of a search, each refined at full size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite, log
from typing import NamedTuple

from torch import Tensor

from unblur.accel.parallel import map_on_threads
from unblur.model.confidence import confidence_grade
from unblur.model.context import Context
from unblur.numerics.kernel_ops import pad_to, recentre
from unblur.numerics.pyramid import odd
from unblur_classic.map.preprocessing import EstimationInput
from unblur_classic.map.scoring import (
    KernelScorer,
    dark_share,
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
from unblur_classic.map.search.kernel_search import FoundKernel
from unblur_classic.map.search.search_track import textured_window

RESULT_TAIL = 0.02
"""Largest fraction of a kernel's mass beyond each side of the box that holds the others,
dimensionless."""
HARDLY_SPARSER = -0.4
"""Logarithm of the normalised sparsity of the restored image relative to the blurred one's above
which it is hardly sharper, dimensionless. A kernel of high confidence may then be a wrong one, of
which only a part of the motion was found, or the motion may be small."""
MIN_ARRAYS = 3
"""Smallest side of the image relative to the extent of the arrays in which kernels are compared,
dimensionless, so that pixels remain inside a border of half an array."""
ROUNDS = 2
"""Largest number of times that the best kernel is refined further, a count."""
GAIN_WEIGHT = 0.05
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
    extent : int
        Least extent of the array in which it was measured, in pixels; see `in_array`.
    """

    found: FoundKernel
    kernel: Tensor
    evidence: Evidence
    sparsity: float
    extent: int = 1

    @classmethod
    def of(
        cls, found: FoundKernel, kernel: Tensor, given: EstimationInput, extent: int = 1
    ) -> Candidate:
        """Return a candidate with its evidence; see `measure_evidence` and `measure_restored`."""
        placed = in_array(kernel, extent)
        restored = measure_restored(given, placed)
        evidence = measure_evidence(given, found, placed, restored.negative, restored.gain)
        return cls(found, kernel, evidence, restored.sparsity, extent)

    @property
    def confidence(self) -> float:
        """Confidence of the kernel, in [0, 1]; 0 where it restores a constant image."""
        return confidence_of(self.evidence) if isfinite(self.sparsity) else 0.0

    @property
    def score(self) -> float:
        """Score of the restored image, lower is better: `sparsity` less a share of the gain.

        The image of a wrong kernel may be as sparse as that of the true one, most of all with much
        noise, if the kernel is large.
        """
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


def in_array(kernel: Tensor, extent: int) -> Tensor:
    """Return a kernel at its centre of mass, in an array of at least an extent.

    Its array decides on the window that is measured and on the border that is left out of it. In
    arrays of one extent kernels are compared on the same pixels.
    """
    kernel = recentre(kernel, grow=True)
    size = max(extent, kernel.shape[-1])
    return pad_to(kernel, (size, size))


def measure_together(
    kernels: Sequence[tuple[FoundKernel, Tensor]],
    given: EstimationInput,
    device: str = "cpu",
    known: Sequence[Candidate] = (),
) -> list[Candidate]:
    """Return candidates that are measured on the same pixels.

    Parameters
    ----------
    kernels : sequence of (FoundKernel, (n, n))
        What the search found, and the kernel refined from it.
    given : EstimationInput
        The image, its valid pixels and noise.
    device : str
        Device of the tensors.
    known : sequence of Candidate
        What is known of some of the kernels; they are measured again only on other pixels.
    """
    largest = max(recentre(kernel, grow=True).shape[-1] for _, kernel in kernels)
    extent = min(largest, odd(min(given.y.shape) // MIN_ARRAYS))
    same = {(id(c.found), id(c.kernel)): c for c in known if c.extent == extent}

    def measure(pair: tuple[FoundKernel, Tensor]) -> Candidate:
        found, kernel = pair
        return same.get((id(found), id(kernel))) or Candidate.of(found, kernel, given, extent)

    return map_on_threads(measure, kernels, device)


def measure_restored(given: EstimationInput, kernel: Tensor) -> Restored:
    """Restore the most textured window of an image with a kernel, and measure it.

    Parameters
    ----------
    given : EstimationInput
        The image, its valid pixels and noise.
    kernel : (n, n)
        At its centre of mass.
    """
    y, valid = textured_window(given.y, given.valid, MIN_WINDOW, WINDOW_SIZES * kernel.shape[-1])
    contrast = float(y[valid > 0].std())
    image, black = y / contrast, given.black / contrast
    sharp = KernelScorer(y, valid, Context()).restore(kernel, image)
    dark = dark_share(image, black)
    value = log(sparsity_score(sharp, kernel, black, dark) / sparsity_of(image, kernel))
    negative = negative_light(sharp, kernel, black, dark)
    return Restored(
        sparsity=value if isfinite(value) else inf,
        negative=negative if isfinite(black) else TYPICAL_NEGATIVE,
        gain=predict_gain(image, given.noise / contrast, kernel, sharp),
    )


def best_candidate(
    found: FoundKernel,
    given: EstimationInput,
    refine: Callable[[FoundKernel], Tensor],
    device: str = "cpu",
) -> Candidate:
    """Return the best of the kernels of a search, refined.

    The one of the best restored image is kept, by its sparsity and the predicted gain
    (`Candidate.score`), measured in one window for all. The kernel of the search and one that is
    nearly as good are refined first, on threads of their own. If the better of them has no high
    confidence, or restores an image that is hardly sparser than the blurred one
    (`HARDLY_SPARSER`), all alternatives are refined too.

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

    def complete(each: FoundKernel) -> tuple[FoundKernel, Tensor]:
        return each, refine(each)

    refined = map_on_threads(complete, kernels[:n_first], device)
    first = measure_together(refined, given, device)
    best = _best_of(first)
    is_sharp = best.sparsity <= HARDLY_SPARSER
    if len(kernels) == n_first or (is_sharp and confidence_grade(best.confidence) == "high"):
        return best
    refined += map_on_threads(complete, kernels[n_first:], device)
    return _best_of(measure_together(refined, given, device, first))


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
        pair = [(best.found, best.kernel), (best.found, refine(best.kernel))]
        best, other = measure_together(pair, given, known=[best])
        if other.score >= best.score:
            break
        best = other
    return best


def _best_of(candidates: Sequence[Candidate]) -> Candidate:
    return min(candidates, key=lambda candidate: candidate.score)
