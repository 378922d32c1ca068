"""The table of SVMAP's paper: PSNR and SSIM of non-blind methods on the same blurred images.

    python benchmarks/svmap_table.py DATA -o benchmarks/results/svmap_bsd.json
    python benchmarks/svmap_table.py NIGHT --saturated -o benchmarks/results/svmap_night.json

DATA is a folder of sharp pictures, of which luma is taken. Picture number i is blurred by stored
kernel number i (modulo their count, 13 to 35 pixels wide, one of each width), so that only
pixels that see the picture alone remain, and Gaussian noise is added, seeded by i. With
`--saturated` the picture is made 1.2 times brighter before the blur, up to 1 % of noise is added,
and both are clipped at white; of the night scenes only those that no weights were trained on
are used. Every method gets the true kernel and the true noise level. A method that has a weight
gets the one weight, the same for all pictures, that serves it best on them.

The kernels were drawn by `--draw-kernels` once, and are kept in `kernels_13_35.npz`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unblur.context import Context
from unblur.kernels import Kernel
from unblur.metrics import psnr, ssim
from unblur.plugins import registry
from unblur.synthesis import gaussian_process_kernel, shake_kernel
from unblur.training.pictures import picture_files, read_luma
from unblur_svmap.data import Sample, degrade
from unblur_svmap.recipe import GAIN, held_out

KERNELS = Path(__file__).with_name("kernels_13_35.npz")
SIZES = range(13, 36)
FACTORS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)


@dataclass(frozen=True)
class Method:
    """A stage with its params; `weights` are the values tried of its weight, if it has one."""

    label: str
    stage: str
    params: dict[str, Any]
    weights: tuple[float, ...] = ()


def methods(noise: float, weights: str | None) -> list[Method]:
    """Return what the table compares."""
    own = {"noise": noise} | ({"model": weights} if weights else {})
    tried = tuple(noise_weight(noise) * factor for factor in FACTORS)
    return [
        Method("hyper-laplacian, best weight", "hyper-laplacian", {}, tried),
        Method("svmap", "svmap", own),
    ]


def noise_weight(noise: float) -> float:
    """Return a weight of the hyper-Laplacian near which the best one lies."""
    return 2 * max(noise, 0.002) ** 2


def draw_kernels(seed: int = 2021) -> list[Kernel]:
    """Draw a kernel of each size, from a Gaussian process and from a shaken camera in turn."""
    generator = torch.Generator().manual_seed(seed)
    kinds = (gaussian_process_kernel, shake_kernel)
    return [kinds[size % 2](size, generator) for size in SIZES]


def stored_kernels() -> list[Kernel]:
    """Return the kernels that the table is measured with."""
    with np.load(KERNELS, allow_pickle=False) as stored:
        return [Kernel(stored[name]) for name in stored.files]


def samples(folder: Path, noise: float | None, limit: int | None) -> Iterator[Sample]:
    """Yield the blurred pictures; `noise` None stands for the saturated protocol."""
    kernels = stored_kernels()
    files = picture_files(folder)
    if noise is None:
        files = [file for file in files if file.name in held_out()]
    for number, file in enumerate(files[:limit]):
        generator = torch.Generator().manual_seed(number)
        sharp = read_luma(file).float() / 255
        kernel = kernels[number % len(kernels)]
        if noise is None:
            level = 0.01 * float(torch.rand((), generator=generator))
            yield degrade(sharp, kernel, level, generator, GAIN)
        else:
            yield degrade(sharp, kernel, noise, generator)


def score(method: Method, weight: float | None, given: list[Sample]) -> dict[str, float]:
    """Return mean PSNR, SSIM and seconds per megapixel of a method."""
    params = dict(method.params)
    if weight is not None:
        params["weight"] = weight
    stage = registry().stage("deconvolve", method.stage)
    figures: list[tuple[float, float, float]] = []
    for sample in given:
        own = params if method.stage != "svmap" else {**params, "noise": float(sample.noise)}
        began = time.perf_counter()
        found = stage(own).deconvolve(
            sample.blurred[0],
            Kernel(sample.kernel.numpy()),
            Context(noise=float(sample.noise)),
            sample.mask,
        )
        seconds = time.perf_counter() - began
        found, sharp = found[0].clamp(0, 1), sample.sharp[0, 0]
        megapixels = sharp.numel() / 1e6
        figures.append((psnr(found, sharp), ssim(found, sharp), seconds / megapixels))
    means = np.mean(figures, axis=0)
    return dict(zip(("psnr", "ssim", "seconds per megapixel"), map(float, means), strict=True))


def measure(folder: Path, noise: float | None, limit: int | None, own: str | None) -> list[Any]:
    """Return the rows of the table for one noise level."""
    given = list(samples(folder, noise, limit))
    level = 0.005 if noise is None else noise
    blurred = [
        (psnr(s.blurred.clamp(0, 1), s.sharp), ssim(s.blurred[0, 0], s.sharp[0, 0])) for s in given
    ]
    mean = np.mean(blurred, axis=0)
    name = "saturated" if noise is None else f"{100 * noise:g} %"
    rows = [{"noise": name, "method": "blurred", "psnr": float(mean[0]), "ssim": float(mean[1])}]
    for method in methods(level, own):
        tried = [(score(method, weight, given), weight) for weight in method.weights or (None,)]
        best, weight = max(tried, key=lambda pair: pair[0]["psnr"])
        rows.append({"noise": name, "method": method.label, "weight": weight, **best})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--saturated", action="store_true")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.01, 0.05])
    parser.add_argument("--limit", type=int, help="measure on the first pictures only")
    parser.add_argument("--weights", help="weights of svmap: a name or a file")
    parser.add_argument("--draw-kernels", action="store_true")
    options = parser.parse_args()
    if options.draw_kernels:
        np.savez_compressed(KERNELS, **{str(max(k.shape)): k.weights for k in draw_kernels()})
        return
    levels = [None] if options.saturated else options.noise
    rows = []
    for noise in levels:
        rows += measure(options.data, noise, options.limit, options.weights)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
