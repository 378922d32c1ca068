"""Choice among the kernels of a search, each refined at full size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite, log

from torch import Tensor

from unblur.accel.parallel import map_on_threads
from unblur.model.context import Context
from unblur.numerics.kernel_ops import crop_to_mass
from unblur.numerics.metrics import kernel_similarity
from unblur_classic.map.preprocessing import EstimationInput
from unblur_classic.map.scoring import (
    KernelScorer,
    negative_light,
    sparsity_of,
    sparsity_score,
)
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
    def of(
        cls, found: FoundKernel, kernel: Tensor, given: EstimationInput, has_rival: bool = False
    ) -> Candidate:
        """Return a candidate with its evidence; see `measure_evidence` and `measure_restored`."""
        sparsity, negative = measure_restored(given, kernel)
        evidence = measure_evidence(given, found, kernel, has_rival, negative)
        return cls(found, kernel, evidence, sparsity)

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


def measure_restored(given: EstimationInput, kernel: Tensor) -> tuple[float, float]:
    """Return the sparsity of a restored image, see `Candidate`, and its negative light.

    Both are of the most textured window, the negative light in units of its contrast; where black
    is not known, it is `TYPICAL_NEGATIVE`. Much of it raises the sparsity, see `sparsity_score`.
    """
    y, valid = textured_window(given.y, given.valid, MIN_WINDOW, WINDOW_SIZES * kernel.shape[-1])
    contrast = float(y[valid > 0].std())
    image, black = y / contrast, given.black / contrast
    sharp = KernelScorer(y, valid, Context()).restore(kernel, image)
    value = log(sparsity_score(sharp, kernel, black) / sparsity_of(image, kernel))
    negative = negative_light(sharp, kernel, black) if isfinite(black) else TYPICAL_NEGATIVE
    return (value if isfinite(value) else inf), negative


def best_candidate(
    found: FoundKernel,
    given: EstimationInput,
    refine: Callable[[FoundKernel], Tensor],
    device: str = "cpu",
) -> Candidate:
    """Return the better of the kernel of a search and its alternative, both refined.

    The better one restores the image with the lesser normalised sparsity. Of kernels that are
    unlike after the refinement too, the larger one is better only if its image is clearly sparser
    (`Candidate.score`); extents of like ones differ by chance. They are refined on threads of
    their own.

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
    kernels = [found] if found.alternative is None else [found, found.alternative]
    has_rival = len(kernels) > 1
    candidates = map_on_threads(
        lambda f: Candidate.of(f, refine(f), given, has_rival), kernels, device
    )
    if not has_rival:
        return candidates[0]
    if kernel_similarity(*(c.kernel.cpu().numpy() for c in candidates)) >= UNLIKE_KERNEL:
        return min(candidates, key=lambda c: c.sparsity)
    return min(candidates, key=lambda c: c.score)
