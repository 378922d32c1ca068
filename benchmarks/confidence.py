"""Fit of the confidence of blind results, and its calibration.

    python benchmarks/confidence.py fit      # fit the weights and print them
    python benchmarks/confidence.py check    # count what the confidence foretells

Both read the results of `blind.py` with `map-hyper-laplacian` for its three sets. `fit` is a
logistic regression, on the halves to tune on, of whether the gain in PSNR is at least 0.5 dB, given
the measures of `kernel_confidence.Evidence`; its output belongs into `WEIGHTS` and `BIAS` there.
`check` counts, for each half, how many of the results of a confidence below 0.5 failed, and how
many of the failures have such a confidence.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blind import FAILED_BELOW
from blind_cases import SETS, Half
from unblur_classic.map.search.kernel_confidence import BIAS, WEIGHTS, Evidence

RESULTS = Path(__file__).parent / "results"
PIPELINE = "map-hyper-laplacian"
FOLDS = 10
"""Number of parts of the cross-validation, dimensionless."""
RIDGE = 1.0
"""Weight of the squared weights of the standardised measures, relative to one case."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=("fit", "check"))
    if parser.parse_args().verb == "fit":
        fit_weights()
        return
    for half in ("tune", "report"):
        x, failed = load_results(half)
        if not len(x):
            continue
        print(f"{half}: {describe_calibration(predict(x, np.array(WEIGHTS), BIAS), failed)}")


def load_results(half: Half) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the measures (cases, measures) of a half of all sets, and which cases failed."""
    rows = [
        row
        for name in SETS
        for row in json.loads((RESULTS / f"{name}.json").read_text())["cases"]
        if row["pipeline"] == PIPELINE and row["half"] == half
    ]
    measures = np.array([row["evidence"] for row in rows])
    return measures, np.array([row["psnr"] < row["blurred"] + FAILED_BELOW for row in rows])


def fit_weights() -> None:
    """Fit and print the weights, and the calibration under cross-validation."""
    x, failed = load_results("tune")
    fold = np.arange(len(x)) % FOLDS
    held_out = np.zeros(len(x))
    for f in range(FOLDS):
        held_out[fold == f] = predict(x[fold == f], *fit(x[fold != f], ~failed[fold != f]))
    print(f"cross-validation: {describe_calibration(held_out, failed)}")
    weights, bias = fit(x, ~failed)
    for field, weight in zip(fields(Evidence), weights, strict=True):
        print(f"    {weight:.4g},  # {field.name}")
    print(f"BIAS = {bias:.4g}")


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


def describe_calibration(confidence: NDArray[Any], failed: NDArray[Any]) -> str:
    """Return how many results of low confidence failed, and how many failures were of low one."""
    low = confidence < 0.5
    both = int((low & failed).sum())
    return (
        f"{len(failed)} cases; confidence below 0.5: {int(low.sum())}, of which failed {both}; "
        f"failed: {int(failed.sum())}, of which below 0.5 {both}"
    )


if __name__ == "__main__":
    main()
