"""Everything that wants a GPU, within a number of minutes: trainings, times, tables.

    python benchmarks/gpu/gpu_run.py --minutes 12 --device cuda --data build/gpu --out gpu-results
    python benchmarks/gpu/gpu_run.py --minutes 2 --device cpu --data build/gpu --out rehearsal

The phases run in the order of their worth, and each has a share of the time that is left. Each one
leaves what it has when its time is over: weights (`NAME.safetensors`), `results.json`, rows of
tables. A second call goes on from the results of the first. See the README beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(BENCHMARKS), str(Path(__file__).resolve().parent)]

import torch  # noqa: E402
from gpu_timing import SMALL, Sizes, measure_times  # noqa: E402
from gpu_training import JOBS, TrainingJob, continue_training  # noqa: E402

from provenance import provenance  # noqa: E402

SHORT = {
    "denoiser": {"crops": 2},
    "plug-and-play": {"batch": 1, "crop": 32},
    "svmap": {"crop": 32, "batch": 1, "iterations": 1},
    "schuler": {"batch": 1},
    "discriminative": {"batch": 2},
}
"""Settings of the trainers for a rehearsal on the CPU."""


@dataclass(frozen=True)
class Phase:
    """A part of the run.

    Attributes
    ----------
    name : str
        Name in `results.json`, and for `--only`.
    share : float
        Its part of the time, relative to those of the other phases.
    run : callable
        Does it within a number of seconds, and returns its results.
    """

    name: str
    share: float
    run: Callable[[float], Any]


def main() -> None:
    """Run the phases, and write the results after each of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=12.0, help="time for all phases")
    parser.add_argument("--device", default="cuda", help="cuda, or cpu for a rehearsal")
    parser.add_argument("--data", type=Path, default=Path("build/gpu"), help="made by gpu_pack.py")
    parser.add_argument("--out", type=Path, default=Path("gpu-results"))
    parser.add_argument("--only", nargs="*", default=[], metavar="PHASE")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1 if options.device == "cuda" else torch.get_num_threads())
    torch.set_float32_matmul_precision("high")
    chosen = phases(options.device, options.data, options.out)
    if unknown := set(options.only) - {phase.name for phase in chosen}:
        parser.error(f"there is no phase {unknown}; known: {[phase.name for phase in chosen]}")
    run_phases(
        [p for p in chosen if not options.only or p.name in options.only],
        60 * options.minutes,
        options.out / "results.json",
        provenance(device=options.device) | {"command": shlex.join(["python", *sys.argv])},
    )


def phases(device: str, data: Path, out: Path) -> list[Phase]:
    """Return the phases in the order of their worth."""
    is_rehearsal = torch.device(device).type == "cpu"
    workers = 0 if is_rehearsal else max((os.cpu_count() or 2) - 2, 1)

    def training(job: TrainingJob) -> Callable[[float], Any]:
        short = SHORT[job.trainer] if is_rehearsal else None

        def run(seconds: float) -> Any:
            return continue_training(job, data, out, device, seconds, short, workers)

        # The samples of a training come from forked processes, which cannot follow a CUDA one.
        return run if is_rehearsal else partial(_in_process, job.name, device, data, out)

    shares = (0.2, 0.2, 0.15, 0.07, 0.05, 0.05)
    trainings = [
        Phase(job.name, share, training(job)) for job, share in zip(JOBS, shares, strict=True)
    ]
    sizes = SMALL if is_rehearsal else Sizes()
    times = Phase("times", 0.12, lambda _: measure_times(device, sizes))
    tables = [
        Phase(f"{method}-levin", 0.08, partial(_table, method, device, data, out))
        for method in ("kotera", "selfdeblur")
    ]
    return [*trainings[:2], times, *trainings[2:], *tables]


def run_phases(
    chosen: list[Phase], seconds: float, results: Path, about: dict[str, Any]
) -> dict[str, Any]:
    """Run phases within a time, and write their results after each; return them."""
    end = time.monotonic() + seconds
    found: dict[str, Any] = json.loads(results.read_text("utf-8")) if results.exists() else {}
    found["made with"] = about
    for number, phase in enumerate(chosen):
        left = end - time.monotonic()
        if left <= 0:
            found[phase.name] = {"error": "no time was left"}
            continue
        part = left * phase.share / sum(p.share for p in chosen[number:])
        print(f"{phase.name}: {part:.0f} s", flush=True)
        began = time.monotonic()
        try:
            result = phase.run(part)
        except Exception:
            # The other phases are to have their results.
            result = {"error": traceback.format_exc(limit=4)}
            print(result["error"], flush=True)
        found[phase.name] = {"seconds": round(time.monotonic() - began, 1), "result": result}
        partial_file = results.with_name(f".{results.name}")
        partial_file.write_text(json.dumps(found, indent=1), "utf-8")
        partial_file.replace(results)
    return found


def _in_process(name: str, device: str, data: Path, out: Path, seconds: float) -> Any:
    """Run one training in a process of its own; return its results."""
    file = out / f".{name}.json"
    command = [sys.executable, str(Path(__file__).with_name("gpu_one_training.py"))]
    command += [name, device, str(data), str(out), str(seconds), str(file)]
    subprocess.run(command, check=True, timeout=seconds + 60)
    found = json.loads(file.read_text("utf-8"))
    file.unlink()
    return found


def _table(method: str, device: str, data: Path, out: Path, seconds: float) -> Any:
    """Compute rows of a method's table on Levin's pairs until the time is over; return them."""
    script, rows = BENCHMARKS / "selfdeblur_table.py", out / f"{method}_levin.json"
    preset = ["--preset", "fast", "--pairs", "im1_kernel5"] if device == "cpu" else []
    arguments = [data, "levin", "--method", method, "--device", device, "-o", rows, *preset]
    with subprocess.Popen([sys.executable, str(script), *map(str, arguments)]) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.terminate()
    return {"rows": len(json.loads(rows.read_text("utf-8"))) if rows.exists() else 0}


if __name__ == "__main__":
    main()
