"""Fit of the confidence of blind results, and its calibration.

    python benchmarks/confidence.py measure bsd-blind --half report --limit 20
    python benchmarks/confidence.py collect  # the same from what blind.py has stored
    python benchmarks/confidence.py fit      # fit the weights and print them
    python benchmarks/confidence.py check    # count what the confidence foretells

`measure` deblurs cases of the sets of `blind_cases.py` with `map-hyper-laplacian` and stores their
gain in PSNR and the measures of `kernel_confidence.Evidence` in `results/confidence`; cases that
are not run stay. `collect` takes the others from the results of `blind.py`, where those are of
these measures. `fit` is a logistic regression of whether the gain is at least 0.5 dB; its output
belongs into `WEIGHTS` and `BIAS` there. It takes `results/confidence-first`: the first kernels of
the halves to tune on of Kodak and BSD, as they were before others were refined.
`check` counts, for each use, how many of the results of a confidence below 0.5 failed, and how many
of the failures have such a confidence, and writes the table. The uses are "fit" (the halves to tune
on), "choice" (cases of the halves to report on with whose help the measures were chosen) and
"check" (the others of these).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blind import DATA, FAILED_BELOW, prepare_worker, run_case
from blind_cases import SETS, load_cases
from scale_table import RESULTS, earlier_rows, write_table
from unblur_classic.map.search.kernel_confidence import BIAS, WEIGHTS, Evidence

NAME, FIRST, PIPELINE = "confidence", "confidence-first", "map-hyper-laplacian"
USES = ("fit", "choice", "check")
RIDGE = 1.0
"""Weight of the squared weights of the standardised measures, relative to one case."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    measure = verbs.add_parser("measure")
    measure.add_argument("set", choices=SETS)
    measure.add_argument("cases", nargs="*", help="names of cases; all if left out")
    measure.add_argument("--half", choices=("tune", "report"), help="both if left out")
    measure.add_argument("--limit", type=int, help="at most as many cases, evenly spread")
    measure.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    verbs.add_parser("collect")
    verbs.add_parser("fit")
    verbs.add_parser("check")
    options = parser.parse_args()
    if options.verb == "measure":
        measure_cases(options)
    elif options.verb == "collect":
        anew = {(case["set"], case["case"]) for case in stored_cases() if "measured_by" in case}
        for name in SETS:
            rows = earlier_rows(name, [], [], "cases")
            store_cases(name, [row for row in rows if (name, row["case"]) not in anew])
    elif options.verb == "fit":
        fit_weights()
    else:
        write_results(stored_cases())


