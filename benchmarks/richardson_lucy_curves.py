"""PSNR against the truth over processor time: `richardson-lucy` and other tools, by iterations.

    OMP_NUM_THREADS=1 python benchmarks/richardson_lucy_curves.py ../shared/data

Photographs are blurred by PSFs (valid pixels only: the scene goes on beyond the border), with the
noise of photons (1000 at white) or of 1 % of white; a stack of cells likewise. The photographs and
PSFs are not those on which the step sizes were chosen. PSNR leaves out a PSF's width of border,
where the tools' boundary conditions differ.

A tool's seconds are those of a process with one thread, a straight line through the medians of its
runs with few and with 30 iterations, the tools alternating. The time to the same PSNR is that of
the first result of a tool with at least the highest PSNR that all tools reach, less 0.02 dB.
Results: `results/richardson-lucy-curves`, and a picture in docs/images.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from torch import Tensor

from race import Tool
from race_richardson_lucy import tools
from scale_table import write_table
from unblur.model.kernel import Kernel
from unblur.numerics.metrics import psnr
from unblur.numerics.synthesis import gaussian_process_kernel
from unblur.testing import SyntheticScene, gaussian
from unblur.training.images import read_luma
from unblur.training.plot import write_plot
from unblur_classic.nonblind.richardson_lucy import RichardsonLucy
from unblur_classic.nonblind.richardson_lucy.scene_estimation import fastest_steps

ITERATIONS = (2, 4, 6, 9, 13, 20, 30)
"""Numbers of iterations of each result, dimensionless."""
TIMED = (4, 30)
"""Numbers of iterations of the timed runs, dimensionless."""
MARGIN = 0.02
"""Distance below the highest PSNR that all tools reach at which results count as equal, dB."""
PEAK = 1000
"""Photons at white."""
EDGE = 192
"""Extent of the blurred photographs along each axis, pixels."""


@dataclass(frozen=True)
class Case:
    """A scene, its PSF and the noise: "photons" or "1 %"."""

    label: str
    sharp: Tensor
    kernel: Kernel
    noise: str

    def degrade(self) -> SyntheticScene:
        """Return the scene with its blurred, noisy image, without what the PSF cuts off."""
        psf = self.kernel.tensor()
        axes = tuple(range(-psf.ndim, 0))
        shape = [a + b - 1 for a, b in zip(self.sharp.shape, psf.shape, strict=True)]
        product = torch.fft.rfftn(self.sharp, shape, axes) * torch.fft.rfftn(psf, shape, axes)
        full = torch.fft.irfftn(product, shape, axes)
        size = [a - b + 1 for a, b in zip(self.sharp.shape, psf.shape, strict=True)]
        start = zip(psf.shape, size, strict=True)
        blurred = full[tuple(slice(k - 1, k - 1 + n) for k, n in start)].clamp_min(0)
        before = zip(psf.shape, size, strict=True)
        inside = tuple(slice(k - 1 - k // 2, k - 1 - k // 2 + n) for k, n in before)
        generator = torch.Generator().manual_seed(0)
        if self.noise == "photons":
            noisy = torch.poisson(blurred * PEAK, generator=generator) / PEAK
        else:
            noisy = (blurred + 0.01 * torch.randn(blurred.shape, generator=generator)).clamp_min(0)
        return SyntheticScene(self.sharp[inside][None], noisy[None], self.kernel)


def cases(folder: Path) -> list[Case]:
    """Return the photographs and the stack."""
    motion = gaussian_process_kernel(21, torch.Generator().manual_seed(3))
    disk = Kernel(torch.tensor(np.hypot(*np.ogrid[-5:6, -5:6]) <= 4.5).float())
    found = []
    for number, kernel, label, noise in (
        (8, gaussian((25, 25), 2.5), "Gaussian", "1 %"),
        (13, disk, "disk", "photons"),
        (20, motion, "motion", "1 %"),
    ):
        name = f"kodim{number:02d}"
        luma = torch.as_tensor(read_luma(folder / "kodak" / f"{name}.png")).float() / 255
        edge = EDGE + max(kernel.shape) - 1
        found.append(Case(f"{name}, {label}, {noise}", luma[:edge, :edge], kernel, noise))
    stack = tifffile.imread(folder / "microscopy/widefield_dapi_stack/dapi_001.tif")
    cells = torch.from_numpy(stack.astype(np.float32) / stack.max())[:28, :78, :78]
    kernel = gaussian((9, 15, 15), 1.6)
    return [*found, Case("cells, 3-D Gaussian, photons", cells, kernel, "photons")]


def inner_psnr(found: Tensor, scene: SyntheticScene) -> float:
    """Return the PSNR without a PSF's width of border."""
    inner = (..., *(slice(n, -n) if 3 * n < e else slice(None)
                    for n, e in zip(scene.kernel.shape, found.shape[1:], strict=True)))  # fmt: skip
    return psnr(found[inner].float(), scene.sharp[inner])


