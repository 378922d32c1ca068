"""Choice of `hyper_laplacian_weight` for estimated kernels and little noise, on photographs.

    python benchmarks/hyper_laplacian_weight.py ../shared/data/photos

Crops of training photographs, of 256 pixels, are blurred by shaken kernels and by cameras that
rotate by up to half a degree, and given 0.05 to 0.3 % of noise. They are deconvolved with the
kernel that `map` estimates, by `plug-and-play` mixed with `hyper-laplacian` in several weights.
Measured is the PSNR over that of `hyper-laplacian` alone with its own params, both at the best
shift. Chosen is, of the weights with the fewest crops below `hyper-laplacian`, that of the highest
mean. The reporting sets (Levin's, Kodak's, BSD's) have no part in it. `--kernels FOLDER` stores the
estimated kernels there and reads those that it holds. Results: `results/hyper-laplacian-weight`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from scale_table import Row, write_table
from svmap_estimated import ESTIMATORS
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.metrics import levin_aligned
from unblur.numerics.regions import gradient_energy
from unblur.numerics.synthesis import (
    blur_image,
    camera_path,
    crop_valid,
    gaussian_process_kernel,
    shake_image,
    shake_kernel,
)
from unblur.plugins.manager import registry
from unblur.training.images import image_files, read_luma

EDGE = 256
SIZES = (13, 19, 25, 15, 21, 27, 17, 23)
"""Extents of the kernels, in pixels."""
SPANS = (9, 12, 15, 18, 21, 11, 14, 17)
"""Extents of the shifts of the rotating cameras, in pixels."""
NOISES = (0.0005, 0.001, 0.002, 0.003)
"""Standard deviations of the noise, white = 1."""
WEIGHTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
MODEL_ERROR = 0.02
"""Param `model_error` of `plug-and-play`, which it hands on to `hyper-laplacian` in the mean."""
UNIFORM = 32
"""Number of the case from which the cameras rotate."""


class Case(NamedTuple):
    """A blurred crop (1, H, W) and its truth."""

    blurred: Tensor
    sharp: Tensor


def crop_texture(file: Path, height: int, width: int) -> Tensor:
    """Return the window (1, height, width) of a photograph with the most texture, white = 1."""
    scene = read_luma(file).float()[None] / 255
    energy = gradient_energy(scene)[None]
    means = functional.avg_pool2d(energy, (height - 1, width - 1), 8)[0, 0]
    row, column = (8 * n for n in divmod(int(means.argmax()), means.shape[1]))
    return scene[:, row : row + height, column : column + width]


def make_case(files: list[Path], number: int) -> Case:
    """Return a case; from number `UNIFORM` on the camera rotates."""
    file = files[(29 * number + 3) % len(files)]
    generator = torch.Generator().manual_seed(1000 + number)
    if number < UNIFORM:
        draw = shake_kernel if number % 2 else gaussian_process_kernel
        kernel = draw(SIZES[number % 8], generator)
        height, width = (EDGE + n - 1 for n in kernel.shape)
        scene = crop_texture(file, height, width)
        blurred, sharp = blur_image(scene, kernel), crop_valid(scene, kernel)
    else:
        span = SPANS[number % 8]
        path = camera_path(span, 0.5 if number % 2 else 0.25, generator)
        edge = EDGE + 2 * (span + 3)
        blurred, sharp = shake_image(crop_texture(file, edge, edge), path)
    noise = NOISES[number // 2 % 4]
    return Case(blurred + noise * torch.randn(blurred.shape, generator=generator), sharp)


def kernel_of(case: Case, file: Path | None) -> Kernel:
    """Return the kernel that `map` estimates, from a file if there is one, stored there else."""
    if file is not None and file.exists():
        return Kernel(np.load(file, allow_pickle=False))
    found = registry().stage("kernel", "map")(ESTIMATORS["map"]).estimate(case.blurred, Context())
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, found.kernel.weights)
    return found.kernel


def deconvolve(case: Case, kernel: Kernel, name: str, **params: float) -> Tensor:
    """Return the image (H, W) of a deconvolver."""
    stage = registry().stage("deconvolve", name)(params)
    return stage.deconvolve(case.blurred, kernel, Context())[0].clamp(0, 1)


def score(found: Tensor, case: Case) -> float:
    """Return the PSNR in dB at the best shift."""
    return levin_aligned(found.numpy(), case.sharp[0].numpy(), search=3.0).psnr


def main() -> None:
    """Measure every setting on every case, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kernels", type=Path, help="folder of the kernels")
    parser.add_argument("--cases", type=int, nargs=3, default=[0, 48, 1], help="first, end, step")
    options = parser.parse_args()
    torch.set_num_threads(1)
    files = image_files(options.folder)
    gains = []
    for number in range(*options.cases):
        case = make_case(files, number)
        stored = options.kernels / f"{number}.npy" if options.kernels else None
        kernel = kernel_of(case, stored)
        first = score(deconvolve(case, kernel, "hyper-laplacian"), case)
        own = deconvolve(case, kernel, "plug-and-play", model_error=MODEL_ERROR)
        other = deconvolve(case, kernel, "hyper-laplacian", model_error=MODEL_ERROR)
        gains.append([score(torch.lerp(own, other, w), case) - first for w in WEIGHTS])
        print(number, round(first, 2), np.round(gains[-1], 2).tolist(), flush=True)
    table = np.array(gains)
    rows: list[Row] = [
        {
            "weight": weight,
            "gain": round(float(found.mean()), 3),
            "median": round(float(np.median(found)), 3),
            "lowest": round(float(found.min()), 2),
            "below": int((found < 0).sum()),
        }
        for weight, found in zip(WEIGHTS, table.T, strict=True)
    ]
    best = min(rows, key=lambda row: (float(row["below"]), -float(row["gain"])))
    remark = (
        f"Gain in dB over hyper-laplacian with the same kernels by map, at the best shift, over "
        f"{len(table)} crops of training photographs with 0.05 to 0.3 % of noise. Below: number of "
        f"crops below hyper-laplacian. Chosen: {best['weight']}."
    )
    write_table(
        "hyper-laplacian-weight",
        "Weight of hyper-laplacian for estimated kernels and little noise",
        rows,
        remark,
        "1000 and the number of the crop",
    )


if __name__ == "__main__":
    main()
