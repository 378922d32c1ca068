"""Memory and throughput of streamed runs, from 2048 x 2048 pixels to 16384 x 16384.

python benchmarks/scale_mosaic.py memory [--stage wiener] [--edges 2048 16384]
python benchmarks/scale_mosaic.py pace [--stage wiener] [--edges 2048 4096]
python benchmarks/scale_mosaic.py overhead
python benchmarks/scale_mosaic.py workers [--edges 4096]
python benchmarks/scale_mosaic.py plan
python benchmarks/scale_mosaic.py kernel [--stage schuler] [--edges 2048 32768]

Each run is a process of its own, from one uint16 zarr to another in chunks of 1024 pixels, with
the true kernel, a Gaussian of 15 pixels. Peak memory is the largest resident set size of the
process. `pace` is measured after a small mosaic has been deblurred, so that the start is not
included. `overhead` compares the CPU time in tiles with that in one piece. `kernel` estimates the
kernel of a mosaic of boxes, of 17 pixels. Results: `results/scale-WHAT[-STAGE]`; further runs add
rows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mosaic_images import BLUR, CHUNK, boxes, make_image, motion, texture
from scale_table import earlier_rows, write_table
from unblur.accel.memory import peak_resident_memory

AT_ONCE = {"svmap": 1}
"""Number of tiles at a time, by stage, where two of them would take more than 3 GB; else 2."""


def streamed(source: Path, stage: str, scheduler: str, workers: int, tile: int | None) -> dict:
    """Deblur a zarr into another; return seconds, tiles and peak memory in GB.

    `stage` is a deconvolver's name, with its params behind it as JSON, if any.
    """
    from unblur.engine.job import DeblurJob
    from unblur.engine.running.schedulers import make_scheduler
    from unblur.io import read_image
    from unblur.model.context import Context
    from unblur.numerics.synthesis import gaussian_kernel
    from unblur.pipeline import Pipeline
    from unblur.runs import deblur_to_store

    tiles = {} if tile is None else {"size": tile}
    name, _, params = stage.partition(" ")
    step = {"deconvolve": name, "params": json.loads(params or "{}")}
    pipeline = Pipeline(summary="Pace.", steps=[step], tiles=tiles)
    image = read_image(source, lazy=True)
    job = DeblurJob.of(image, pipeline, gaussian_kernel(*BLUR), Context())
    output = source.with_name("out.zarr")
    began, cpu = time.perf_counter(), time.process_time()
    result = deblur_to_store(
        job,
        output,
        scheduler=make_scheduler(scheduler, workers, device="cpu"),
        workers=workers,
    )
    return {
        "seconds": time.perf_counter() - began,
        "CPU seconds": time.process_time() - cpu,
        "tile": result.report.tiles["size"][0],
        "halo": result.report.tiles["halo"][0],
        "peak GB": peak_memory(),
    }


def whole(source: Path, stage: str) -> dict:
    """Deblur a zarr in one piece in memory, read and written like the streamed run."""
    from unblur.engine import deblur
    from unblur.io import read_image, write_image
    from unblur.numerics.synthesis import gaussian_kernel
    from unblur.pipeline import Pipeline

    pipeline = Pipeline(summary="Pace.", steps=[{"deconvolve": stage}])
    cpu = time.process_time()
    result = deblur(read_image(source), pipeline, gaussian_kernel(*BLUR), device="cpu")
    assert result.report.tiles is None
    write_image(result.image, source.with_name("whole.zarr"))
    return {"CPU seconds": time.process_time() - cpu, "peak GB": peak_memory()}


def estimated(source: Path, estimator: str) -> dict:
    """Estimate the kernel of a zarr; return seconds, kernel similarity, and peak memory."""
    from unblur.engine.job import DeblurJob
    from unblur.engine.kernels.estimate import find_kernels
    from unblur.io import read_image
    from unblur.model.context import Context
    from unblur.numerics.metrics import kernel_similarity
    from unblur.pipeline import Pipeline

    steps = [{"kernel": estimator, "params": {"size": 17}}, {"deconvolve": "wiener"}]
    image = read_image(source, lazy=True)
    began, cpu = time.perf_counter(), time.process_time()
    job = DeblurJob.of(image, Pipeline(summary="Kernel.", steps=steps), None, Context())
    field = find_kernels(job).field
    assert field is not None
    return {
        "seconds": time.perf_counter() - began,
        "CPU seconds": time.process_time() - cpu,
        "similarity": kernel_similarity(field.mean, motion()),
        "peak GB": peak_memory(),
    }


def planned(edge: int) -> dict:
    """Plan an image without storage and list its tiles."""
    import dask.array as da
    import numpy as np

    from unblur.engine import plan
    from unblur.numerics.synthesis import gaussian_kernel

    image = da.zeros((edge, edge), chunks=2048, dtype=np.uint16)
    began, cpu = time.perf_counter(), time.process_time()
    tiles = list(plan(image, "wiener", gaussian_kernel(*BLUR), device="cpu").tiling)
    return {
        "seconds": time.perf_counter() - began,
        "CPU seconds": time.process_time() - cpu,
        "tiles": len(tiles),
        "peak GB": peak_memory(),
    }


def peak_memory() -> float:
    """Return the largest resident memory of this process in GB, not that of its parent."""
    return peak_resident_memory() / 1e9


def run_process(what: str, *arguments: object) -> dict:
    """Call one of the functions above in a process of its own and return its result."""
    command = [sys.executable, __file__, "one", what, *map(str, arguments)]
    # Threads that wait for each other within an operation count as CPU time.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict = json.loads(done.stdout.splitlines()[-1])
    print(what, *arguments, found, flush=True)
    return found


def one(what: str, *given: str) -> dict:
    if what == "planned":
        return planned(int(given[0]))
    if what == "whole":
        return whole(Path(given[0]), given[1])
    if what == "estimated":
        return estimated(Path(given[0]), given[1])
    source, stage, scheduler, workers, tile = given
    run = (stage, scheduler, int(workers), None if tile == "None" else int(tile))
    if what == "paced":
        streamed(fresh(Path(source).parent, CHUNK), *run)
    return streamed(Path(source), *run)


def memory(options: argparse.Namespace, folder: Path) -> None:
    rows = []
    for edge in options.edges:
        found = run_process("streamed", fresh(folder, edge), options.stage, "threads", 2, None)
        rows.append({"edge": edge, **{k: found[k] for k in ("tile", "halo", "peak GB")}})
    keep_with_earlier(options, rows, "Two threads; the largest resident set size of the process.")


def pace(options: argparse.Namespace, folder: Path) -> None:
    rows, at_once = [], AT_ONCE.get(options.stage, 2)
    for edge in options.edges:
        found = run_process("paced", fresh(folder, edge), options.stage, "threads", at_once, CHUNK)
        share = 1e6 / edge**2
        rows.append(
            {
                "edge": edge,
                "seconds": found["seconds"],
                "seconds per megapixel": found["seconds"] * share,
                "CPU seconds per megapixel": found["CPU seconds"] * share,
                "peak GB": found["peak GB"],
            }
        )
    keep_with_earlier(
        options,
        rows,
        f"Tiles of {CHUNK} pixels, {at_once} at a time, one torch thread each, from file to file.",
    )


def keep_with_earlier(options: argparse.Namespace, rows: list[dict], remark: str) -> None:
    name = f"scale-{options.what}-{options.stage}"
    rows = sorted([*earlier_rows(name, ["edge"], rows), *rows], key=lambda row: row["edge"])
    title = "the kernel of a zarr" if options.what == "kernel" else "streamed from zarr to zarr"
    write_table(name, f"{options.stage}, {title}", rows, remark)


def overhead(options: argparse.Namespace, folder: Path) -> None:
    rows = []
    for stage in ("wiener", "richardson-lucy", "svmap"):
        source, at_once = fresh(folder, 2048), AT_ONCE.get(stage, 2)
        whole_cpu = run_process("whole", source, stage)["CPU seconds"]
        tiled_cpu = run_process("streamed", source, stage, "threads", at_once, 1024)["CPU seconds"]
        share = tiled_cpu / whole_cpu - 1
        rows.append({"stage": stage, "whole": whole_cpu, "tiled": tiled_cpu, "more": share})
    remark = (
        "2048 x 2048 pixels in tiles of 1024; CPU seconds from file to file, planning included."
    )
    write_table("scale-overhead", "Tiles against the whole image", rows, remark)


def workers(options: argparse.Namespace, folder: Path) -> None:
    rows = []
    for count in (1, 2):
        source = fresh(folder, options.edges[0])
        found = run_process("streamed", source, options.stage, "local", count, 1024)
        rows.append({"worker processes": count, "seconds": found["seconds"]})
    for row in rows:
        row["times faster"] = rows[0]["seconds"] / row["seconds"]
    remark = f"{options.stage}, {options.edges[0]} pixels, one torch thread each, start included."
    write_table("scale-workers", "Worker processes of --scheduler local", rows, remark)


def plan_vast(options: argparse.Namespace, folder: Path) -> None:
    found = run_process("planned", 100_000)
    remark = "All tiles listed. Wall-clock seconds on a machine with other load, and CPU seconds."
    write_table("scale-plan", "Planning 100000 x 100000 pixels", [found], remark)


def kernel(options: argparse.Namespace, folder: Path) -> None:
    rows = []
    for edge in options.edges:
        result = run_process("estimated", fresh(folder, edge, boxed=True), options.stage)
        rows.append({"edge": edge, "gigapixels": edge**2 / 1e9, **result})
    keep_with_earlier(options, rows, "One torch thread; the image is read lazily.")


def fresh(folder: Path, edge: int, boxed: bool = False) -> Path:
    """Return a new image, of texture or of boxes, in a folder of its own."""
    source = Path(tempfile.mkdtemp(dir=folder)) / "in.zarr"
    make_image(source, edge, boxes() if boxed else texture())
    return source


def main() -> None:
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(one(*sys.argv[2:])))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    actions = {
        "memory": memory,
        "pace": pace,
        "overhead": overhead,
        "workers": workers,
        "plan": plan_vast,
        "kernel": kernel,
    }
    parser.add_argument("what", choices=actions)
    parser.add_argument("--stage", default="wiener")
    parser.add_argument("--edges", type=int, nargs="*", default=[2048, 4096])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        actions[options.what](options, Path(folder))


if __name__ == "__main__":
    main()
