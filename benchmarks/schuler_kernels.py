"""Accuracy of estimated kernels by kernel size and by image size, and the time of an estimate.

    python benchmarks/schuler_kernels.py sizes ../shared/data/bsds500/val
    python benchmarks/schuler_kernels.py area ../shared/data/photos
    python benchmarks/schuler_kernels.py speed

`sizes` blurs image number i by a kernel of Eq. 6 (Schuler), of the sizes of `--kernels` in
rotation, seeded by i, adds noise, and compares the estimated kernels, given the true size:
similarity, and the error ratio of a deconvolution with them (hyper-laplacian). `area` estimates
from central crops of increasing size of the same blurred images, with all windows or with the
textured ones. `speed` measures the time of one estimate. Each writes
`benchmarks/results/schuler-NAME.json` and a table beside it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

import numpy as np
import torch
from torch import Tensor

from provenance import provenance
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.metrics import error_ratio, kernel_similarity
from unblur.numerics.synthesis import (
    add_gaussian_noise,
    blur_image,
    crop_valid,
    gaussian_process_kernel,
)
from unblur.plugins.manager import registry
from unblur.training.images import image_files, read_luma

RESULTS = Path(__file__).parent / "results"
AREAS = (96, 128, 192, 256, 384, 512, 680)
GOOD, USABLE = 0.8, 3.0
Row = dict[str, object]


@dataclass(frozen=True)
class BlurredImage:
    """A blurred image (1, H, W), the sharp one, the kernel, and the noise (white = 1)."""

    name: str
    blurred: Tensor
    sharp: Tensor
    kernel: Kernel
    noise: float


def blurred_images(options: argparse.Namespace, least: int = 0) -> Iterator[BlurredImage]:
    """Yield the images with edges of at least `least` pixels, each with a kernel of its own."""
    files = image_files(options.data)
    if least:
        files = [file for file in files if min(read_luma(file).shape) >= least]
    files = files[:: max(len(files) // options.count, 1)][: options.count]
    for number, file in enumerate(files):
        generator = torch.Generator().manual_seed(number)
        size = options.kernels[number % len(options.kernels)]
        kernel = gaussian_process_kernel(size, generator)
        sharp = read_luma(file).float()[None] / 255
        seen = add_gaussian_noise(blur_image(sharp, kernel), options.noise, generator)
        yield BlurredImage(file.stem, seen, crop_valid(sharp, kernel), kernel, options.noise)


def estimate(
    name: str, given: BlurredImage, blurred: Tensor, windows: str = "textured"
) -> tuple[Kernel, float]:
    """Return the kernel that an estimator finds, and its processor seconds."""
    size = {"size": given.kernel.shape[0]}
    kind = "map" if name == "map" else "schuler"
    params = size if name == "map" else {**size, "model": name, "windows": windows}
    stage = registry().stage("kernel", kind)(params)
    began = time.process_time()
    kernel = stage.estimate(blurred, Context(noise=given.noise)).kernel  # type: ignore[attr-defined]
    return kernel, time.process_time() - began


def sizes(options: argparse.Namespace) -> tuple[list[Row], str]:
    """Compare estimators by kernel size."""
    stage = registry().stage("deconvolve", "hyper-laplacian")()
    rows: list[Row] = []
    for given in blurred_images(options):
        context = Context(noise=given.noise)
        best = stage.deconvolve(given.blurred, given.kernel, context)  # type: ignore[attr-defined]
        for name in options.models:
            kernel, seconds = estimate(name, given, given.blurred)
            sharp = stage.deconvolve(given.blurred, kernel, context)  # type: ignore[attr-defined]
            rows.append(
                {
                    "picture": given.name,
                    "size": given.kernel.shape[0],
                    "model": Path(name).stem,
                    "similarity": kernel_similarity(kernel, given.kernel),
                    "ratio": error_ratio(sharp, best, given.sharp, border=20),
                    "processor seconds": seconds,
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    return rows, _sizes_table(rows)


def _sizes_table(rows: list[Row]) -> str:
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        for key in (str(row["size"]), "all"):
            groups[str(row["model"]), key].append(row)
    lines = [
        f"| model | size | pictures | similarity, median | mean | ratio, median "
        f"| ratio < {USABLE:g} | CPU s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for (model, size), group in sorted(groups.items(), key=lambda g: (g[0][0], g[0][1].zfill(3))):
        similarity = [float(str(r["similarity"])) for r in group]
        ratio = [float(str(r["ratio"])) for r in group]
        usable = sum(r < USABLE for r in ratio) / len(ratio)
        seconds = mean(float(str(r["processor seconds"])) for r in group)
        lines.append(
            f"| {model} | {size} | {len(group)} | {median(similarity):.3f} "
            f"| {mean(similarity):.3f} | {median(ratio):.2f} | {usable:.0%} | {seconds:.1f} |"
        )
    return "\n".join(lines)


def area(options: argparse.Namespace) -> tuple[list[Row], str]:
    """Estimate from central crops of increasing size of the same images."""
    rows: list[Row] = []
    for given in blurred_images(options, least=AREAS[-1] + max(options.kernels)):
        for edge in AREAS:
            top, left = ((n - edge) // 2 for n in given.blurred.shape[-2:])
            crop = given.blurred[:, top : top + edge, left : left + edge]
            row: Row = {"picture": given.name, "edge": edge}
            for windows in ("all", "textured"):
                kernel, _ = estimate(options.models[0], given, crop, windows)
                row[windows] = kernel_similarity(kernel, given.kernel)
            rows.append(row)
            print(json.dumps(row), flush=True)
    lines = [
        "| edge in pixels | pictures | similarity, all windows | textured windows |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for edge in AREAS:
        group = [row for row in rows if row["edge"] == edge]
        means = [mean(float(str(row[key])) for row in group) for key in ("all", "textured")]
        lines.append(f"| {edge} | {len(group)} | {means[0]:.3f} | {means[1]:.3f} |")
    return rows, "\n".join(lines)


def speed(options: argparse.Namespace) -> tuple[list[Row], str]:
    """Measure the shortest of three estimates of a kernel of 17 x 17 pixels."""
    rows: list[Row] = []
    lines = ["| model | image | s |", "| --- | ---: | ---: |"]
    generator = torch.Generator().manual_seed(0)
    kernel = gaussian_process_kernel(17, generator)
    for name in options.models:
        for edge in options.edges:
            image = torch.from_numpy(_boxes(edge + 16))
            given = BlurredImage("boxes", blur_image(image, kernel), image, kernel, 0.01)
            seconds = min(measure_seconds(name, given) for _ in range(3))
            rows.append({"model": name, "edge": edge, "seconds": round(seconds, 3)})
            lines.append(f"| {name} | {edge} x {edge} | {seconds:.2f} |")
    return rows, "\n".join(lines)


def measure_seconds(name: str, given: BlurredImage) -> float:
    """Return the wall-clock seconds of an estimate."""
    began = time.perf_counter()
    estimate(name, given, given.blurred)
    return time.perf_counter() - began


def _boxes(edge: int) -> np.ndarray:
    draw = np.random.default_rng(0)
    coarse = draw.uniform(0, 1, (1, edge // 16 + 1, edge // 16 + 1)).astype(np.float32)
    return coarse.repeat(16, 1).repeat(16, 2)[:, :edge, :edge]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("measure", choices=["sizes", "area", "speed"])
    parser.add_argument("data", type=Path, nargs="?", help="a folder of sharp images")
    parser.add_argument("--models", nargs="+", default=["deep"], help="weights, or map")
    parser.add_argument("--kernels", type=int, nargs="+", default=list(range(9, 26, 2)))
    parser.add_argument("--count", type=int, default=27, help="number of images")
    parser.add_argument("--noise", type=float, default=0.01)
    parser.add_argument("--edges", type=int, nargs="+", default=[1024])
    parser.add_argument("--name", help="name of the result; the measure by default")
    options = parser.parse_args()
    measure = {"sizes": sizes, "area": area, "speed": speed}[options.measure]
    rows, table = measure(options)
    about = {
        **provenance(0 if options.measure == "speed" else "number of the picture"),
        "settings": {k: str(v) for k, v in vars(options).items()},
    }
    target = RESULTS / f"schuler-{options.name or options.measure}"
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({**about, "rows": rows}, indent=1)
    target.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    note = ", ".join(f"{k} {v}" for k, v in about["settings"].items())
    target.with_suffix(".md").write_text(
        f"{table}\n\n{note}\n\n{about['device']}, {about['date']}\n"
    )
    print(table)


if __name__ == "__main__":
    main()
