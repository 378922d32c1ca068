"""PSNR of pipelines that model camera rotation, beside one kernel for the whole image.

python benchmarks/camera_shake.py PHOTO... [--turn 2] [--span 10] [--pipelines NAME...]

From the middle of each photograph `--edge` pixels are shaken by warps (`shake_image`) along a
smooth random motion that spans `--span` pixels of shift and `--turn` degrees of rotation, with 0.5
% noise. Each pipeline deblurs them blind; the last one also with the true poses. A blurred image
does not determine the position of the sharp scene, so each result, and the blurred image, is
scored at its best shift and rotation. Results: `results/camera-shake`, or the name given by
`--name`.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import rotate

from scale_table import Row, write_table
from unblur.engine import deblur
from unblur.io import read_image
from unblur.model.kernel import KernelField
from unblur.numerics.camera import PoseGrid, camera_field
from unblur.numerics.metrics import levin_aligned
from unblur.numerics.synthesis import camera_path, shake_image
from unblur.numerics.synthesis.camera_motion import Poses
from unblur.numerics.synthesis.degradations import DegradedPair
from unblur.pipeline import Pipeline

BORDER = 30
"""Border that is not scored, at each side, pixels."""
ROTATIONS = np.arange(-8, 9) / 10
"""Rotations at which a result is compared with the truth, degrees."""


def shaken(photo: str, options: argparse.Namespace, seed: int) -> tuple[DegradedPair, Poses]:
    """Return the middle of a photograph, blurred and sharp, (H, W), white = 1, and the poses."""
    image = read_image(photo)
    values = np.asarray(image.data, np.float32) / image.white
    grey = torch.from_numpy(values if values.ndim == 2 else values.mean(0))
    top, left = (max((n - options.edge) // 2, 0) for n in grey.shape)
    sharp = grey[top : top + options.edge, left : left + options.edge]
    generator = torch.Generator().manual_seed(seed)
    path = camera_path(options.span, options.rotation_deg, generator)
    pair = shake_image(sharp, path)
    noise = torch.randn(pair.blurred.shape, generator=generator)
    return DegradedPair(pair.blurred + options.noise * noise, pair.sharp), path


def true_field(path: Poses, shape: tuple[int, ...], size: int) -> KernelField:
    """Return the kernels that the poses of `path` produce in an image of that shape."""
    grid = PoseGrid.over(shape, size, float(np.abs(path[:, 0]).max()), step=0.5)
    return camera_field(grid, torch.from_numpy(grid.weights(path)))


def main() -> None:
    """Blur, deblur and score every photograph, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--edge", type=int, default=450)
    parser.add_argument(
        "--turn", dest="rotation_deg", type=float, default=2.0, help="degrees from end to end"
    )
    parser.add_argument("--span", type=float, default=10.0, help="pixels")
    parser.add_argument("--noise", type=float, default=0.005)
    parser.add_argument("--kernel", type=int, default=25, help="kernel size, pixels")
    parser.add_argument("--settings", nargs="*", default=[], help="STEP.PARAM=VALUE of pipelines")
    parser.add_argument("--pipelines", nargs="+", default=["map-svmap", "camera-shake-svmap"])
    parser.add_argument("--name", default="camera-shake")
    options = parser.parse_args()
    settings = dict(setting.split("=", 1) for setting in options.settings)
    rows: list[Row] = []
    for seed, photo in enumerate(options.photos):
        pair, path = shaken(photo, options, seed)
        truth = pair.sharp.numpy()
        row = {"image": Path(photo).stem, "blurred": score(pair.blurred.numpy(), truth)}
        for name in options.pipelines:
            pipeline = Pipeline.load(name).override({"kernel.size": options.kernel, **settings})
            began = time.perf_counter()
            result = deblur(pair.blurred.numpy(), pipeline)
            row[name] = score(result.image, truth)
            print(f"{row}, {time.perf_counter() - began:.0f} s", flush=True)
        # The position of the truth is that of the true kernels, whose mass may be off centre.
        field = replace(true_field(path, truth.shape, options.kernel), keeps_offset=True)
        known = deblur(pair.blurred.numpy(), pipeline, field)
        row["true poses"] = score(known.image, truth)
        rows.append(row)
    means = {k: round(float(np.mean([row[k] for row in rows])), 2) for k in list(rows[0])[1:]}
    rows.append({"image": "mean", **means})
    title = (
        f"Camera shake of {options.span:g} pixels and {options.rotation_deg:g} degrees of rotation"
    )
    remark = (
        f"PSNR in dB at the best shift and rotation, without {BORDER} pixels of border; blind, "
        f"kernel size {options.kernel} pixels, except in the last column."
    )
    write_table(options.name, title, rows, remark, "number of the photograph")


def score(image: np.ndarray, truth: np.ndarray) -> float:
    """Return the PSNR at the best shift and the best of `ROTATIONS`, in dB."""
    rotated = (rotate(image, angle, reshape=False, order=3, mode="nearest") for angle in ROTATIONS)
    protocol = {"border": BORDER, "search": 4.0, "step": 0.5}
    return round(max(levin_aligned(x, truth, **protocol).psnr for x in rotated), 2)


if __name__ == "__main__":
    main()
