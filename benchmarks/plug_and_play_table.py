"""Plug-and-play deconvolution beside others, on the blurred images of `svmap_table.py`.

    python benchmarks/plug_and_play_table.py bsd DATA
    python benchmarks/plug_and_play_table.py kodak KODAK --limit 6 --only plug-and-play \
        --set steps=6 --set penalty=0.15

Results: `results/plug-and-play-WHAT`. DATA is a folder of sharp images, whose luma is used: image
number i is blurred by stored kernel number i (13 to 35 pixels), cropped to the valid region, and
given Gaussian noise. Every method gets the true kernel and noise level; hyper-laplacian has the
weight, one for all images, of the highest PSNR on every fifth of them, or with `--stored` that of
`results/svmap-bsd.json`, chosen so on all of BSD's validation pictures. Seconds are processor time
of one thread per megapixel. `--set` changes params of plug-and-play, `--model` its weights.
"""

from __future__ import annotations

import argparse
import json
import time
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
from unblur_svmap.training.data import BlurredSample

BASELINE = "hyper-laplacian, best weight"


def variants(noise: float, params: dict[str, Any], model: str | None) -> list[StageVariant]:
    """Return the methods that are compared."""
    own = {**EXACT, **params}
    if model is not None:
        own["priors"] = [{"prior": "denoiser", "weight": 1.0, "params": {"model": model}}]
    baseline, svmap = methods(noise, {})
    return [baseline, StageVariant("plug-and-play", "plug-and-play", own), svmap]


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
    for method in variants(noise, params, options.model):
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
    write_table(
        f"plug-and-play-{options.what}",
        "Plug-and-play deconvolution with the true kernel",
        rows,
        remark,
        "number of the picture",
    )


if __name__ == "__main__":
    main()
