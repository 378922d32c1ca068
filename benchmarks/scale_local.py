"""PSNR with one kernel per cell, beside one kernel, where the blur rotates across the image.

python benchmarks/scale_local.py PHOTO... [--size 2048] [--turn 60] [--cell 400]
python benchmarks/scale_local.py PHOTO... --camera 1 --size 1024 --cell auto --pipeline NAME

The photographs are tiled to a scene of `--size` pixels, which is blurred by a kernel that rotates
by `--turn` degrees from left to right, with 0.2 % noise. Two runs are blind; the last row has the
true kernels, one for each column of cells. Results: `results/scale-local`, or the name given by
`--name`.

With `--camera` the scene is blurred by a camera that shifts and rotates by that many degrees, and
the local kernels are used as estimated, or fitted by a motion of the camera. Results:
`results/local-camera`.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy.ndimage import rotate

from scale_table import write_table
from unblur.engine import deblur
from unblur.io import read_image
from unblur.model.kernel import Kernel, KernelField
from unblur.numerics.metrics import levin_aligned
from unblur.numerics.synthesis import blur_image, camera_path, gaussian_process_kernel, shake_image
from unblur.pipeline import Pipeline

STRIPS = 33
"""Number of kernels from the left to the right edge; blurs are interpolated between them."""


REMARK = (
    "blurred: as given. global and local: blind, `tiles.kernel` of the pipeline. true: the true "
    "kernels, one for each column of cells. PSNR at the best shift, without 32 pixels of border; "
    "seconds on a machine with other load."
)

CAMERA = (
    "blurred: as given. global, local: `tiles.kernel` of the pipeline. camera: local, with "
    "`tiles.motion: camera`. All blind. PSNR at the best shift, without 32 pixels of border; "
    "seconds on a machine with other load."
)


def scene(paths: list[str], size: int) -> torch.Tensor:
    """Return photographs side by side, (size, size), white = 1."""
    photos = []
    for path in paths:
        image = read_image(path)
        values = np.asarray(image.data, np.float32) / image.white
        photos.append(values if values.ndim == 2 else values.mean(0))
    rows, height = [], 0
    number = 0
    while height < size:
        row, width = [], 0
        deep = min(photo.shape[0] for photo in photos)
        while width < size:
            photo = photos[number % len(photos)][:deep]
            number += 1
            row.append(photo)
            width += photo.shape[1]
        rows.append(np.concatenate(row, axis=1)[:, :size])
        height += deep
    return torch.from_numpy(np.concatenate(rows)[:size].copy())


def rotate_kernel(kernel: Kernel, angle: float) -> Kernel:
    """Return a kernel rotated by `angle` degrees about its centre."""
    weights = rotate(np.pad(kernel.weights, 2), angle, reshape=False, order=1)
    return Kernel(np.maximum(weights, 0))


def rotating_blur(sharp: torch.Tensor, kernel: Kernel, angle: float) -> torch.Tensor:
    """Blur with a kernel that rotates by `angle` from left to right, by efficient filter flow."""
    width = sharp.shape[1]
    position = torch.arange(width) * (STRIPS - 1) / (width - 1)
    total = torch.zeros_like(sharp)
    for strip in range(STRIPS):
        weight = (1 - (position - strip).abs()).clamp_min(0)
        here = rotate_kernel(kernel, angle * strip / (STRIPS - 1))
        total += blur_image((sharp * weight)[None], here, boundary="reflect")[0]
    return total


def true_field(kernel: Kernel, angle: float, size: int, cell: int) -> KernelField:
    """Return the kernels at the middle of each column of cells."""
    count = max(size // cell, 1)
    columns = tuple((j + 0.5) * size / count for j in range(count))
    row = tuple(rotate_kernel(kernel, angle * column / (size - 1)) for column in columns)
    return KernelField((row,), (size / 2,), columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--shake", type=int, default=0, help="seed of the kernel")
    parser.add_argument("--turn", dest="angle", type=float, default=60.0, help="degrees")
    parser.add_argument("--kernel", type=int, default=15)
    parser.add_argument("--camera", type=float, default=0.0, help="degrees from end to end")
    parser.add_argument("--cell", default="400", help="pixels, or auto")
    parser.add_argument("--noise", type=float, default=0.002)
    parser.add_argument("--pipeline", default="map-hyper-laplacian")
    parser.add_argument("--name", help="of the results; scale-local or local-camera by default")
    options = parser.parse_args()
    (compare_camera if options.camera else compare_rotating_blur)(options)


def compare_rotating_blur(options: argparse.Namespace) -> None:
    """Blur with a kernel that rotates from left to right, deblur, and write the scores."""
    sharp = scene(options.photos, options.size)
    generator = torch.Generator().manual_seed(options.shake)
    kernel = gaussian_process_kernel(options.kernel, generator)
    blurred = rotating_blur(sharp, kernel, options.angle)
    cell = int(options.cell)
    truth = true_field(kernel, options.angle, options.size, cell)
    variants = {
        "global": ({"tiles.size": cell}, None),
        "local": ({"tiles.size": cell, "tiles.kernel": "local"}, None),
        "true": ({"tiles.size": cell}, truth),
    }
    title = f"One kernel per cell, and one kernel: a blur that rotates by {options.angle:g} degrees"
    name = options.name or "scale-local"
    compare(name, title, REMARK, add_noise(blurred, options, generator), sharp, variants, options)


def compare_camera(options: argparse.Namespace) -> None:
    """Blur with a camera that shifts and rotates, deblur, and write the scores."""
    generator = torch.Generator().manual_seed(options.shake)
    path = camera_path(0.6 * options.kernel, options.camera, generator)
    blurred, sharp = shake_image(scene(options.photos, options.size), path)
    cells = {"tiles.size": options.cell if options.cell == "auto" else int(options.cell)}
    variants = {
        "global": (cells, None),
        "local": ({**cells, "tiles.kernel": "local"}, None),
        "camera": ({**cells, "tiles.kernel": "local", "tiles.motion": "camera"}, None),
    }
    title = f"One kernel per cell, and one kernel: a camera rotates by {options.camera:g} degrees"
    name = options.name or "local-camera"
    compare(name, title, CAMERA, add_noise(blurred, options, generator), sharp, variants, options)


def add_noise(
    blurred: torch.Tensor, options: argparse.Namespace, generator: torch.Generator
) -> np.ndarray:
    """Return an image with Gaussian noise."""
    return (blurred + options.noise * torch.randn(blurred.shape, generator=generator)).numpy()


def compare(
    name: str,
    title: str,
    remark: str,
    blurred: np.ndarray,
    sharp: torch.Tensor,
    variants: dict[str, tuple[dict[str, Any], KernelField | None]],
    options: argparse.Namespace,
) -> None:
    """Deblur with each variant, the settings of the pipeline and the kernels; write the scores."""
    scored = {"blurred": (blurred, 0.0)}
    for variant, (settings, field) in variants.items():
        size = {"kernel.size": options.kernel + 6}
        pipeline = Pipeline.load(options.pipeline).override(
            {"tiles.kernel": "global", "tiles.motion": "free", **size, **settings}
        )
        began = time.perf_counter()
        known = None if field is None else replace(field, keeps_offset=True)
        result = deblur(blurred, pipeline, known)
        scored[variant] = (result.image, time.perf_counter() - began)
        print(f"{variant}: {result.report.kernel.region}", flush=True)
    rows = []
    for variant, (image, seconds) in scored.items():
        psnr = levin_aligned(image, sharp.numpy(), border=32, search=3.0, step=0.5).psnr
        rows.append({"kernels": variant, "PSNR dB": round(psnr, 2), "seconds": round(seconds)})
    write_table(name, title, rows, remark)


if __name__ == "__main__":
    main()