def measure_cases(options: argparse.Namespace) -> None:
    """Deblur cases of a set and store their gain and evidence."""
    cases = load_cases(options.set, DATA, options.half)
    cases = [case for case in cases if not options.cases or case.name in options.cases]
    if options.limit:
        cases = [cases[i * len(cases) // options.limit] for i in range(options.limit)]
    with ProcessPoolExecutor(options.workers, get_context("spawn"), prepare_worker) as pool:
        found = pool.map(partial(run_case, PIPELINE), cases)
        store_cases(options.set, [{**row, "measured_by": "confidence.py"} for row in found])


def store_cases(name: str, found: Sequence[dict[str, Any]]) -> None:
    """Store rows of `blind.run_case` of a set, those of other pipelines and measures left out."""
    keys = ("case", "half", "blurred", "psnr", "evidence", "measured_by")
    uses = {(case["set"], case["case"]): case["use"] for case in stored_cases()}
    measures = {field.name for field in fields(Evidence)}
    rows = []
    for row in found:
        evidence = row["evidence"] if row["pipeline"] == PIPELINE else None
        if isinstance(evidence, dict) and set(evidence) == measures:
            use = "fit" if row["half"] == "tune" else uses.get((name, row["case"]), "check")
            rows.append({"set": name, "use": use, **{k: row[k] for k in keys if k in row}})
    write_results([*earlier_rows(NAME, ["set", "case"], rows, "cases"), *rows])


def write_results(cases: Sequence[Any]) -> None:
    """Write the cases, and the calibration of each use."""
    rows = []
    for use in USES:
        for name in ("all", *SETS):
            chosen = [c for c in cases if c["use"] == use and name in ("all", c["set"])]
            if chosen:
                x, failed = arrays_of(chosen)
                counts = count_calibration(predict(x, np.array(WEIGHTS), BIAS), failed)
                rows.append({"use": use, "set": name, **counts})
    remark = (
        "Results of a confidence below 0.5, and failures, which gain less than 0.5 dB in PSNR. "
        "The weights were fitted to the first kernels of Kodak's and BSD's cases `fit`, before "
        "others were refined; the measures were chosen with `choice` too. "
        f"{sum('measured_by' in c for c in cases)} of the {len(cases)} cases were measured by this "
        "script, the others are the results of blind.py; images blurred as light were deblurred as "
        "light."
    )
    write_table(NAME, "Calibration of the confidence", rows, remark, "number of the case", cases)


def stored_cases() -> list[Any]:
    """Return the stored cases."""
    return earlier_rows(NAME, [], [], "cases") if (RESULTS / f"{NAME}.json").exists() else []


def arrays_of(cases: Sequence[dict[str, Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the measures (cases, measures), and which cases failed."""
    names = [field.name for field in fields(Evidence)]
    measures = np.array([[case["evidence"][name] for name in names] for case in cases])
    return measures, np.array([case["psnr"] < case["blurred"] + FAILED_BELOW for case in cases])


def fit_weights() -> None:
    """Fit and print the weights, and the calibration under cross-validation by scene."""
    cases = earlier_rows(FIRST, [], [], "cases")
    x, failed = arrays_of(cases)
    scenes = np.array([scene_of(case) for case in cases])
    held_out = np.zeros(len(x))
    for scene in dict.fromkeys(scenes):
        own = scenes == scene
        held_out[own] = predict(x[own], *fit(x[~own], ~failed[~own]))
    print(f"cross-validation: {count_calibration(held_out, failed)}")
    weights, bias = fit(x, ~failed)
    for field, weight in zip(fields(Evidence), weights, strict=True):
        print(f"    {weight:.4g},  # {field.name}")
    print(f"BIAS = {bias:.4g}")


def scene_of(case: dict[str, Any]) -> str:
    """Return the name of the photograph that was blurred."""
    name: str = case["case"]
    return name.partition("_kernel_" if case["set"] == "lai" else "_")[0]


def fit(x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], float]:
    """Return weights and bias of the logistic regression of `y` on `x`, by Newton's method."""
    mean, scale = x.mean(0), x.std(0) + 1e-9
    z = np.c_[(x - mean) / scale, np.ones(len(x))]
    penalty = RIDGE * np.diag([1.0] * x.shape[1] + [0.0])
    beta = np.zeros(z.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-z @ beta))
        hessian = z.T @ (z * (p * (1 - p))[:, None]) + penalty
        beta = beta + np.linalg.solve(hessian, z.T @ (y - p) - penalty @ beta)
    weights = beta[:-1] / scale
    return weights, float(beta[-1] - weights @ mean)


def predict(x: NDArray[Any], weights: NDArray[Any], bias: float) -> NDArray[Any]:
    """Return the confidence of each case."""
    return np.asarray(1 / (1 + np.exp(-(x @ weights + bias))))


def count_calibration(confidence: NDArray[Any], failed: NDArray[Any]) -> dict[str, int]:
    """Return the number of results, of those of low confidence, of failures, and of both."""
    low = confidence < 0.5
    return {
        "cases": len(failed),
        "below 0.5": int(low.sum()),
        "failed": int(failed.sum()),
        "failed below 0.5": int((low & failed).sum()),
    }


if __name__ == "__main__":
    main()
