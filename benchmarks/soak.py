"""Many images through three pipelines in one process: memory, files, threads, and results.

    OMP_NUM_THREADS=1 python benchmarks/soak.py --images 2000 --minutes 120

A batch of images of several types, formats and sizes, grey and in colour, goes round and round
through `wiener`, `richardson-lucy` and `tv` from file to file, one in eight of them damaged; each
meets another pipeline in the next round. Reported for each round: resident memory, open files and
threads; at the end the growth of memory between the first tenth after the warm-up and the last,
and whether the results of rounds with the same pipelines are equal. At least two rounds are made
with each pipeline; `--save` writes `benchmarks/results/soak.json` after each round.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

PIPELINES = ("wiener", "richardson-lucy", "tv")
MAX_GROWTH = 0.05
"""Largest growth of memory after the warm-up, relative."""
RESULTS = Path(__file__).with_name("results") / "soak.json"


def make_images(folder: Path, count: int) -> list[Path]:
    """Write `count` images of all kinds; every eighth is cut short."""
    from unblur.io import write_image
    from unblur.model.image import Image

    rng = np.random.default_rng(4)
    suffixes = (".tif", ".png", ".ome.zarr", ".npy", ".ome.tif", ".jpg", ".zarr", ".tif")
    made = []
    for number in range(count):
        suffix = suffixes[number % len(suffixes)]
        edges = rng.integers(8, 33, 2) * 8
        dtype = np.uint8 if suffix == ".jpg" else (np.uint8, np.uint16)[number // 8 % 2]
        if suffix not in (".jpg", ".png"):
            dtype = (np.uint16, np.float32)[number // 8 % 2]
        top = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
        scene = np.kron(rng.random(edges // 8), np.ones((8, 8)))
        axes = "YX"
        if suffix in (".jpg", ".png", ".tif") and number // 16 % 2:
            scene, axes = scene * rng.random((3, 1, 1)), "CYX"
        path = write_image(Image((scene * top).astype(dtype), axes), folder / f"{number}{suffix}")
        if number % 8 == 7:
            path.write_bytes(path.read_bytes()[:-50])
        made.append(path)
    return made


def one_round(images: list[Path], out: Path, options: dict[str, Any], offset: int) -> str:
    """Deblur every image by one of the pipelines, and return a hash of all results."""
    from unblur.errors import UnblurError
    from unblur.io import read_image
    from unblur.runs import deblur_file, file_jobs

    digest = hashlib.sha256()
    for number, job in enumerate(file_jobs([str(path) for path in images], out, True)):
        try:
            deblur_file(job, options[PIPELINES[(number + offset) % len(PIPELINES)]])
        except UnblurError as error:
            digest.update(type(error).__name__.encode())
            continue
        digest.update(np.ascontiguousarray(read_image(job.output).data).tobytes())
    return digest.hexdigest()


def run_options(kernel: Any) -> dict[str, Any]:
    """Return the options of each pipeline."""
    from unblur.engine import BuiltPipeline
    from unblur.model.context import Context
    from unblur.model.kernel import Kernel, KernelField
    from unblur.pipeline import Pipeline
    from unblur.runs import RunOptions

    field = KernelField.single(Kernel.from_samples(kernel))
    return {
        name: RunOptions(BuiltPipeline.of(Pipeline.load(name), field), Context(), overwrite=True)
        for name in PIPELINES
    }


def state() -> dict[str, int]:
    """Return resident memory in kB, open files and threads of this process."""
    gc.collect()
    text = Path("/proc/self/status").read_text()
    (memory,) = (int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS"))
    return {
        "memory_kb": memory,
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
    }


def summarize(states: list[dict[str, int]], images: int, equal: bool) -> dict[str, Any]:
    """Return the growth between the first tenth of the rounds after the warm-up and the last."""
    warm = states[_warm_up(states) :]
    tenth = max(1, len(warm) // 10)
    first, last = (median(s["memory_kb"] for s in part) for part in (warm[:tenth], warm[-tenth:]))
    return {
        "minutes": round(states[-1]["s"] / 60, 1),
        "images": images,
        "rounds": len(states),
        "memory_mb": [round(first / 1e3, 1), round(last / 1e3, 1)],
        "growth": round(last / first - 1, 4),
        "files": [warm[0]["files"], warm[-1]["files"]],
        "threads": [warm[0]["threads"], warm[-1]["threads"]],
        "results equal": equal,
    }


def _warm_up(states: list[dict[str, int]]) -> int:
    """Return the number of rounds before memory is compared: each pipeline's first, or a tenth."""
    return max(len(PIPELINES), len(states) // 10)


def main() -> int:
    """Run until the end; return 1 if something grew or results differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000, help="number of images of a round")
    parser.add_argument("--minutes", type=float, default=120, help="time after which to end")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    kernel = np.outer(np.hanning(7), np.hanning(7)).astype(np.float32)
    states: list[dict[str, int]] = []
    hashes: dict[int, set[str]] = {}
    row: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        images = make_images(folder, options.images)
        settings = run_options(kernel)
        began = time.monotonic()
        while len(states) < 2 * len(PIPELINES) or time.monotonic() - began < 60 * options.minutes:
            offset = len(states) % len(PIPELINES)
            found = one_round(images, folder / "out", settings, offset)
            hashes.setdefault(offset, set()).add(found)
            states.append({"s": round(time.monotonic() - began), **state()})
            print(f"round {len(states)}: {states[-1]}", flush=True)
            if len(states) < 2 * len(PIPELINES):
                continue
            equal = all(len(of_offset) == 1 for of_offset in hashes.values())
            row = summarize(states, options.images, equal)
            if options.save:
                amounts = f"--images {options.images} --minutes {options.minutes:g}"
                command = f"OMP_NUM_THREADS=1 python benchmarks/soak.py {amounts}"
                content = {"command": command, **row, "states": states}
                RESULTS.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    print(json.dumps(row))
    warm = states[_warm_up(states) :]
    middle = warm[len(warm) // 2]  # pools of threads have grown to their size by then
    leaked = any(warm[-1][name] > middle[name] for name in ("files", "threads"))
    return int(leaked or row["growth"] > MAX_GROWTH or not row["results equal"])


if __name__ == "__main__":
    raise SystemExit(main())
