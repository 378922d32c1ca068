"""A network that predicts what a blind kernel gains, beside the measures of the confidence.

    python benchmarks/gain_network.py cases ../shared/data/photos gain-cases --count 110
    python benchmarks/gain_network.py judge gain-cases
    python benchmarks/gain_network.py train gain-cases gain.safetensors

`cases` stores kernels of known quality on photographs (`gain_cases.py`); it resumes. `judge` trains
the network four times, each time without a quarter of the photographs, predicts the gain on these,
and writes how well that tells results that gain less than 0.5 dB from others, beside a logistic
regression of the measures of `kernel_confidence.Evidence` that one alternation has, fitted to the
same three quarters. `train` trains the networks that the package uses, on all photographs, and
prints the hash of their weights. Results: `results/gain-network`.
"""

from __future__ import annotations

import argparse
import hashlib
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from blind import FAILED_BELOW
from confidence import count_calibration, fit, predict
from gain_cases import make_cases
from scale_table import write_table
from unblur.plugins.weights import save_weights
from unblur_classic.map.search.gain_prediction import (
    MAX_GAIN,
    N_MEMBERS,
    GainEnsemble,
    GainNetwork,
    gain_of_errors,
)

FOLDS = 4
"""Number of parts of the photographs, each of which is judged by a network of the others."""
STEPS, BATCH, RATE, DECAY = 500, 4, 3e-3, 1e-3
"""Steps of a training and samples of each, counts; highest rate and decay of the weights,
dimensionless."""


def train(rows: Sequence[dict[str, Any]], seed: int = 0) -> GainNetwork:
    """Return a network trained on the rows of `gain_cases`."""
    torch.manual_seed(seed)
    choice = random.Random(seed)
    values = torch.cat([row["maps"].float().flatten(1)[:, ::7] for row in rows], 1)
    network = GainNetwork()
    network.mean.copy_(values.mean(1))
    network.scale.copy_(values.std(1) + 1e-3)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, STEPS)
    for _ in range(STEPS):
        losses = [_loss(network, row, choice) for row in choice.sample(rows, BATCH)]
        optimiser.zero_grad()
        torch.stack(losses).mean().backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return network.eval()


def _loss(network: GainNetwork, row: dict[str, Any], choice: random.Random) -> Tensor:
    """Return the loss of a row, mirrored at random: of both errors, of their ratio and the gain.

    Of the gain, what lies near the 0.5 dB counts most.
    """
    axes = [axis for axis in (-1, -2) if choice.random() < 0.5]
    maps, errors = (row[name].float().flip(axes) for name in ("maps", "errors"))
    border = row["border"]
    found = network(maps)
    inner, target = (x[:, border:-border, border:-border] for x in (found, errors))
    ratio, true_ratio = (x[0] - x[1] for x in (inner, target))
    gains = [torch.tanh((gain_of_errors(x, border) - FAILED_BELOW) / 3) for x in (found, errors)]
    loss = functional.smooth_l1_loss(inner, target) + functional.smooth_l1_loss(ratio, true_ratio)
    return loss + 2 * (gains[0] - gains[1]).square()


def predict_held_out(rows: Sequence[dict[str, Any]]) -> NDArray[Any]:
    """Return the gain of each row that a network predicts which has not seen the photograph."""
    folds = np.array([fold_of(row["photo"]) for row in rows])
    gains = np.zeros(len(rows))
    for fold in range(FOLDS):
        network = train([row for row, own in zip(rows, folds, strict=True) if own != fold])
        for i in np.flatnonzero(folds == fold):
            with torch.no_grad():
                logarithms = network(rows[i]["maps"].float())
            gains[i] = float(gain_of_errors(logarithms, rows[i]["border"]))
        print("fold", fold, flush=True)
    return gains


def fold_of(photo: str) -> int:
    """Return the part to which a photograph belongs, by its name."""
    return int(hashlib.md5(photo.encode(), usedforsecurity=False).hexdigest(), 16) % FOLDS


def area_under_curve(scores: NDArray[Any], failed: NDArray[Any]) -> float:
    """Return the probability that a success has a higher score than a failure."""
    pairs = scores[~failed][:, None] - scores[failed][None]
    return float((pairs > 0).mean() + (pairs == 0).mean() / 2)


def judge(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return how well the network, the measures, and both tell failures, by the kind of kernel."""
    gains = np.clip(predict_held_out(rows), -MAX_GAIN, MAX_GAIN)[:, None]
    measures = np.array([row["evidence"] for row in rows])
    failed = np.array([row["gain"] < FAILED_BELOW for row in rows])
    folds = np.array([fold_of(row["photo"]) for row in rows])
    kinds = np.array([row["kind"] for row in rows])
    table = []
    for kind in ("all", "search"):
        own = (kinds == kind) | (kind == "all")
        for name, x in (
            ("measures", measures),
            ("network", gains),
            ("both", np.c_[measures, gains]),
        ):
            confidence = np.zeros(int(own.sum()))
            for fold in range(FOLDS):
                held = folds[own] == fold
                fitted = fit(x[own][~held], ~failed[own][~held])
                confidence[held] = predict(x[own][held], *fitted)
            area = round(area_under_curve(confidence, failed[own]), 3)
            counts = count_calibration(confidence, failed[own])
            table.append({"kernels": kind, "judged by": name, "area": area, **counts})
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    cases = verbs.add_parser("cases")
    cases.add_argument("photos", type=Path)
    cases.add_argument("folder", type=Path)
    cases.add_argument("--count", type=int, default=110, help="photographs")
    verbs.add_parser("judge").add_argument("folder", type=Path)
    trained = verbs.add_parser("train")
    trained.add_argument("folder", type=Path)
    trained.add_argument("output", type=Path, help="weights, .safetensors")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.verb == "cases":
        make_cases(options.photos, options.count, options.folder)
        return
    rows = [
        row
        for file in sorted(options.folder.glob("*.pt"))
        for row in torch.load(file, weights_only=True)
    ]
    if options.verb == "train":
        ensemble = GainEnsemble()
        ensemble.members = nn.ModuleList(train(rows, seed) for seed in range(N_MEMBERS))
        print(save_weights(ensemble.state_dict(), options.output))
        return
    photos = len({row["photo"] for row in rows})
    remark = (
        f"{len(rows)} kernels on {photos} photographs, of which {FOLDS} parts were held out in "
        "turn. `search` is the kernel of one alternation, refined; `area` is that under the ROC "
        "curve; a result failed if it gains less than 0.5 dB. None is the result of a whole search."
    )
    title = "Gain of blind kernels, predicted by a network"
    write_table("gain-network", title, judge(rows), remark, seed="number of the case")


if __name__ == "__main__":
    main()
