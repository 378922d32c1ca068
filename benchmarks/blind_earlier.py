"""Blind deblurring by an earlier commit of this repository, beside the results of today's.

    python benchmarks/blind_earlier.py kodak-blind bsd-blind --half report --commit 122e7ba
    python benchmarks/blind_earlier.py                       # the table anew, no image

The earlier commit's package runs in processes of its own, on one thread, on the same images as
`blind.py`, whose stored results stand beside. Results: `results/blind-earlier`; cases that are not
run stay. Where an image was blurred as light, today's undo the tone curve, which the earlier commit
could not. `true kernel` is what `hyper-laplacian` makes of the images with their true kernels: no
estimate of the kernel can be expected to bring much more.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from blind import DATA, FAILED_BELOW, as_tensor
from blind_cases import SETS, BlindCase, load_cases
from blind_scores import best_score
from scale_table import earlier_rows, write_table
from unblur.engine import deblur

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("results")
PIPELINE = "map-hyper-laplacian"
WORKER = """
import sys, time, numpy, torch
torch.set_num_threads(1)
from unblur.engine import deblur
from unblur.pipeline import Pipeline
began = time.process_time()
found = deblur(numpy.load(sys.argv[1]), Pipeline.load(sys.argv[3]))
numpy.save(sys.argv[2], found.image)
print(time.process_time() - began)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", choices=[*SETS, []])
    parser.add_argument("--half", choices=("tune", "report"), help="both if left out")
    parser.add_argument("--limit", type=int, help="at most as many cases of a set, evenly spread")
    parser.add_argument("--commit", default="122e7ba")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as held, ThreadPoolExecutor(options.workers) as pool:
        if options.sets:
            export(options.commit, Path(held))
        for name in options.sets:
            cases = load_cases(name, DATA, options.half)
            if options.limit:
                cases = [cases[i * len(cases) // options.limit] for i in range(options.limit)]
            for row in pool.map(partial(run_case, name, options.commit, Path(held)), cases):
                print(row, flush=True)
                rows.append(row)
    keys = ["set", "commit", "case"]
    rows = [dict(row) for row in [*earlier_rows("blind-earlier", keys, rows, "cases"), *rows]]
    add_true_kernels(rows)
    remark = "Mean PSNR in dB at the best shift; seconds of processor time on one thread."
    title = "Blind deblurring by an earlier commit and by today's"
    write_table("blind-earlier", title, summarize(rows), remark, cases=rows)


def export(commit: str, folder: Path) -> None:
    """Write the files of a commit into a folder."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)


def run_case(name: str, commit: str, folder: Path, case: BlindCase) -> dict[str, Any]:
    """Deblur one case by the package in a folder, and score it."""
    pair = case.load()
    given, found = folder / f"{case.name}-blurred.npy", folder / f"{case.name}-sharp.npy"
    np.save(given, pair.blurred)
    paths = [str(folder / part) for part in ("core", "plugins", "napari_plugin")]
    environment = {**os.environ, "PYTHONPATH": ":".join(paths), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", WORKER, given, found, PIPELINE]
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    before = best_score(as_tensor(pair.blurred) - pair.offset, pair.sharp).psnr
    after = best_score(as_tensor(np.load(found)) - pair.offset, pair.sharp).psnr
    return {
        "set": name,
        "commit": commit,
        "case": case.name,
        "half": case.half,
        "blurred": round(before, 2),
        "psnr": round(after, 2),
        "seconds": round(float(done.stdout), 1),
    }


def add_true_kernels(rows: list[dict[str, Any]]) -> None:
    """Add the PSNR with the true kernel to the rows that lack it."""
    for name in {row["set"] for row in rows if "true kernel" not in row}:
        cases = {case.name: case for case in load_cases(name, DATA)}
        for row in rows:
            if row["set"] == name and "true kernel" not in row:
                pair = cases[row["case"]].load()
                curve = cases[row["case"]].tone_curve
                done = deblur(pair.blurred, "hyper-laplacian", pair.kernel, tone_curve=curve)
                found = as_tensor(done.image)
                row["true kernel"] = round(best_score(found - pair.offset, pair.sharp).psnr, 2)


def summarize(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the means of each set and half, with today's stored ones of the same cases."""
    table = []
    for name, commit, half in sorted({(r["set"], r["commit"], r["half"]) for r in rows}):
        stored = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))["cases"]
        today = {row["case"]: row for row in stored if row["pipeline"] == PIPELINE}
        own = [r for r in rows if (r["set"], r["commit"], r["half"]) == (name, commit, half)]
        own = [row for row in own if row["case"] in today]
        gains = [today[row["case"]]["psnr"] - row["psnr"] for row in own]
        table.append(
            {
                "set": name,
                "half": half,
                "commit": commit,
                "count": len(own),
                "blurred": round(mean(row["blurred"] for row in own), 2),
                "earlier": round(mean(row["psnr"] for row in own), 2),
                "today": round(mean(today[row["case"]]["psnr"] for row in own), 2),
                "gain": round(mean(gains), 2),
                "true kernel": round(mean(row["true kernel"] for row in own), 2),
                "failed earlier": sum(r["psnr"] < r["blurred"] + FAILED_BELOW for r in own),
                "failed today": sum(
                    today[r["case"]]["psnr"] < r["blurred"] + FAILED_BELOW for r in own
                ),
                "worse by 0.5 dB": sum(gain < -0.5 for gain in gains),
                "seconds earlier": round(mean(row["seconds"] for row in own), 1),
            }
        )
    return table


if __name__ == "__main__":
    main()
