"""The tables of SelfDeblur's and Kotera's papers: Levin's 32 pairs, or 8 Kodak images x 8 kernels.

    python benchmarks/selfdeblur_table.py ../shared/data levin --method kotera --device cuda
    python benchmarks/selfdeblur_table.py ../shared/data kodak --method selfdeblur --device cuda
    python benchmarks/selfdeblur_table.py ../shared/data levin --method kotera --preset fast \
        --pairs im1_kernel5 im2_kernel3 im3_kernel2 im4_kernel1
    python benchmarks/selfdeblur_table.py ../shared/data levin --method kotera --preset fast \
        --seeds 5 --restarts 3 --crop 128 --pairs im1_kernel5 im2_kernel3 im3_kernel2

Each pair and seed is one row, written when it is done, with device, date, seconds and the PSNR of
the previews over time; stored rows are not computed again. A row scores the estimator's own image,
and those of `svmap` and `hyper-laplacian` with the estimated kernel, by Levin's protocol. The
error ratio is that of `hyper-laplacian` with the estimated and the true kernel; for the own image,
its error over that of `hyper-laplacian` with the true kernel. The kernel sizes of Levin's pairs
are those of the authors, unless `--size auto` is given.

`--crop` uses the central part of each pair only, for runs with many seeds.

Kodak images are blurred as luma, cropped to the valid region, without noise.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from provenance import provenance
from unblur.bench.pairs import load_set
from unblur.bench.scores import plane
from unblur.io import read_image, read_kernel
from unblur.model.context import Context, Progress, resolve_device
from unblur.model.kernel import Kernel
from unblur.model.stages import Deconvolver, KernelEstimator
from unblur.numerics.colour import to_luma
from unblur.numerics.metrics import kernel_similarity, levin_aligned
from unblur.numerics.synthesis import blur_image, crop_valid
from unblur.plugins.manager import registry

SIZES = (17, 15, 13, 27, 11, 19, 21, 21)
"""Kernel sizes for Levin's kernels 1 to 8, as the authors set them, pixels."""
SEARCH = 10.0
"""Largest shift of the alignment (kernels lie up to 6 pixels from Levin's), pixels."""
RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True)
class Case:
    """A blurred image (1, H, W), the sharp one, the true kernel, and the kernel size in pixels."""

    name: str
    blurred: Tensor
    sharp: Tensor
    kernel: Kernel
    size: int

    def cropped(self, edge: int) -> Case:
        """Return the central `edge` x `edge` pixels, or all for 0."""
        if not edge:
            return self
        inside = tuple(slice((n - edge) // 2, (n + edge) // 2) for n in self.blurred.shape[-2:])
        return replace(self, blurred=self.blurred[(..., *inside)], sharp=self.sharp[(..., *inside)])


def luma(path: Path) -> Tensor:
    """Read an image as luma (1, H, W), white = 1."""
    image = read_image(path)
    return to_luma(plane(image, image.white)).float()


def levin(folder: Path) -> Iterator[Case]:
    """Yield Levin's 32 pairs."""
    for pair in load_set(folder / "levin09").pairs:
        assert pair.kernel is not None
        number = int(pair.name.partition("kernel")[2][0])
        name, kernel = pair.name.removesuffix("_img"), read_kernel(pair.kernel).mean
        yield Case(name, luma(pair.blurred), luma(pair.sharp), kernel, SIZES[number - 1])


def kodak(folder: Path) -> Iterator[Case]:
    """Yield the first 8 Kodak images, each blurred by Levin's 8 kernels."""
    for path in sorted((folder / "kodak").glob("*.png"))[:8]:
        sharp = luma(path)
        for number, size in enumerate(SIZES, 1):
            kernel = read_kernel(folder / "levin09" / "kernels_f32" / f"kernel{number}.tif").mean
            blurred, seen = blur_image(sharp, kernel), crop_valid(sharp, kernel)
            yield Case(f"{path.stem}_kernel{number}", blurred, seen, kernel, size)


def scored(result: Tensor, case: Case) -> dict[str, float]:
    """Return PSNR, SSIM and summed squared error at the best shift."""
    found = levin_aligned(result.cpu().clamp(0, 1), case.sharp, search=SEARCH)
    return {"psnr": found.psnr, "ssim": found.ssim, "error": found.error}


def row(case: Case, options: argparse.Namespace, seed: int, device: str) -> dict[str, Any]:
    """Run the estimator on a case and score its results."""
    began, cpu = time.perf_counter(), time.process_time()
    curve: list[list[float]] = []

    def watch(report: Progress) -> None:
        nonlocal began, cpu
        if report.preview is None or report.done % options.every:
            return
        now, spent = time.perf_counter() - began, time.process_time() - cpu
        curve.append([report.done, now, spent, scored(report.preview, case)["psnr"]])
        began, cpu = time.perf_counter() - now, time.process_time() - spent  # scoring is not timed

    cls: Any = registry().stage("kernel", options.method)
    params = {
        "size": "auto" if options.size == "auto" else case.size,
        "preset": options.preset,
        "restarts": options.restarts,
        "initial_estimator": options.initial_estimator,
        "iterations": options.iterations,
    }
    case = case.cropped(options.crop)
    stage: KernelEstimator = cls(params)
    blurred = case.blurred.to(device)
    context = Context(device=device, seed=seed, on_progress=watch)
    found = stage.estimate(blurred, context)
    assert found.latent is not None
    seconds, spent = time.perf_counter() - began, time.process_time() - cpu
    results = {"own": scored(found.latent, case)}
    for name in ("svmap", "hyper-laplacian"):
        second: Any = registry().stage("deconvolve", name)
        step: Deconvolver = second()
        results[name] = scored(step.deconvolve(blurred, found.kernel, context), case)
    known = scored(step.deconvolve(blurred, case.kernel, context), case)
    return {
        "case": case.name,
        "method": options.method,
        **params,
        "crop": options.crop,
        **results,
        "isnr": results["own"]["psnr"] - scored(case.blurred, case)["psnr"],
        "error ratio": results["hyper-laplacian"]["error"] / known["error"],
        "error ratio of own": results["own"]["error"] / known["error"],
        "similarity": kernel_similarity(found.kernel, case.kernel),
        "frame": list(found.kernel.shape),
        "notes": list(found.notes),
        "seconds": seconds,
        "cpu seconds": spent,
        "curve of iteration, seconds, cpu seconds, psnr": curve,
        **provenance(seed, device),
    }


def identity(entry: dict[str, Any]) -> tuple[Any, ...]:
    """Return the values that identify a row."""
    named = ("case", "method", "preset", "size", "restarts", "seed")
    initial = entry.get("initial_estimator", "none")
    return (*(entry[key] for key in named), entry.get("crop", 0), initial)


def summary(rows: list[dict[str, Any]]) -> str:
    """Return the means over the rows and the deviation between seeds, as one line of JSON."""
    means = {
        name: float(np.mean([entry[name]["psnr"] for entry in rows]))
        for name in ("own", "svmap", "hyper-laplacian")
    }
    by_case: dict[str, list[float]] = {}
    for entry in rows:
        by_case.setdefault(entry["case"], []).append(entry["own"]["psnr"])
    spread = [float(np.std(values, ddof=1)) for values in by_case.values() if len(values) > 1]
    figures = {
        "rows": len(rows),
        **{f"psnr, {name}": round(value, 2) for name, value in means.items()},
        "isnr": round(float(np.mean([entry["isnr"] for entry in rows])), 2),
        "error ratio": round(float(np.mean([entry["error ratio"] for entry in rows])), 3),
        "deviation between seeds": [round(value, 2) for value in spread],
    }
    return json.dumps(figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("set", choices=("levin", "kodak"))
    parser.add_argument("--method", choices=("selfdeblur", "kotera"), default="selfdeblur")
    parser.add_argument("--preset", choices=("published", "fast"), default="published")
    parser.add_argument("--size", choices=("auto", "authors"), default="authors")
    parser.add_argument("--pairs", nargs="+", help="names of the cases to run; all by default")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--restarts", type=int, default=1)
    parser.add_argument("--initial-estimator", default="none", help="of the initial kernel")
    parser.add_argument("--crop", type=int, default=0, help="pixels of the central crop; 0 for all")
    parser.add_argument("--every", type=int, default=100, help="iterations between scored previews")
    parser.add_argument("--device", default="auto")
    parser.add_argument("-o", "--output", type=Path, help="file of the rows, JSON")
    parser.set_defaults(iterations="auto")
    options = parser.parse_args()
    output = options.output or RESULTS / f"{options.method}_{options.set}.json"
    rows = json.loads(output.read_text("utf-8")) if output.exists() else []
    device = resolve_device(options.device)
    for case in (levin if options.set == "levin" else kodak)(options.data):
        if options.pairs and case.name not in options.pairs:
            continue
        for seed in range(options.seeds):
            size = "auto" if options.size == "auto" else case.size
            settings = (options.method, options.preset, size, options.restarts, seed, options.crop)
            settings = (*settings, options.initial_estimator)
            if any(identity(entry) == (case.name, *settings) for entry in rows):
                continue
            rows.append(row(case, options, seed, device))
            temporary = output.with_suffix(".part")
            temporary.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
            temporary.replace(output)
            print(case.name, {k: round(rows[-1][k]["psnr"], 2) for k in ("own", "svmap")})
    if rows:
        print(summary(rows))


if __name__ == "__main__":
    main()
