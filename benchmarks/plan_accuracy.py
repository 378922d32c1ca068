"""What `unblur plan` announces against what `unblur run` takes: memory and time.

    python benchmarks/plan_accuracy.py                    # all pipelines, 512, 1024 and 2048 pixels
    python benchmarks/plan_accuracy.py wiener tv --edges 8192

Each run is a process of its own, on an image made here, and its highest memory is what the system
reports of it. Times are of the whole command, with loading, reading and writing. The rows of other
pipelines and sizes stay as they were last measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve

from scale_table import earlier_rows, write_table

PIPELINES = {
    "wiener": "photograph",
    "richardson-lucy": "photograph",
    "hyper-laplacian": "photograph",
    "tv": "photograph",
    "svmap": "photograph",
    "points-richardson-lucy": "stars",
    "map-hyper-laplacian": "photograph",
    "schuler-hyper-laplacian": "photograph",
}
"""What each pipeline is run on."""

EDGES = (512, 1024, 2048)

BLIND = ("points", "map", "schuler")

PIECE = 2048
"""Edge of the piece of scene that larger images repeat, in pixels."""


def main() -> None:
    """Measure the pipelines and sizes asked for, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipelines", nargs="*", metavar="PIPELINE", help="all, if none is named")
    parser.add_argument("--edges", nargs="+", type=int, default=EDGES, help="pixels")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tifffile.imwrite(folder / "psf.tif", shake().astype(np.float32))
        for edge in options.edges:
            for pipeline in options.pipelines or PIPELINES:
                rows.append(measure(pipeline, edge, folder))
                print(rows[-1], flush=True)
    rows = [*earlier_rows("plan", ["case"], rows), *rows]
    write_table(
        "plan",
        "What `plan` announces, and what `run` takes",
        rows,
        "Of uint16 images with one channel. Ratios are announced to measured.",
    )


def measure(pipeline: str, edge: int, folder: Path) -> dict[str, Any]:
    """Return what is announced and what is measured of one run."""
    kind = PIPELINES[pipeline]
    image, result = folder / f"{kind}-{edge}.tif", folder / "result.tif"
    if not image.exists():
        tifffile.imwrite(image, scene(kind, edge))
    given = [pipeline, str(image)]
    if not pipeline.startswith(BLIND):
        given += ["--psf", str(folder / "psf.tif")]
    command = [sys.executable, "-m", "unblur"]
    printed = subprocess.run(
        [*command, "plan", *given, "--json"], check=True, capture_output=True, text=True
    )
    plan = json.loads(printed.stdout)
    began = time.perf_counter()
    peak = peak_of([*command, "run", *given, "-o", str(result), "--overwrite", "--quiet"])
    seconds = time.perf_counter() - began
    report = json.loads(result.with_suffix(".json").read_text())
    tiles = (report["tiles"] or {}).get("count", 1)
    announced = None if plan["seconds"] is None else plan["seconds"] + plan["start_seconds"]
    return {
        "case": f"{pipeline} {edge}",
        "tiles announced": plan["tiles"],
        "tiles": tiles,
        "GB announced": plan["peak_memory"] / 1e9,
        "GB": peak / 1e9,
        "ratio of memory": round(plan["peak_memory"] / peak, 2),
        "s announced": announced,
        "s": seconds,
        "ratio of time": None if announced is None else round(announced / seconds, 2),
    }


def peak_of(command: list[str]) -> int:
    """Run a command and return its highest resident memory, bytes."""
    reporter = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", reporter, *command], check=True, stdout=subprocess.PIPE, text=True
    )
    unit = 1 if sys.platform == "darwin" else 1024
    return int(ended.stdout.split()[-1]) * unit


def scene(kind: str, edge: int) -> Any:
    """Return a blurred image of `edge` pixels squared, uint16."""
    random = np.random.default_rng(0)
    size = min(edge, PIECE)
    if kind == "stars":
        sharp = np.full((size, size), 0.01)
        count = size**2 // 2000
        position = random.integers(0, size, count), random.integers(0, size, count)
        sharp[position] += 0.5 + 20 * random.random(count) ** 3
        blurred = gaussian_filter(sharp, 1.8) + 0.002 * random.standard_normal((size, size))
    else:
        blurred = fftconvolve(np.pad(photograph(random, size), 7, mode="reflect"), shake(), "valid")
        blurred += 0.005 * random.standard_normal((size, size))
    piece = (blurred.clip(0, 1) * 65535).astype(np.uint16)
    copies = -(-edge // size)
    return np.tile(piece, (copies, copies))[:edge, :edge]


def photograph(random: np.random.Generator, size: int) -> Any:
    """Return a scene of discs and blocks with fine texture."""
    sharp = np.full((size, size), 0.3)
    rows, columns = np.mgrid[:size, :size]
    for index in range(60 * size**2 // 512**2):
        y, x = random.random(2) * size
        radius, grey = 4 + 30 * random.random(), 0.05 + 0.9 * random.random()
        part = tuple(slice(int(max(0, v - radius)), int(v + radius)) for v in (y, x))
        distance = (rows[part] - y) ** 2 + (columns[part] - x) ** 2
        inside = distance < radius**2 if index % 2 else np.ones(distance.shape, bool)
        sharp[part][inside] = grey
    return sharp + 0.05 * gaussian_filter(random.standard_normal((size, size)), 1)


def shake() -> Any:
    """Return the kernel of a shaken camera, (15, 15), sum 1."""
    time = np.linspace(0, 1, 200)
    y = 7 + 4 * np.sin(3 * time) - 2 * time
    x = 3 + 8 * time + 1.5 * np.cos(5 * time)
    path = tuple(np.rint(v).astype(int).clip(0, 14) for v in (y, x))
    kernel = np.zeros((15, 15))
    np.add.at(kernel, path, 1)
    kernel = gaussian_filter(kernel, 0.5)
    return kernel / kernel.sum()


if __name__ == "__main__":
    main()
