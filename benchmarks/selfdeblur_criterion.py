"""Rank correlation between PSNR and the criterion that chooses among restarts.

    python benchmarks/selfdeblur_criterion.py ../shared/data -o \
        benchmarks/results/selfdeblur_criterion.json

Each of Levin's images is deconvolved by `hyper-laplacian` with its true kernel and with kernels
that have the errors of blind estimates: too smooth, too small, rotated by 180 degrees, a box, and
a single point, which leaves the image unchanged. The criterion is a function of image, kernel and
data only. The results are its rank correlation with PSNR, by image, and the PSNR lost by its
choice relative to the best.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, zoom
from scipy.stats import spearmanr
from torch.nn import functional

from provenance import provenance
from selfdeblur_table import SEARCH, Case, levin
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.metrics import levin_aligned
from unblur.plugins.manager import registry
from unblur_selfdeblur.optimisation import DipResult, Observation
from unblur_selfdeblur.selection import score_result


def wrong_kernels(true: Kernel) -> Iterator[tuple[str, Kernel]]:
    """Yield the true kernel and wrong ones by name, padded to one odd size."""
    padded = np.pad(true.weights, 4)
    centre = padded.shape[0] // 2
    yield "true", Kernel(padded)
    yield "soft", Kernel(gaussian_filter(padded, 0.7))
    yield "softer", Kernel(gaussian_filter(padded, 1.5))
    small = np.clip(zoom(true.weights, 0.75, order=1), 0, None)
    yield "small", Kernel(small).centred()
    yield "turned", Kernel(padded).flipped()
    box = np.zeros_like(padded)
    box[centre - 3 : centre + 4, centre - 3 : centre + 4] = 1
    yield "box", Kernel(box)
    point = np.zeros_like(padded)
    point[centre, centre] = 1
    yield "point", Kernel(point)


def compare_rankings(case: Case) -> dict[str, Any]:
    """Return PSNR and criterion of the result with each kernel, and their rank correlation."""
    stage: Any = registry().stage("deconvolve", "hyper-laplacian")
    data, table = Observation(case.blurred), {}
    for name, kernel in wrong_kernels(case.kernel):
        image = stage().deconvolve(case.blurred, kernel, Context()).clamp(0, 1)
        n = kernel.shape[0]
        before, after = n - 1 - n // 2, n // 2
        scene = functional.pad(image[None], [before, after] * 2, mode="replicate")[0]
        weights = kernel.tensor()
        criterion = score_result(DipResult(scene, weights, 0), data)
        table[name] = (levin_aligned(image, case.sharp, search=SEARCH).psnr, criterion)
    psnr, criterion = np.array(list(table.values())).T
    return {
        "case": case.name,
        "rank correlation": float(spearmanr(psnr, -criterion).statistic),
        "lost": float(psnr.max() - psnr[criterion.argmin()]),
        "psnr and criterion": table,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take each Nth of the 32 pairs")
    options = parser.parse_args()
    torch.manual_seed(0)
    rows = [compare_rankings(case) for case in list(levin(options.data))[:: options.every]]
    figures = {
        "images": len(rows),
        "mean rank correlation": float(np.mean([row["rank correlation"] for row in rows])),
        "mean loss, dB": float(np.mean([row["lost"] for row in rows])),
        "largest loss, dB": float(np.max([row["lost"] for row in rows])),
    }
    print(json.dumps(figures))
    if options.output:
        text = json.dumps({**provenance(), **figures, "rows": rows}, indent=1) + "\n"
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
