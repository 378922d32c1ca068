"""A field of kernels: processor time beside one kernel's, and PSNR, by halo and width of windows.

    python benchmarks/field_windows.py richardson-lucy hyper-laplacian
    python benchmarks/field_windows.py svmap --repeat 2

A Kodak picture, repeated side by side, is blurred by a Gaussian that is longer than wide, turns and
grows from place to place, computed on a grid of 24 pixels. The field holds its kernels at 3 x 3
positions. The rows vary one setting of `unblur.numerics.filter_flow` or of the engine at a time, on
one thread; `one kernel` deconvolves with the field's middle one. Results: `results/field-windows`.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.signal import fftconvolve

from scale_table import earlier_rows, write_table
from unblur.engine import deblur
from unblur.engine.steps import sequence
from unblur.model.kernel import Kernel, KernelField
from unblur.numerics import filter_flow
from unblur.numerics.metrics import psnr

KODAK = Path(__file__).resolve().parents[2] / "shared" / "data" / "kodak"
Array = NDArray[np.float64]

REACH = 10
"""Largest distance of a kernel's samples from its centre, in pixels."""
GRID = 24
"""Distance of the positions between whose blurred images is interpolated, in pixels."""
NOISE = 0.005
"""Standard deviation of the noise, white = 1."""
COUNT = 3
"""Number of the field's kernels along each axis, dimensionless."""
INNER = (slice(2 * REACH, -2 * REACH),) * 2
"""Index of the pixels inside, where the border has little influence."""
WIDER = "halo of 2 kernels"
"""Setting with whose result those of the others are compared."""
SETTINGS: dict[str, dict[str, float]] = {
    WIDER: {"WINDOW_HALO": 2},
    "as it is": {},
    "no limit of transitions": {"WIDEST_TRANSITION": math.inf},
    "halo of 2 kernels, no limit of transitions": {"WINDOW_HALO": 2, "WIDEST_TRANSITION": math.inf},
    "transitions of half a kernel": {"WIDEST_TRANSITION": 0.5},
    "one window per kernel": {"SUBDIVISION": 1},
    "three windows per kernel": {"SUBDIVISION": 3},
}


def kernel_at(down: float, right: float) -> Array:
    """Return the kernel at a position, in parts of the image from 0 to 1."""
    u, v = down - 0.5, right - 0.5
    angle = math.pi * (u + 0.6 * v)
    y, x = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1]
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    long = 1.2 + 2 * abs(u) + 2 * right
    weights = np.exp(-0.5 * ((along / long) ** 2 + (across / 0.7) ** 2))
    return np.asarray(weights / weights.sum())


def blur(scene: Array) -> Array:
    """Blur a scene by the kernel of each place, interpolated on a grid."""
    padded = np.pad(scene, REACH, mode="reflect")
    result = np.zeros_like(scene)
    places = [np.arange(0, n + GRID, GRID) for n in scene.shape]
    pixels = [np.arange(n) for n in scene.shape]
    shares = [np.maximum(0, 1 - np.abs(p[:, None] - at) / GRID)
              for p, at in zip(pixels, places, strict=True)]  # fmt: skip
    for i, row in enumerate(places[0]):
        rows = np.flatnonzero(shares[0][:, i])
        for j, column in enumerate(places[1]):
            columns = np.flatnonzero(shares[1][:, j])
            if not (rows.size and columns.size):
                continue
            part = padded[
                rows[0] : rows[-1] + 2 * REACH + 1, columns[0] : columns[-1] + 2 * REACH + 1
            ]
            kernel = kernel_at(row / scene.shape[0], column / scene.shape[1])
            weight = np.outer(shares[0][rows, i], shares[1][columns, j])
            result[np.ix_(rows, columns)] += weight * fftconvolve(part, kernel, "valid")
    return result


@contextmanager
def changed(settings: dict[str, float]) -> Iterator[None]:
    """Change constants of the modules, and restore them."""
    owners = {
        name: next(m for m in (filter_flow, sequence) if hasattr(m, name)) for name in settings
    }
    before = {name: getattr(owner, name) for name, owner in owners.items()}
    for name, value in settings.items():
        setattr(owners[name], name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(owners[name], name, value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stages", nargs="+")
    parser.add_argument("--repeat", type=int, default=1, help="pictures along each axis")
    parser.add_argument("--picture", type=int, default=4, help="number of the picture")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    picture = Image.open(KODAK / f"kodim{options.picture:02d}.png").convert("L")
    scene = np.tile(np.asarray(picture, np.float64) / 255, (options.repeat,) * 2)
    noise = np.random.default_rng(0).normal(0, NOISE, scene.shape)
    blurred = (blur(scene) + noise).astype(np.float32)
    places = [tuple((np.arange(COUNT) + 0.5) / COUNT * n) for n in scene.shape]
    field = KernelField(
        tuple(
            tuple(Kernel(kernel_at(y / scene.shape[0], x / scene.shape[1])) for x in places[1])
            for y in places[0]
        ),
        *places,
    )
    rows: list[dict[str, Any]] = []
    for stage in options.stages:
        middle = KernelField.single(field.kernels[COUNT // 2][COUNT // 2])
        single, _ = measure(stage, blurred, scene, middle)
        facts = {"stage": stage, "megapixels": round(scene.size / 1e6, 2)}
        images: dict[str, Array] = {}
        rows.append({**facts, "setting": "one kernel", **single, "times one kernel's": 1.0})
        for name in options.settings:
            with changed(SETTINGS[name]):
                found, images[name] = measure(stage, blurred, scene, field)
            ratio = round(found["seconds"] / single["seconds"], 2)
            rows.append({**facts, "setting": name, **found, "times one kernel's": ratio})
            if name != WIDER and WIDER in images:
                difference = np.abs(images[name] - images[WIDER])[INNER].max()
                rows[-1]["difference"] = round(float(difference), 4)
            print(rows[-1], flush=True)
    rows = [*earlier_rows("field-windows", ["stage", "megapixels", "setting"], rows), *rows]
    remark = (
        "PSNR in dB inside and over the frame; seconds of processor time on one thread, the "
        "smaller of two runs. Difference: the largest inside from a halo of 2 kernels, white = 1."
    )
    write_table("field-windows", "A field of 3 x 3 kernels of 21 pixels", rows, remark)


def measure(
    stage: str, blurred: Any, scene: Array, field: KernelField
) -> tuple[dict[str, float], Array]:
    """Return PSNRs and seconds of a stage, and its result."""
    seconds = []
    for _ in range(2):
        began = time.process_time()
        result = deblur(blurred, stage, field, device="cpu", axes="YX")
        seconds.append(time.process_time() - began)
    image = np.asarray(result.image, np.float64)
    inside, frame = (
        round(psnr(torch.from_numpy(image[part]), torch.from_numpy(scene[part])), 2)
        for part in (INNER, (...,))
    )
    return {"psnr": inside, "psnr of the frame": frame, "seconds": round(min(seconds), 2)}, image


if __name__ == "__main__":
    main()
