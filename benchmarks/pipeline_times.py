"""Time and memory of the recommended pipelines on one colour photograph of a megapixel.

    OMP_NUM_THREADS=1 python benchmarks/pipeline_times.py
    OMP_NUM_THREADS=1 python benchmarks/pipeline_times.py photograph svmap

A free photograph is blurred by the motion of a shaken camera, given noise and stored as PNG. Each
pipeline is a process of its own, `unblur run`, and the time is the processor time of the whole
command on one thread, with loading, reading and writing; other work on the machine changes it
little.
Pipelines without an estimator get the true kernel. The memory is the highest of the process.
Results: `results/pipeline-times`; the rows of other pipelines stay as they were last measured.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PillowImage

from scale_table import Row, earlier_rows, write_table
from unblur.io import write_kernel
from unblur.numerics.synthesis import add_gaussian_noise, blur_image, shake_kernel

PHOTO = Path("../shared/data/photos/lomiri_picosdeeuropa.jpg")
"""Photograph that is blurred, from the root of the repository."""
HEIGHT, WIDTH, KERNEL = 936, 1068, 21
"""Extents of the blurred image and of the kernel, in pixels."""
NOISE = 0.005
"""Standard deviation of the noise, white = 1."""
WITH_PSF = ("wiener", "richardson-lucy", "hyper-laplacian", "tv", "plug-and-play", "svmap")
BLIND = (
    *("photograph", "map-hyper-laplacian", "map-plug-and-play", "map-svmap"),
    *("schuler-hyper-laplacian", "schuler-svmap", "discriminative"),
    *("camera-shake-hyper-laplacian", "low-light", "text"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipelines", nargs="*", default=(*WITH_PSF, *BLIND), metavar="PIPELINE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_photograph(folder)
        for pipeline in options.pipelines:
            row = measure(pipeline, folder)
            rows = [*earlier_rows("pipeline-times", ["pipeline"], [row]), row]
            write_table(
                "pipeline-times",
                "Time and memory of one colour photograph of a megapixel",
                sorted(rows, key=lambda r: [*WITH_PSF, *BLIND].index(r["pipeline"])),
                "Processor time of the whole command on one thread; highest memory of the process.",
            )


def write_photograph(folder: Path) -> None:
    """Write the blurred photograph and its kernel."""
    generator = torch.Generator().manual_seed(0)
    kernel = shake_kernel(KERNEL, generator)
    with PillowImage.open(Path(__file__).resolve().parents[1] / PHOTO) as photo:
        values = np.asarray(photo.convert("RGB"), np.float32)[: HEIGHT + 20, : WIDTH + 20] / 255
    scene = torch.from_numpy(values).permute(2, 0, 1)
    blurred = add_gaussian_noise(blur_image(scene, kernel), NOISE, generator).clamp(0, 1)
    stored = (255 * blurred).round().to(torch.uint8).permute(1, 2, 0).numpy()
    PillowImage.fromarray(stored).save(folder / "photo.png")
    write_kernel(kernel, folder / "psf.tif")


def measure(pipeline: str, folder: Path) -> Row:
    """Return processor time and memory of one run."""
    result = folder / f"{pipeline}.png"
    command = [sys.executable, "-m", "unblur", "run", pipeline, str(folder / "photo.png")]
    command += ["-o", str(result), "--quiet"]
    if pipeline in WITH_PSF:
        command += ["--psf", str(folder / "psf.tif")]
    before = processor_seconds()
    subprocess.run(command, check=True)
    seconds = processor_seconds() - before
    report = json.loads(result.with_suffix(".json").read_text(encoding="utf-8"))
    return {
        "pipeline": pipeline,
        "kernel": "given" if pipeline in WITH_PSF else "estimated",
        "seconds": round(seconds),
        "GB": round(report["peak_memory"] / 1e9, 2),
    }


def processor_seconds() -> float:
    """Return the processor time of all child processes that have ended, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
