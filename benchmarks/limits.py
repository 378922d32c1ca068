"""Speed and memory against stated limits: a multiple of the best peer, or an absolute figure.

    python benchmarks/limits.py                       # every row, with the peers beside
    python benchmarks/limits.py --only wiener stack   # rows whose name begins so
    python benchmarks/limits.py --edge 2048           # a smaller mosaic for the streamed rows

Each row states the figure, its limit, and whether it falls short. Seconds are medians of runs that
alternate with the peers'. A row whose peer is not installed says so. On two idle cores all rows
take a few minutes; the streamed ones take half of that. Results: `results/limits.json`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

import race_wiener
import scale_mosaic
from limits_of_races import DEFAULT, LIONFISH, PLAIN, SKIMAGE, lucy, lucy_to_psnr, quality, race
from scale_table import earlier_rows, write_table
from unblur.engine import deblur
from unblur.io import write_image, write_kernel
from unblur.model.context import Context
from unblur.model.image import Image
from unblur.plugins.manager import registry
from unblur.testing import gaussian, synthetic_scene

TEN_STEPS = 'richardson-lucy {"iterations": 10, "accelerate": false}'
"""Ten plain iterations, with which streamed Richardson-Lucy is timed."""
BUSY_ESTIMATORS = ("camera-shake", "map", "schuler")
BUSY = (
    *BUSY_ESTIMATORS,
    *("hyper-laplacian", "plug-and-play", "richardson-lucy", "svmap", "tv", "wiener"),
)
"""Estimators and deconvolvers that are timed beside busy processes."""
STACK_SECONDS = 15.0
"""Time of a stack from which it has fewer planes than were asked for, in seconds."""
FEWEST_PLANES = 12
"""Smallest number of planes of such a stack, dimensionless."""


@dataclass(frozen=True)
class Limit:
    """A row: its name, what is measured, and the limit.

    `measure` takes the options and returns the figure with remarks; it raises `LookupError` where
    a peer is missing. The figure is to be at least `limit`, or at most if `is_upper`.
    """

    name: str
    about: str
    measure: Callable[[argparse.Namespace], tuple[float, str]]
    limit: float
    is_upper: bool = False


def wiener(options: argparse.Namespace) -> tuple[float, str]:
    edge = min(2048, options.largest)
    rows = race(race_wiener.TOOLS, (DEFAULT, SKIMAGE), options, edge=edge)
    own, other = rows[DEFAULT], rows[SKIMAGE]
    return own["seconds"] / other["seconds"], quality(own, other)


@cache
def streamed_run(stage: str, edge: int) -> dict[str, Any]:
    """Deblur a mosaic of `edge` pixels squared, once for all rows; return its times and memory."""
    with tempfile.TemporaryDirectory() as folder:
        source = scale_mosaic.fresh(Path(folder), edge)
        return scale_mosaic.run_process("paced", source, stage, "threads", 2, None)


def streamed(stage: str, what: str) -> Callable[..., Any]:
    """Return a row of a streamed run: seconds per megapixel, or peak memory in GB."""

    def measure(options: argparse.Namespace) -> tuple[float, str]:
        found = streamed_run(stage, options.edge)
        figure = found["seconds"] * 1e6 / options.edge**2 if what == "pace" else found["peak GB"]
        busy = found["CPU seconds"] * 1e6 / options.edge**2
        return figure, (
            f"{options.edge} x {options.edge}, tile of {found['tile']}, {busy:.3f} s of processor "
            "time per megapixel"
        )

    return measure


def start(options: argparse.Namespace) -> tuple[float, str]:
    """Compare `unblur run wiener` on 512 x 512 pixels with the import of torch, whole processes."""
    with tempfile.TemporaryDirectory() as folder:
        given = synthetic_scene((512, 512), gaussian((9, 9), 1.5), noise=0.005)
        values = (given.blurred[0].numpy().clip(0, 1) * 65535).astype(np.uint16)
        write_image(Image(values, "YX"), f"{folder}/in.tif")
        write_kernel(given.kernel, f"{folder}/psf.tif")
        run = f"run wiener {folder}/in.tif --psf {folder}/psf.tif -o {folder}/out.tif --overwrite"
        commands = {"own": ["-m", "unblur", *run.split()], "torch": ["-c", "import torch"]}
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(options.repetitions):
            for name, command in commands.items():
                began = time.perf_counter()
                subprocess.run([sys.executable, *command], check=True, capture_output=True)
                seconds[name].append(time.perf_counter() - began)
    own, bare = (statistics.median(seconds[name]) for name in ("own", "torch"))
    return own / bare, f"{own:.2f} and {bare:.2f} s"


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Keep processes beside this one that compute without end."""
    began = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in began:
            process.kill()
            process.wait()


def stage_seconds(name: str, shape: tuple[int, ...], repetitions: int) -> float:
    """Return the median seconds of a deconvolver or an estimator on a scene, after one run."""
    stage: Any = registry().stage("kernel" if name in BUSY_ESTIMATORS else "deconvolve", name)()
    given = synthetic_scene(shape, gaussian((9, 9), 1.5), noise=0.005)
    context = Context(noise=0.005)
    found = []
    for _ in range(repetitions + 1):
        began = time.perf_counter()
        if name in BUSY_ESTIMATORS:
            stage.estimate(given.blurred, context)
        else:
            stage.deconvolve(given.blurred, given.kernel, context)
        found.append(time.perf_counter() - began)
    return statistics.median(found[1:])


