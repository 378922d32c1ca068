"""Times of deblurring on a device: Richardson-Lucy in 3-D, svmap, a blind photograph."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import tifffile
import torch

from unblur import deblur
from unblur.model.context import Context
from unblur.plugins.manager import registry
from unblur.testing import gaussian, synthetic_scene

RUNS = 3
"""Timed runs of which the median is taken, a count; one more before is not timed."""
ITERATIONS = 10
"""Richardson-Lucy iterations, a count."""


@dataclass(frozen=True)
class Sizes:
    """Extents of the images, in pixels."""

    volume: int = 512
    plane: int = 2048
    photograph: tuple[int, int] = (3000, 4000)


SMALL = Sizes(24, 96, (96, 128))
"""Extents for a rehearsal on the CPU, in pixels."""


def measure_times(device: str, sizes: Sizes) -> list[dict[str, Any]]:
    """Return a row for each figure: its name, value, unit, target and whether it is met."""
    return [
        *_richardson_lucy(device, sizes.volume),
        _svmap(device, sizes.plane),
        _photograph(device, sizes.photograph),
    ]


def seconds_of(function: Callable[[], Any], device: str, runs: int = RUNS) -> float:
    """Return the median time of a call in seconds, on a GPU by its events."""
    function()
    times = []
    for _ in range(runs):
        if torch.device(device).type == "cuda":
            first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            first.record()
            function()
            last.record()
            torch.cuda.synchronize()
            times.append(first.elapsed_time(last) / 1000)
        else:
            began = time.perf_counter()
            function()
            times.append(time.perf_counter() - began)
    return median(times)


def _richardson_lucy(device: str, edge: int) -> list[dict[str, Any]]:
    """Return the rate in memory of the device, and with reading and writing of a file."""
    stage = registry().stage("deconvolve", "richardson-lucy")(
        iterations=ITERATIONS, accelerate=False
    )
    kernel = gaussian((15, 15, 15), 2.0)
    volume = np.random.default_rng(0).random((edge, edge, edge), np.float32)
    context = Context(device=device)
    work = edge**3 * ITERATIONS / 1e6
    resident = partial(stage.deconvolve, torch.from_numpy(volume)[None].to(device), kernel, context)
    rate = work / seconds_of(resident, device)
    del resident
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.tif", Path(folder) / "out.tif"
        tifffile.imwrite(source, volume)

        def run() -> None:
            given = torch.from_numpy(tifffile.imread(source))[None].to(device)
            tifffile.imwrite(target, stage.deconvolve(given, kernel, context)[0].cpu().numpy())

        whole = work / seconds_of(run, device, 1)
    name = f"Richardson-Lucy {edge}^3, 15^3 PSF, {ITERATIONS} iterations"
    return [
        _row(name, rate, "Mvoxel iterations/s", 5000, higher=True),
        _row(f"{name}, with file", whole, "Mvoxel iterations/s", None, higher=True),
    ]


def _svmap(device: str, edge: int) -> dict[str, Any]:
    stage = registry().stage("deconvolve", "svmap")()
    given = synthetic_scene((edge, edge), gaussian((25, 25), 3.0), noise=0.01)
    blurred, context = given.blurred.to(device), Context(device=device)
    value = seconds_of(lambda: stage.deconvolve(blurred, given.kernel, context), device)
    return _row(f"svmap {edge}^2, 25^2 kernel", value * 1e9 / edge**2, "ms a megapixel", 40)


def _photograph(device: str, shape: tuple[int, int]) -> dict[str, Any]:
    given = synthetic_scene(shape, gaussian((9, 9), 2.0), noise=0.005)
    grey = (given.blurred[0].clamp(0, 1) * 255).round().byte().numpy()
    image = np.stack([grey] * 3, -1)
    began = time.perf_counter()
    deblur(image, "photograph", axes="YXC", device=device)
    seconds = time.perf_counter() - began
    return _row(f"photograph {shape[1]} x {shape[0]}, blind, first call", seconds, "s", 4)


def _row(
    name: str, value: float, unit: str, target: float | None, *, higher: bool = False
) -> dict[str, Any]:
    met = None if target is None else (value >= target if higher else value <= target)
    return {"name": name, "value": float(f"{value:.4g}"), "unit": unit, "target": target} | {
        "met": met
    }
