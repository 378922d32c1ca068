"""Choice among the kernels of a search, each refined at full size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite

from torch import Tensor

from unblur.accel.parallel import map_on_threads
from unblur_classic.map.preprocessing import EstimationInput
from unblur_classic.map.search.kernel_confidence import Evidence, measure_evidence
from unblur_classic.map.search.kernel_search import FoundKernel


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
    """

    found: FoundKernel
    kernel: Tensor
    evidence: Evidence

    @classmethod
    def of(cls, found: FoundKernel, kernel: Tensor, given: EstimationInput) -> Candidate:
        """Return a candidate with its evidence."""
        return cls(found, kernel, measure_evidence(given, found, kernel))

    @property
    def sparsity(self) -> float:
        """Logarithm of the normalised sparsity of the restored image; lower is better."""
        value = self.evidence.fine_sparsity
        return value if isfinite(value) else inf


def best_candidate(
    found: FoundKernel,
    given: EstimationInput,
    refine: Callable[[FoundKernel], Tensor],
    device: str = "cpu",
) -> Candidate:
    """Return the better of the kernel of a search and its alternative, both refined.

    The better one restores the image with the lesser normalised sparsity. They are refined on
    threads of their own.

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
    candidates = map_on_threads(lambda f: Candidate.of(f, refine(f), given), kernels, device)
    return min(candidates, key=lambda c: c.sparsity)
