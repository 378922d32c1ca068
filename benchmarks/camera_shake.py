"""What poses of the camera gain over one kernel, where the camera turns while it shakes.

python benchmarks/camera_shake.py PHOTO... [--turn 2] [--span 10] [--pipelines NAME...]

From the middle of each photograph `--edge` pixels are shaken by warps (`shake_image`) along a
smooth random motion that spans `--span` pixels of shift and `--turn` degrees of angle, with 0.5 %
noise, and deblurred blind by each pipeline, and by the last with the true poses. No picture tells
how the sharp scene lay; so each result is scored at the shift and at the turn that suit it best,
the blurred image too. Kept as `results/camera-shake`, or `--name`.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import rotate

from scale_table import Row, keep
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
"""Pixels at each side that are not scored."""
TURNS = np.arange(-8, 9) / 10
"""Degrees by which a result is turned to where it agrees best with the truth."""


def shaken(photo: str, options: argparse.Namespace, seed: int) -> tuple[DegradedPair, Poses]:
    """Return the middle of a photograph, shaken and noisy, and as it was: (H, W), white = 1.

    With them comes the camera's path.
    """
    image = read_image(photo)
    values = np.asarray(image.data, np.float32) / image.white
    grey = torch.from_numpy(values if values.ndim == 2 else values.mean(0))
    top, left = (max((n - options.edge) // 2, 0) for n in grey.shape)
    sharp = grey[top : top + options.edge, left : left + options.edge]
    generator = torch.Generator().manual_seed(seed)
    path = camera_path(options.span, options.turn, generator)
    pair = shake_image(sharp, path)
    noise = torch.randn(pair.blurred.shape, generator=generator)
    return DegradedPair(pair.blurred + options.noise * noise, pair.sharp), path


def true_field(path: Poses, shape: tuple[int, ...], size: int) -> KernelField:
    """Return the kernels that the camera's path makes in an image of a shape."""
    grid = PoseGrid.over(shape, size, float(np.abs(path[:, 0]).max()), step=0.5)
    return camera_field(grid, torch.from_numpy(grid.weights(path)))


def main() -> None:
    """Shake, deblur, score, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--edge", type=int, default=450)
    parser.add_argument("--turn", type=float, default=2.0, help="degrees from end to end")
    parser.add_argument("--span", type=float, default=10.0, help="pixels")
    parser.add_argument("--noise", type=float, default=0.005)
    parser.add_argument("--kernel", type=int, default=25, help="frame of the kernel")
    parser.add_argument("--settings", nargs="*", default=[], help="STEP.PARAM=VALUE of pipelines")
    parser.add_argument("--pipelines", nargs="+", default=["map-svmap", "camera-shake-svmap"])
    parser.add_argument("--name", default="camera-shake")
    options = parser.parse_args()
    settings = dict(setting.split("=", 1) for setting in options.settings)
    rows: list[Row] = []
    for seed, photo in enumerate(options.photos):
        pair, path = shaken(photo, options, seed)
        truth = pair.sharp.numpy()
        row = {"photograph": Path(photo).stem, "blurred": score(pair.blurred.numpy(), truth)}
        for name in options.pipelines:
            chain = Pipeline.load(name).override({"kernel.size": options.kernel, **settings})
            began = time.perf_counter()
            result = deblur(pair.blurred.numpy(), chain)
            row[name] = score(result.image, truth)
            print(f"{row}, {time.perf_counter() - began:.0f} s", flush=True)
        # The truth lies where the true kernels say, off their centre of mass or not.
        field = replace(true_field(path, truth.shape, options.kernel), keeps_offset=True)
        known = deblur(pair.blurred.numpy(), chain, field)
        row["true poses"] = score(known.image, truth)
        rows.append(row)
    means = {k: round(float(np.mean([row[k] for row in rows])), 2) for k in list(rows[0])[1:]}
    rows.append({"photograph": "mean", **means})
    title = f"One camera shaken by {options.span:g} pixels and turned by {options.turn:g} degrees"
    remark = (
        f"PSNR in dB at the best shift and turn, {BORDER} pixels of border left out; blind, "
        f"kernels in a frame of {options.kernel} pixels, but for the last column."
    )
    keep(options.name, title, rows, remark, "number of the photograph")


def score(image: np.ndarray, truth: np.ndarray) -> float:
    """Return the PSNR at the best shift and the best of `TURNS`, in dB."""
    turned = (rotate(image, turn, reshape=False, order=3, mode="nearest") for turn in TURNS)
    protocol = {"border": BORDER, "search": 4.0, "step": 0.5}
    return round(max(levin_aligned(x, truth, **protocol).psnr for x in turned), 2)


if __name__ == "__main__":
    main()