def shared(name: str) -> Callable[..., Any]:
    """Return a row: how many times longer a stage takes with busy processes beside it."""

    def measure(options: argparse.Namespace) -> tuple[float, str]:
        repetitions = 3 if name in BUSY_ESTIMATORS else 3 * options.repetitions
        alone = stage_seconds(name, (200, 200), repetitions)
        with busy_processes(options.busy):
            beside = stage_seconds(name, (200, 200), repetitions)
        return beside / alone, f"{alone:.3f} and {beside:.3f} s, {options.busy} busy processes"

    return measure


def stack(name: str) -> Callable[..., Any]:
    """Return a row: seconds of a stack in one call, relative to its planes' count times one."""

    def measure(options: argparse.Namespace) -> tuple[float, str]:
        given = synthetic_scene((256, 256), gaussian((9, 9), 1.5), noise=0.005)
        plane = given.blurred[0].numpy()
        kernel = given.kernel

        def seconds(image: Image) -> float:
            began = time.perf_counter()
            deblur(image, name, kernel, device="cpu")
            return time.perf_counter() - began

        seconds(Image(plane, "YX"))
        first = statistics.median(seconds(Image(plane, "YX")) for _ in range(options.repetitions))
        count = min(options.planes, max(int(STACK_SECONDS / first), FEWEST_PLANES))
        whole = seconds(Image(np.repeat(plane[None], count, 0), "TYX"))
        return whole / (first * count), f"{whole:.2f} s, {count} x {first:.4f} s"

    return measure


LIMITS = [
    Limit("lucy 2048, 25", "times faster at equal steps", lucy(PLAIN, SKIMAGE), 4),
    Limit("lucy 1024, 9", "the same", lucy(PLAIN, SKIMAGE, edge=1024, kernel=9), 3),
    Limit("lucy 2048, 9", "the same", lucy(PLAIN, SKIMAGE, kernel=9), 4.5),
    Limit("lucy 2048, 61", "the same", lucy(PLAIN, SKIMAGE, kernel=61), 3.5),
    Limit("lucy default", "times faster to the sharpness of 30 steps", lucy(DEFAULT, SKIMAGE), 8),
    *(
        Limit(f"lucy 3-D {sizes['depth']} x {sizes['edge']}, {sizes['kernel']}", *row)
        for sizes in (
            {"depth": 32, "edge": 256, "kernel": 15},
            {"depth": 64, "edge": 512, "kernel": 31},
        )
        for row in (
            ("times faster at equal steps", lucy(PLAIN, LIONFISH, 10, **sizes), 1.3),
            ("times faster to the PSNR of its 10 steps", lucy_to_psnr(10, **sizes), 4),
        )
    ),
    Limit("wiener 2048", "times scikit-image's seconds", wiener, 3, is_upper=True),
    *(
        Limit(f"streamed {name}", f"{unit}, streamed", streamed(stage, what), limit, is_upper=True)
        for name, stage, what, unit, limit in (
            ("wiener", "wiener", "pace", "s per megapixel", 0.15),
            ("wiener", "wiener", "memory", "GB", 1.2),
            ("richardson-lucy, 10 steps", TEN_STEPS, "pace", "s per megapixel", 0.12),
        )
    ),
    Limit("start", "times the import of torch, whole process", start, 1.5, is_upper=True),
    *(
        Limit(f"shared {name}", "times longer beside busy processes", shared(name), 2.5, True)
        for name in BUSY
    ),
    *(
        Limit(f"stack {name}", "times the first plane's seconds per plane", stack(name), 1.1, True)
        for name, stage in sorted(registry().stages_of("deconvolve").items())
        if 2 in stage.dimensions
    ),
]


def row_of(limit: Limit, options: argparse.Namespace) -> dict[str, Any]:
    """Measure a row."""
    bound = f"{'at most' if limit.is_upper else 'at least'} {limit.limit:g}"
    row: dict[str, Any] = {"row": limit.name, "measured": limit.about, "limit": bound}
    try:
        figure, remark = limit.measure(options)
    except LookupError as error:
        return {**row, "figure": "", "state": "not measured", "remark": str(error)}
    kept = figure <= limit.limit if limit.is_upper else figure >= limit.limit
    state = "kept" if kept else "falls short"
    return {**row, "figure": round(figure, 3), "state": state, "remark": remark}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[""], metavar="NAME", help="begin of names")
    parser.add_argument("--edge", type=int, default=16384, help="pixels of the streamed mosaic")
    parser.add_argument("--planes", type=int, default=100, help="planes of the stack")
    parser.add_argument("--busy", type=int, default=2, help="busy processes beside")
    parser.add_argument("--turns", dest="repetitions", type=int, default=3, help="runs of each")
    parser.add_argument("--largest", type=int, default=2048, help="edge of the images of races")
    options = parser.parse_args()
    rows = []
    for limit in LIMITS:
        if limit.name.startswith(tuple(options.only)):
            rows.append(row_of(limit, options))
            print(*rows[-1].values(), sep=" | ", flush=True)
    measured = [(limit.name, limit.about) for limit in LIMITS]
    table = [*earlier_rows("limits", ["row", "measured"], rows), *rows]
    table = [row for row in table if (row["row"], row["measured"]) in measured]
    table.sort(key=lambda row: measured.index((row["row"], row["measured"])))
    load = f"{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f} at the end"
    remark = f"Medians; rows that were not run again are kept; {load}."
    write_table("limits", "Speed and memory against their limits", table, remark)
    if short := [row["row"] for row in rows if row["state"] != "kept"]:
        print("Short of the limit or not measured:", "; ".join(short))


if __name__ == "__main__":
    main()
