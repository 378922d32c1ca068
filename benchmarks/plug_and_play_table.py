"""Plug-and-play deconvolution beside others, on the blurred images of `svmap_table.py`.

    python benchmarks/plug_and_play_table.py bsd DATA
    python benchmarks/plug_and_play_table.py kodak KODAK --limit 6 --only plug-and-play \
        --model own.safetensors
    python benchmarks/plug_and_play_table.py bsd-methods DATA --every 4 --stored

Results: `results/plug-and-play-WHAT`. DATA is a folder of sharp images, whose luma is used: image
number i is blurred by stored kernel number i (13 to 35 pixels), cropped to the valid region, and
given Gaussian noise. Every method gets the true kernel and noise level; hyper-laplacian has the
weight, one for all images, of the highest PSNR on every fifth of them, or with `--stored` that of
`results/svmap-bsd.json`, chosen so on all of BSD's validation pictures. Seconds are processor time
of one thread per megapixel. Of plug-and-play there are two rows: with the trained steps, and with
the prior `denoiser` in steps by rule; `--steps` adds rows for other numbers of trained steps.
`--set` changes params of all, `--model` the weights of the trained steps. `--keep` measures the
methods of `--only` anew and keeps the other rows of the stored table, which has to be of the same
images.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from scale_table import RESULTS, write_table
from svmap_table import EXACT, StageVariant, best_weight, means, methods, samples
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.metrics import psnr, ssim
from unblur.plugins.manager import registry
from unblur.training.blurred_samples import BlurredSample

BASELINE = "hyper-laplacian, best weight"


def variants(
    noise: float, params: dict[str, Any], model: str | None, steps: Sequence[int] = ()
) -> list[StageVariant]:
    """Return the methods that are compared."""
    own = {**EXACT, **params}
    trained = own if model is None else {**own, "model": model}
    by_rule = {"priors": [{"prior": "denoiser", "weight": 1.0}], **own}
    baseline, svmap = methods(noise, {})
    return [
        baseline,
        *(
            StageVariant(f"plug-and-play, {n} steps", "plug-and-play", {**trained, "steps": n})
            for n in steps
        ),
        StageVariant("plug-and-play", "plug-and-play", trained),
        StageVariant("plug-and-play, denoiser", "plug-and-play", by_rule),
        svmap,
    ]


def stored_weight(noise: str, method: StageVariant) -> float | None:
    """Return the weight of a method in the table of svmap, if it has one there."""
    rows = json.loads((RESULTS / "svmap-bsd.json").read_text(encoding="utf-8"))["rows"]
    found = (r["weight"] for r in rows if (r["noise"], r["method"]) == (noise, method.label))
    return next(found, None)


def measure(
    method: StageVariant, weight: float | None, given: list[BlurredSample]
) -> tuple[dict[str, float], list[float]]:
    """Return means (PSNR, SSIM, seconds per megapixel) of a method, and the PSNR of each image."""
    params = dict(method.params) if weight is None else {**method.params, "weight": weight}
    stage = registry().stage("deconvolve", method.stage)(params)
    figures: list[tuple[float, float]] = []
    seconds = pixels = 0.0
    for sample in given:
        began = time.process_time()
        found = stage.deconvolve(
            sample.blurred[0],
            Kernel(sample.kernel.numpy()),
            Context(noise=float(sample.noise)),
        )[0].clamp(0, 1)
        seconds += time.process_time() - began
        pixels += found.numel()
        sharp = sample.sharp[0, 0]
        figures.append((psnr(found, sharp), ssim(found, sharp)))
    row = {**means(figures), "seconds": 1e6 * seconds / pixels}
    return row, [value for value, _ in figures]


def rows_of(given: list[BlurredSample], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the rows of one noise level."""
    noise = float(given[0].noise)
    name = f"{100 * noise:g} %"
    params = {key: yaml.safe_load(value) for key, value in options.set}
    baseline: list[float] = []
    rows = []
    for method in variants(noise, params, options.model, options.steps):
        if options.only and method.label not in options.only:
            continue
        weight = stored_weight(name, method) if options.stored else best_weight(method, given)
        found, each = measure(method, weight, given)
        baseline = each if method.label == BASELINE else baseline
        gain = float(np.mean(each) - np.mean(baseline)) if baseline else None
        rows.append({"noise": name, "method": method.label, "weight": weight, **found})
        rows[-1]["gain"] = gain
        print(json.dumps(rows[-1]), flush=True)
    return rows


def merge(rows: list[dict[str, Any]], name: str, steps: Sequence[int] = ()) -> list[dict[str, Any]]:
    """Return the rows in place of those of a stored table, and its other ones, with gains anew."""
    stored = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["rows"]
    order = [method.label for method in variants(0.01, {}, None, steps)]
    table = {(r["noise"], r["method"]): r for r in [*stored, *rows]}
    for (noise, _), row in table.items():
        row["gain"] = row["psnr"] - table[noise, BASELINE]["psnr"]
    return sorted(table.values(), key=lambda r: (r["noise"], order.index(r["method"])))


def pair(text: str) -> tuple[str, str]:
    """Return the key and the value of KEY=VALUE."""
    key, _, value = text.partition("=")
    return key, value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", help="name of the result, e.g. bsd")
    parser.add_argument("data", type=Path)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.01, 0.05])
    parser.add_argument("--limit", type=int, help="measure on the first images only")
    parser.add_argument("--every", type=int, default=1, help="measure on every n-th image")
    parser.add_argument("--stored", action="store_true", help="take the stored best weights")
    parser.add_argument("--only", nargs="*", help="rows to measure, by their labels")
    parser.add_argument("--keep", action="store_true", help="keep the other rows of the table")
    parser.add_argument(
        "--steps", type=int, nargs="*", default=[], help="add rows of so many steps"
    )
    parser.add_argument("--set", type=pair, action="append", default=[], metavar="PARAM=VALUE")
    parser.add_argument("--model", help="weights of the denoiser, a name or a file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for noise in options.noise:
        given = list(samples(options.data, noise, options.limit, options.every))
        rows += rows_of(given, options)
    remark = (
        f"Means over {len(given)} pictures of {options.data.name}; PSNR in dB over the valid "
        "region, gain in dB over hyper-laplacian, seconds of one thread per megapixel. True "
        "kernels of 13 to 35 pixels, stored; noise seeded; hyper-laplacian with its best weight."
    )
    name = f"plug-and-play-{options.what}"
    write_table(
        name,
        "Plug-and-play deconvolution with the true kernel",
        merge(rows, name, options.steps) if options.keep else rows,
        remark,
        "number of the picture",
    )


if __name__ == "__main__":
    main()
