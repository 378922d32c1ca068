"""Time and memory of the recommended pipelines on photographs, a frame of stars and a stack.

    OMP_NUM_THREADS=1 python benchmarks/pipeline_times.py
    OMP_NUM_THREADS=1 python benchmarks/pipeline_times.py photograph large-photograph stack

A free colour photograph of a megapixel is blurred as light by the motion of a shaken camera, given
noise and stored as PNG, through the tone curve of sRGB. `large-photograph` and `large-map-hyper-
laplacian` run these pipelines on 12 megapixels in colour, twelve photographs side by side, blurred
by one larger kernel. `stars` is a float FITS frame of a megapixel for `points-richardson-lucy`,
`stack` a 16-bit TIFF of 32 x 256 x 256 voxels for `richardson-lucy` with its PSF. Each pipeline is
a process of its own, `unblur run`, and the time is the processor time of the whole command on one
thread, with loading, reading and writing; beside many other processes, which share the caches, it
is up to 1.7 times as long. Pipelines without an estimator get the true kernel. The memory is the
highest of the process.

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
from numpy.typing import NDArray
from PIL import Image as PillowImage
from scipy.signal import fftconvolve

from scale_table import Row, earlier_rows, write_table
from unblur import Image, write_image
from unblur.io import write_kernel
from unblur.model.kernel import Kernel
from unblur.numerics.synthesis import add_gaussian_noise, blur_image, gaussian_kernel, shake_kernel
from unblur.numerics.tone_curve import decode_light, encode_light
from unblur.testing.star_fields import star_field

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


LARGE = ("large-photograph", "large-map-hyper-laplacian")
"""Pipelines for the large photograph, after `large-`."""
OTHERS = ("stars", "stack")
"""Inputs other than photographs, each with its own pipeline."""
LARGE_PHOTOS = (
    *("budgie_blue-periwinkle", "budgie_casa-mila", "budgie_extreme-desert-hike"),
    *("budgie_piazza-gae-aulenti", "budgie_tea-gardens", "budgie_the-spices-of-life"),
    *("lomiri_Picture_0B", "lomiri_aitzgorri", "lomiri_life"),
    *("lomiri_picosdeeuropa", "lomiri_sunset", "umate_hans-jurgen-mager-indri"),
)
"""Photographs of the large one, in rows of three."""
LARGE_HEIGHT, LARGE_WIDTH, LARGE_KERNEL = 3200, 3750, 31
"""Extents of the large blurred image and of its kernel, in pixels."""


def main() -> None:
    known = [*WITH_PSF, *BLIND, *LARGE, *OTHERS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=known, choices=known, metavar="NAME")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_photograph(folder)
        if set(LARGE) & set(options.names):
            write_large_photograph(folder)
        write_stars(folder)
        write_stack(folder)
        for case in options.names:
            row = measure(case, folder)
            rows = [*earlier_rows("pipeline-times", ["input", "pipeline"], [row]), row]
            order = {name: number for number, name in enumerate(known)}
            write_table(
                "pipeline-times",
                "Time and memory of the recommended pipelines",
                sorted(rows, key=lambda row: order[case_of(row)]),
                "Processor time of the whole command on one thread; highest memory of the process.",
            )


def case_of(row: Row) -> str:
    """Return the name of the case that a row was measured on."""
    if row["input"] in OTHERS:
        return str(row["input"])
    return f"large-{row['pipeline']}" if row["input"] == "large" else str(row["pipeline"])


def read_photo(path: Path) -> NDArray[np.float32]:
    """Return a photograph as (H, W, 3), white = 1."""
    with PillowImage.open(path) as photo:
        return np.asarray(photo.convert("RGB"), np.float32) / 255


def write_photograph(folder: Path) -> None:
    """Write the blurred photograph and its kernel."""
    values = read_photo(Path(__file__).resolve().parents[1] / PHOTO)
    write_blurred(values[: HEIGHT + 20, : WIDTH + 20], KERNEL, folder / "photo.png")


def write_large_photograph(folder: Path) -> None:
    """Write twelve photographs side by side, blurred by one kernel."""
    photos = (Path(__file__).resolve().parents[1] / PHOTO).parent
    parts = [read_photo(photos / f"{name}.jpg")[:852] for name in LARGE_PHOTOS]
    rows = [np.concatenate(parts[i : i + 3], axis=1) for i in range(0, len(parts), 3)]
    values = np.concatenate(rows)[: LARGE_HEIGHT + 30, : LARGE_WIDTH + 30]
    write_blurred(values, LARGE_KERNEL, folder / "large.png")


def write_blurred(values: NDArray[np.float32], size: int, path: Path) -> None:
    """Write an image (H, W, 3) blurred by the motion of a camera, and the kernel beside it."""
    generator = torch.Generator().manual_seed(0)
    kernel = shake_kernel(size, generator)
    light = torch.from_numpy(decode_light(values)).permute(2, 0, 1)
    blurred = torch.from_numpy(encode_light(blur_image(light, kernel).numpy()))
    noisy = add_gaussian_noise(blurred, NOISE, generator).clamp(0, 1)
    stored = (255 * noisy).round().to(torch.uint8).permute(1, 2, 0).numpy()
    PillowImage.fromarray(stored).save(path)
    write_kernel(kernel, path.with_name(f"{path.stem}-psf.tif"))


def write_stars(folder: Path) -> None:
    """Write a frame of 400 stars on 1000 x 1000 pixels."""
    frame = star_field(1000, 400, seed=0)
    write_image(Image(frame.image, "YX"), folder / "stars.fits")


def write_stack(folder: Path) -> None:
    """Write a blurred stack of points and its PSF."""
    random = np.random.default_rng(0)
    scene = (random.random((32, 256, 256)) > 0.999).astype(np.float32)
    kernel = gaussian_kernel((2.5, 2.0, 2.0))
    weights = kernel.weights
    blurred = fftconvolve(scene, weights, "same")
    counts = random.poisson(100 + 2000 * blurred / blurred.max()).astype(np.uint16)
    write_image(Image(counts, "ZYX"), folder / "stack.tif")
    write_kernel(Kernel(weights), folder / "stack-psf.tif")


def measure(case: str, folder: Path) -> Row:
    """Return processor time and memory of one run."""
    name, source, pipeline, psf = "photograph", "photo.png", case, "photo-psf.tif"
    if case in LARGE:
        name, source, pipeline = "large", "large.png", case.removeprefix("large-")
    elif case in OTHERS:
        name = case
    if case == "stars":
        source, pipeline = "stars.fits", "points-richardson-lucy"
    elif case == "stack":
        source, pipeline, psf = "stack.tif", "richardson-lucy", "stack-psf.tif"
    result = folder / f"{case}-sharp{Path(source).suffix}"
    command = [sys.executable, "-m", "unblur", "run", pipeline, str(folder / source)]
    command += ["-o", str(result), "--quiet"]
    is_given = pipeline in WITH_PSF
    if is_given:
        command += ["--psf", str(folder / psf)]
    before = processor_seconds()
    subprocess.run(command, check=True)
    seconds = processor_seconds() - before
    report = json.loads(result.with_suffix(".json").read_text(encoding="utf-8"))
    return {
        "input": name,
        "pipeline": pipeline,
        "kernel": "given" if is_given else "estimated",
        "seconds": round(seconds),
        "GB": round(report["peak_memory"] / 1e9, 2),
    }


def processor_seconds() -> float:
    """Return the processor time of all child processes that have ended, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
