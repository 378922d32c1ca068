"""How well kernels are found: by kernel size, by image size, and how long it takes.

    python benchmarks/schuler_kernels.py sizes ../shared/data/bsds500/val
    python benchmarks/schuler_kernels.py area ../shared/data/photos
    python benchmarks/schuler_kernels.py speed

`sizes` blurs picture number i by a kernel of Eq. 6 of the i-th size in turn, seeded by i, adds
noise, and compares the kernels that the estimators find in a frame of the true size: similarity,
and the error ratio of a deconvolution with them (hyper-laplacian). `area` estimates from the
middle of the same blurred pictures, cropped larger and larger, with all windows or with the
textured ones. `speed` takes the time of one estimate. Each leaves
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
class Given:
    """A blurred picture (1, H, W), the sharp one, the kernel, and the noise."""

    name: str
    blurred: Tensor
    sharp: Tensor
    kernel: Kernel
    noise: float


def blurred_pictures(options: argparse.Namespace, least: int = 0) -> Iterator[Given]:
    """Yield the pictures of at least so many pixels, each blurred by a kernel of its own."""
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
        yield Given(file.stem, seen, crop_valid(sharp, kernel), kernel, options.noise)


def found(
    name: str, given: Given, blurred: Tensor, windows: str = "textured"
) -> tuple[Kernel, float]:
    """Return the kernel that an estimator finds, and the processor seconds that it takes."""
    frame = {"size": given.kernel.shape[0]}
    kind = "map" if name == "map" else "schuler"
    params = frame if name == "map" else {**frame, "model": name, "windows": windows}
    stage = registry().stage("kernel", kind)(params)
    began = time.process_time()
    kernel = stage.estimate(blurred, Context(noise=given.noise)).kernel  # type: ignore[attr-defined]
    return kernel, time.process_time() - began


def sizes(options: argparse.Namespace) -> tuple[list[Row], str]:
    """Compare estimators kernel size by kernel size."""
    stage = registry().stage("deconvolve", "hyper-laplacian")()
    rows: list[Row] = []
    for given in blurred_pictures(options):
        context = Context(noise=given.noise)
        best = stage.deconvolve(given.blurred, given.kernel, context)  # type: ignore[attr-defined]
        for name in options.models:
            kernel, seconds = found(name, given, given.blurred)
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
    """Estimate from larger and larger middles of the same pictures."""
    rows: list[Row] = []
    for given in blurred_pictures(options, least=AREAS[-1] + max(options.kernels)):
        for edge in AREAS:
            top, left = ((n - edge) // 2 for n in given.blurred.shape[-2:])
            middle = given.blurred[:, top : top + edge, left : left + edge]
            row: Row = {"picture": given.name, "edge": edge}
            for windows in ("all", "textured"):
                kernel, _ = found(options.models[0], given, middle, windows)
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
    """Take the least time of three estimates at 17 x 17."""
    rows: list[Row] = []
    lines = ["| model | image | s |", "| --- | ---: | ---: |"]
    generator = torch.Generator().manual_seed(0)
    kernel = gaussian_process_kernel(17, generator)
    for name in options.models:
        for edge in options.edges:
            image = torch.from_numpy(_boxes(edge + 16))
            given = Given("boxes", blur_image(image, kernel), image, kernel, 0.01)
            seconds = min(elapsed(name, given) for _ in range(3))
            rows.append({"model": name, "edge": edge, "seconds": round(seconds, 3)})
            lines.append(f"| {name} | {edge} x {edge} | {seconds:.2f} |")
    return rows, "\n".join(lines)


def elapsed(name: str, given: Given) -> float:
    """Return the seconds that an estimate takes."""
    began = time.perf_counter()
    found(name, given, given.blurred)
    return time.perf_counter() - began


def _boxes(edge: int) -> np.ndarray:
    draw = np.random.default_rng(0)
    coarse = draw.uniform(0, 1, (1, edge // 16 + 1, edge // 16 + 1)).astype(np.float32)
    return coarse.repeat(16, 1).repeat(16, 2)[:, :edge, :edge]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("measure", choices=["sizes", "area", "speed"])
    parser.add_argument("data", type=Path, nargs="?", help="a folder of sharp pictures")
    parser.add_argument("--models", nargs="+", default=["deep"], help="weights, or map")
    parser.add_argument("--kernels", type=int, nargs="+", default=list(range(9, 26, 2)))
    parser.add_argument("--count", type=int, default=27, help="pictures")
    parser.add_argument("--noise", type=float, default=0.01)
    parser.add_argument("--edges", type=int, nargs="+", default=[1024])
    parser.add_argument("--name", help="what the result is called; the measure, by default")
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
