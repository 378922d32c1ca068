"""Photographs deblurred as light, and as they are stored: PSNR of both.

    python benchmarks/tone_curve.py known                 # with the true kernels
    python benchmarks/tone_curve.py blind --half report   # with kernels by `map`

The cases are those of `kodak-blind` and `bsd-blind` (`blind_cases.py`) that were blurred in linear
light and passed through the tone curve of a camera: a power of 1/2.2, and an S-shaped rendering
that unblur does not know. Each is deblurred by `hyper-laplacian` or `map-hyper-laplacian` with
`tone_curve` "none" and "srgb". With `--limit N` it takes N cases of each set, evenly spread; the
others of the table stay.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from statistics import mean
from typing import Any

import torch

from blind import DATA, as_tensor, best_score
from blind_cases import BlindCase, load_cases
from scale_table import earlier_rows, write_table
from unblur import Pipeline, deblur

SETS = ("kodak-blind", "bsd-blind")
PIPELINES = {"known": "hyper-laplacian", "blind": "map-hyper-laplacian"}
NAME = "tone-curve"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kernels", choices=PIPELINES)
    parser.add_argument("--half", choices=("tune", "report"), help="both if left out")
    parser.add_argument("--limit", type=int, help="cases of each set, evenly spread")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    options = parser.parse_args()
    work = [
        (name, case) for name in SETS for case in _spread(_cases(name, options.half), options.limit)
    ]
    with ProcessPoolExecutor(options.workers, get_context("spawn"), _one_thread) as pool:
        found = list(pool.map(partial(run_case, options.kernels), *zip(*work, strict=True)))
    cases = [*earlier_rows(NAME, ["kernels", "set", "case"], found, "cases"), *found]
    remark = "Mean PSNR in dB at the best shift, of cases blurred as light."
    title = "Photographs deblurred as light, and as they are stored"
    write_table(NAME, title, summarize(cases), remark, "number of the case", cases=cases)


def run_case(kernels: str, name: str, case: BlindCase) -> dict[str, Any]:
    """Deblur one case both ways and score it."""
    pair = case.load()
    psf = pair.kernel if kernels == "known" else None
    scores = {"blurred": best_score(as_tensor(pair.blurred), pair.sharp).psnr}
    for curve in ("none", "srgb"):
        pipeline = Pipeline.load(PIPELINES[kernels])
        image = deblur(pair.blurred, pipeline, psf=psf, tone_curve=curve).image
        scores[curve] = best_score(as_tensor(image), pair.sharp).psnr
    row = {"kernels": kernels, "set": name, "case": case.name, "half": case.half}
    rounded = {key: round(value, 2) for key, value in scores.items()}
    print(row, rounded, flush=True)
    return {**row, **rounded}


def summarize(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the means by kernels, set and half."""
    table = []
    for key in dict.fromkeys((row["kernels"], row["set"], row["half"]) for row in cases):
        own = [row for row in cases if (row["kernels"], row["set"], row["half"]) == key]
        kernels, name, half = key
        means = {
            column: round(mean(row[column] for row in own), 2)
            for column in ("blurred", "none", "srgb")
        }
        better = sum(row["srgb"] > row["none"] for row in own)
        row = {"kernels": kernels, "set": name, "half": half, "count": len(own)}
        table.append({**row, **means, "srgb is better": better})
    return table


def _cases(name: str, half: str | None) -> list[BlindCase]:
    every = load_cases(name, DATA, half)  # type: ignore[arg-type]
    return [case for case in every if case.category == "tone-curve"]


def _spread(cases: list[BlindCase], limit: int | None) -> list[BlindCase]:
    count = len(cases) if limit is None else min(limit, len(cases))
    return [cases[number * len(cases) // count] for number in range(count)]


def _one_thread() -> None:
    torch.set_num_threads(1)


if __name__ == "__main__":
    main()
