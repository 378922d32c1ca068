"""Upper bound on the gain of any image prior in place of the discriminative one, Levin's pairs.

    python benchmarks/discriminative_bound.py ../shared/data/levin09 [--every 2]

The pipeline `discriminative` runs with another prior in place of the network: one that is given
the true sharp image, and whose proximal step moves the latent image a fraction of the way towards
it. With the fraction 0 only the quadratic penalty on the change since the last iteration remains.
With the fraction 1 the step is the best that any prior can make. Each fraction is run with the
weight of the pipeline and with one that still has an effect at full size after its decay. Results:
`results/discriminative-bound`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from scale_table import write_table
from unblur.bench import ImagePair, load_set
from unblur.engine import deblur
from unblur.io import read_image, read_kernel
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.fourier import fast_length, fft, inverse_fft
from unblur.numerics.metrics import kernel_similarity, levin_aligned
from unblur.numerics.pyramid import pyramid_levels, shrink_image
from unblur.pipeline import Pipeline
from unblur.plugins.manager import registry
from unblur_classic.map.estimator import MapEstimator
from unblur_classic.map.preprocessing import preprocess
from unblur_classic.map.scale_state import embed

SHARES = (0.0, 0.1, 0.5, 1.0)
HEAVIER = 25.0
"""Second factor on the pipeline's weight, which decays to a fortieth, dimensionless."""


class OraclePrior(stages.Prior):
    """Move a latent image a fraction of the way to the true one, at the best shift and gain."""

    name = "oracle"
    summary = "Uses the true image; for measurements only."
    truths: ClassVar[dict[tuple[int, ...], tuple[Tensor, Tensor]]] = {}
    """The true image padded to the scene, and its valid mask, by the shape of the scene (H, W)."""

    class Params(stages.Params):
        """Settings of the measurement."""

        share: float = Field(1.0, ge=0, le=1, description="Fraction of the way to the true image.")

    @classmethod
    def set_truth(cls, sharp: Tensor, size: int) -> None:
        """Pad the true image (H, W) to the scene of every pyramid level of a kernel of `size`."""
        cls.truths.clear()
        for scale in pyramid_levels(size):
            small = shrink_image(sharp, scale.ratio)
            extent = [fast_length(n + scale.size - 1) for n in small.shape]
            both = (embed(x, extent, scale.size) for x in (small, torch.ones_like(small)))
            cls.truths[tuple(extent)] = (next(both), next(both))

    def energy(self, x: Tensor) -> Tensor:
        """Return 0: `map` does not use the energy."""
        return x.new_zeros(())

    def gradient(self, x: Tensor) -> Tensor:
        """Return the derivative of `energy`."""
        return torch.zeros_like(x)

    def proximal(self, x: Tensor, step: float) -> Tensor:
        """Return `x` moved towards the true image at its best shift, offset and gain."""
        if not self.params.share:
            return x
        truth, known = self.truths[tuple(x.shape[-2:])]
        about = known * (truth - truth.sum() / known.sum())
        fit = inverse_fft(fft(x - x.mean(), 2) * fft(about, 2).conj(), x.shape[-2:])
        shift = divmod(int(fit.argmax()), x.shape[-1])
        about, known = (torch.roll(t, shift, (-2, -1)) for t in (about, known))
        mean = (x * known).sum() / known.sum()
        gain = (x * about).sum() / about.square().sum()
        return x + self.params.share * known * (mean + gain * about - x)


@dataclass(frozen=True)
class LevinPair:
    """A pair of Levin's set.

    Attributes
    ----------
    blurred, sharp : (H, W)
        White = 1.
    true : Kernel
        The true kernel.
    size : int
        Estimated kernel size, pixels.
    """

    blurred: NDArray[np.float32]
    sharp: NDArray[np.float32]
    true: Kernel
    size: int

    @classmethod
    def of(cls, pair: ImagePair, params: MapEstimator.Params) -> LevinPair:
        """Read a pair and estimate its kernel size as the estimator does."""
        images = [read_image(path) for path in (pair.blurred, pair.sharp)]
        blurred, sharp = (np.asarray(x.data) / np.float32(x.white) for x in images)
        assert pair.kernel is not None
        given = preprocess(torch.from_numpy(blurred)[None], Context(), None, params.median)
        return cls(blurred, sharp, read_kernel(pair.kernel).mean, given.size)


def mean_scores(pairs: Sequence[LevinPair], pipeline: Pipeline) -> dict[str, float]:
    """Return the means over pairs."""
    psnr, similarity = [], []
    for pair in pairs:
        OraclePrior.set_truth(torch.from_numpy(pair.sharp), pair.size)
        found = deblur(pair.blurred, pipeline)
        assert found.kernel is not None
        psnr.append(levin_aligned(np.asarray(found.image), pair.sharp).psnr)
        similarity.append(kernel_similarity(found.kernel.mean.weights, pair.true.weights))
    return {"PSNR": float(np.mean(psnr)), "kernel similarity": float(np.mean(similarity))}


def with_second(prior: dict[str, object] | None) -> Pipeline:
    """Return the pipeline `discriminative` with another second prior, or with none."""
    document = Pipeline.load("discriminative").model_dump()
    priors = document["steps"][0]["params"]["priors"]
    document["steps"][0]["params"]["priors"] = [priors[0], *([prior] if prior else [])]
    return Pipeline.model_validate(document)


def main() -> None:
    """Run every prior and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("levin", type=Path, help="folder of Levin's set")
    parser.add_argument("--every", type=int, default=1, help="take every n-th pair")
    options = parser.parse_args()
    registry().stages["prior", OraclePrior.name] = OraclePrior
    params = MapEstimator(Pipeline.load("discriminative").steps[0].params).params
    weight = params.priors[1].weight
    pairs = [LevinPair.of(pair, params) for pair in load_set(options.levin).pairs[:: options.every]]
    tried: list[tuple[str, dict[str, object] | None]] = [("none", None)]
    for factor in (1.0, HEAVIER):
        for share in SHARES:
            prior = {
                "prior": OraclePrior.name,
                "weight": factor * weight,
                "params": {"share": share},
            }
            tried.append((f"{share:.0%} of the way, weight {factor * weight:g}", prior))
    rows = []
    for label, prior in tried:
        found = mean_scores(pairs, with_second(prior))
        rows.append({"second prior": label, **found})
        print(rows[-1], flush=True)
    remark = (
        f"Means over {len(pairs)} of Levin's pairs, PSNR in dB as in "
        "levin-discriminative, where the second prior is the network with weight "
        f"{weight:g}. Of the way: from the last iteration's latent image to the true sharp image."
    )
    write_table(
        "discriminative-bound", "Gain of a prior that is given the sharp image", rows, remark
    )


if __name__ == "__main__":
    main()