def curves(case: Case, repetitions: int) -> list[dict[str, Any]]:
    """Return iterations, seconds and PSNR of each result of each tool."""
    scene = case.degrade()
    by_count: dict[int, Mapping[str, Tool]] = {
        count: {tool.label: tool for tool in tools(count)} for count in {*ITERATIONS, *TIMED}
    }
    labels = [tool.label for tool in tools(1) if tool.package in
              ("unblur", "scikit-image", "redlionfish")]  # fmt: skip
    if len(case.sharp.shape) == 2:
        labels.remove("RedLionfish, CPU")  # takes volumes only
    spent: dict[tuple[str, int], list[float]] = {}
    for _ in range(repetitions):
        for label in labels:
            for count in TIMED:
                run = by_count[count][label].run
                spent.setdefault((label, count), []).append(processor_seconds(run, scene))
    rows = []
    for label in labels:
        few, many = (statistics.median(spent[label, count]) for count in TIMED)
        for count in ITERATIONS:
            steps, first, last = (work(label, n, case.kernel) for n in (count, *TIMED))
            seconds = few + (many - few) * (steps - first) / (last - first)
            score = inner_psnr(by_count[count][label].run(scene, None), scene)
            row = {"case": case.label, "tool": label, "iterations": count}
            rows.append({**row, "seconds": round(max(seconds, 1e-4), 4), "psnr": round(score, 3)})
    return rows


def work(label: str, iterations: int, kernel: Kernel) -> int:
    """Return the number of steps that a tool computes for a number of iterations."""
    if label != "unblur":
        return iterations
    params = RichardsonLucy.Params(iterations=iterations)
    return len(fastest_steps(params, kernel.tensor())[0])


def processor_seconds(run: Callable[..., Tensor], scene: SyntheticScene) -> float:
    """Return the processor time of a run."""
    began = time.process_time()
    run(scene, None)
    return time.process_time() - began


def to_the_same_psnr(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return, for each case, the PSNR that all tools reach and the time of each to it."""
    found = []
    for case in dict.fromkeys(row["case"] for row in rows):
        of_case = [row for row in rows if row["case"] == case]
        labels = list(dict.fromkeys(row["tool"] for row in of_case))
        best = {t: max(r["psnr"] for r in of_case if r["tool"] == t) for t in labels}
        target = min(best.values()) - MARGIN
        seconds = {
            t: next(r["seconds"] for r in of_case if r["tool"] == t and r["psnr"] >= target)
            for t in labels
        }
        row: dict[str, Any] = {"case": case, "PSNR": round(target, 2)}
        for label in labels:
            row[f"{label}, s"] = seconds[label]
            row[f"{label}, best"] = round(best[label], 2)
            if label != "unblur":
                row[f"{label}, times"] = round(seconds[label] / seconds["unblur"], 1)
        found.append(row)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="the folder of the data")
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for case in cases(options.folder):
        rows += curves(case, options.repetitions)
        write_results(rows, options.repetitions)


def write_results(rows: list[dict[str, Any]], repetitions: int) -> None:
    """Write the table and the picture of the first case."""
    write_table(
        "richardson-lucy-curves",
        "Richardson-Lucy: processor time to the same PSNR",
        to_the_same_psnr(rows),
        f"Photographs of {EDGE} x {EDGE} pixels, a stack of 20 x 64 x 64; one thread, other work "
        f"on the machine, median of {repetitions} runs, the tools alternating. PSNR: the highest "
        f"that all tools reach, less {MARGIN} dB. Times: relative to `unblur`; best: highest PSNR.",
        cases=rows,
    )
    shown = rows[0]["case"]
    write_plot(
        [
            {"step": 1000 * row["seconds"], f"PSNR {row['tool']}": row["psnr"]}
            for row in rows
            if row["case"] == shown
        ],
        "PSNR",
        Path(__file__).parents[1] / "docs/images/richardson-lucy-curves.svg",
        f"ms ({shown})",
    )


if __name__ == "__main__":
    main()
