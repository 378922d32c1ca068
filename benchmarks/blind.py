"""Blind deblurring beyond Levin's set: gain in PSNR and size of the kernel, by half.

    python benchmarks/blind.py lai map-hyper-laplacian
    python benchmarks/blind.py kodak-blind map-hyper-laplacian schuler-svmap --half tune
    python benchmarks/blind.py lai map-hyper-laplacian --cases manmade_01_kernel_04

The sets and their halves are described in `blind_cases.py`. Each image is deblurred as it was
blurred: as light where it was passed through the tone curve of a camera, otherwise as stored.
Images are scored at the best shift of at most 20 pixels, which is also how the blurred image is
scored. `size` is the extent of the array of the estimated kernel, with `map` before it is moved to
its centre of mass; it is compared with the true kernel's support. Results: `results/SET`; cases
that are not run stay.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch

from blind_cases import SETS, BlindCase, load_cases
from blind_scores import best_score, support_of
from scale_table import earlier_rows, markdown, write_table
from unblur.engine import deblur
from unblur.numerics.metrics import kernel_similarity
from unblur.pipeline import Pipeline
from unblur_classic.map.estimator import MapEstimator

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
_searches: list[tuple[int, dict[str, float]]] = []
"""Sizes of the kernels that `map` has found, in pixels, and the evidence for them."""
FAILED_BELOW = 0.5
"""Gain in PSNR below which a result counts as failed, in decibels."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", choices=SETS)
    parser.add_argument("pipelines", nargs="*", default=["map-hyper-laplacian"])
    parser.add_argument("--half", choices=("tune", "report"), help="both if left out")
    parser.add_argument("--cases", nargs="+", help="names of cases; all if left out")
    parser.add_argument("--limit", type=int, help="at most as many cases, evenly spread")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--dry", action="store_true", help="print, and write no results")
    options = parser.parse_args()
    cases = load_cases(options.set, DATA, options.half)
    cases = [case for case in cases if not options.cases or case.name in options.cases]
    if options.limit:
        cases = [cases[i * len(cases) // options.limit] for i in range(options.limit)]
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(options.workers, get_context("spawn"), prepare_worker) as pool:
        for pipeline in options.pipelines:
            for row in pool.map(partial(run_case, pipeline), cases):
                print(row, flush=True)
                rows.append(row)
    if options.dry:
        print(markdown(summarize(rows)))
        return
    rows = [*earlier_rows(options.set, ["pipeline", "case"], rows, "cases"), *rows]
    remark = "PSNR in dB at the best shift; mean seconds of a case on one thread."
    title, seed = f"Blind deblurring, {options.set}", "number of the case"
    write_table(options.set, title, summarize(rows), remark, seed, cases=rows)


def run_case(pipeline: str, case: BlindCase) -> dict[str, Any]:
    """Deblur one case and score it."""
    pair = case.load()
    began = time.perf_counter()
    _searches.clear()
    result = deblur(pair.blurred, Pipeline.load(pipeline), tone_curve=case.tone_curve)
    seconds = time.perf_counter() - began
    sharp = as_tensor(result.image) - pair.offset
    before = best_score(as_tensor(pair.blurred) - pair.offset, pair.sharp).psnr
    after = best_score(sharp, pair.sharp).psnr
    kernel = None if result.kernel is None else result.kernel.mean
    size = None if kernel is None else max(kernel.shape)
    evidence = None
    if _searches:
        size, evidence = _searches[-1]
    return {
        "pipeline": pipeline,
        "case": case.name,
        "category": case.category,
        "half": case.half,
        "blurred": round(before, 2),
        "psnr": round(after, 2),
        "similarity": None if kernel is None else round(kernel_similarity(kernel, pair.kernel), 3),
        "support": support_of(pair.kernel),
        "size": size,
        "confidence": result.confidence,
        "warnings": len(result.report.warnings),
        "seconds": round(seconds, 2),
        "evidence": evidence,
    }


def summarize(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the means of each pipeline: of each half and of each category."""
    table = []
    for pipeline in dict.fromkeys(row["pipeline"] for row in rows):
        own = [row for row in rows if row["pipeline"] == pipeline]
        groups: dict[str, list[dict[str, Any]]] = {"all": own}
        for key in ("half", "category"):
            for row in own:
                groups.setdefault(row[key], []).append(row)
        table += [{"pipeline": pipeline, "cases of": k, **_means(g)} for k, g in groups.items()]
    return table


def _means(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    sizes = [row["size"] / row["support"] for row in rows if row["size"]]
    return {
        "count": len(rows),
        "blurred": round(mean(row["blurred"] for row in rows), 2),
        "psnr": round(mean(row["psnr"] for row in rows), 2),
        "failed": sum(row["psnr"] < row["blurred"] + FAILED_BELOW for row in rows),
        "size held": sum(ratio >= 1 for ratio in sizes),
        "size at most 1.6": sum(ratio <= 1.6 for ratio in sizes),
        "seconds": round(mean(row["seconds"] for row in rows), 1),
    }


def as_tensor(image: Any) -> torch.Tensor:
    """Return an image of 8 bits as float32, white = 1."""
    return torch.from_numpy(np.asarray(image, np.float32) / 255)


def prepare_worker() -> None:
    """Use one thread, and record what `map` finds."""
    torch.set_num_threads(1)
    find = MapEstimator.find_kernel

    def record(self: MapEstimator, *arguments: Any) -> Any:
        best = find(self, *arguments)
        measures = {name: round(x, 4) for name, x in asdict(best.evidence).items()}
        _searches.append((best.kernel.shape[-1], measures))
        return best

    MapEstimator.find_kernel = record  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
