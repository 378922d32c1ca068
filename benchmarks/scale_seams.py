"""Difference between tiles and the whole image, for each installed deconvolver and postprocessor.

python benchmarks/scale_seams.py PHOTO [--size 1280] [--tile 256] [--noise 0.01] [--only STAGE ...]
                                  [--kernels NAME ...] [--clip SHARE]

Results: `results/scale-seams`, the largest and the root-mean-square difference between the tiled
and the whole result, as a fraction of white, at least a halo away from the image's border; and the
largest anywhere. At the border the scene beyond it is solved for, of which a tile covers less.
With `--clip` that fraction of the pixels is saturated at the white of a 16-bit sensor, and masked.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch

from scale_table import earlier_rows, write_table
from unblur.engine import deblur
from unblur.io import read_image
from unblur.model.kernel import Kernel
from unblur.numerics.synthesis import (
    add_gaussian_noise,
    blur_image,
    disk_kernel,
    gaussian_kernel,
    gaussian_process_kernel,
    motion_kernel,
)
from unblur.pipeline import Pipeline
from unblur.plugins.manager import registry

REMARK = (
    "Differences as a fraction of white, on a photograph with 1 % noise. Largest and rms: at least "
    "a halo away from the image's border. Postprocessors follow a Wiener filter. "
    "Clipped: that fraction of the pixels is saturated, and masked."
)


def kernels() -> dict[str, Kernel]:
    generator = torch.Generator().manual_seed(3)
    return {
        "gaussian 15": gaussian_kernel(2.0, 15),
        "gaussian 35": gaussian_kernel(5.0, 35),
        "disk 9": disk_kernel(4.0),
        "motion 15": motion_kernel(15, 30.0),
        "shake 25": gaussian_process_kernel(25, generator),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo")
    parser.add_argument("--size", type=int, default=1280, help="pixels of the photograph's corner")
    parser.add_argument("--tile", type=int, default=256)
    parser.add_argument("--noise", type=float, default=0.01)
    parser.add_argument("--only", nargs="*", default=None, help="names of stages")
    parser.add_argument("--kernels", nargs="*", default=None, help="names of kernels")
    parser.add_argument("--clip", type=float, default=0.0, help="fraction of the pixels at white")
    options = parser.parse_args()
    photo = read_image(options.photo)
    values = np.asarray(photo.data, np.float32) / photo.white
    grey = values if values.ndim == 2 else values.mean(0)
    sharp = torch.from_numpy(grey[: options.size, : options.size].copy())
    rows = []
    for kind in ("deconvolve", "postprocess"):
        for name, cls in registry().stages_of(kind).items():
            if 2 not in cls.dimensions or (options.only and name not in options.only):
                continue
            for label, kernel in kernels().items():
                if options.kernels and label not in options.kernels:
                    continue
                generator = torch.Generator().manual_seed(0)
                blurred = blur_image(sharp, kernel, boundary="reflect")
                noisy = add_gaussian_noise(blurred, options.noise, generator).numpy()
                if options.clip:
                    noisy = clipped(noisy, options.clip)
                rows.append(
                    {
                        "stage": f"{name}, {options.clip:.1%} clipped" if options.clip else name,
                        "kernel": label,
                        **seams(noisy, kind, name, kernel, options.tile),
                    }
                )
                print(rows[-1], flush=True)
    earlier = earlier_rows("scale-seams", ["stage", "kernel"], rows)
    write_table("scale-seams", "Tiles against the whole image", [*earlier, *rows], REMARK)


def seams(noisy: np.ndarray, kind: str, name: str, kernel: Kernel, tile: int) -> dict[str, Any]:
    """Return the differences between the result in tiles and that in one piece."""
    steps = [{kind: name}]
    if kind == "postprocess":
        steps.insert(0, {"deconvolve": "wiener"})
    pipeline = Pipeline(summary="Seams.", steps=steps)
    # One tile for the whole image: calibrated on the same region as the small tiles.
    whole = deblur(noisy, pipeline, kernel, tile=max(noisy.shape), device="cpu")
    tiled = deblur(noisy, pipeline, kernel, tile=tile, device="cpu")
    white = 65535 if noisy.dtype == np.uint16 else 1
    difference = np.abs(tiled.image.astype(np.float64) - whole.image) / white
    assert tiled.report.tiles is not None
    margin = max(*tiled.report.tiles["halo"], 1)
    inside = difference[margin:-margin, margin:-margin]
    return {
        "image": "x".join(map(str, noisy.shape)),
        "tile": tile,
        "halo": max(tiled.report.tiles["halo"]),
        "largest": f"{inside.max():.1e}",
        "rms": f"{np.sqrt((inside**2).mean()):.1e}",
        "largest at the border": f"{difference.max():.1e}",
    }


def clipped(image: np.ndarray, share: float) -> np.ndarray:
    """Return the image as uint16, scaled so that a fraction `share` of its pixels is saturated."""
    exposed = image / np.quantile(image, 1 - share)
    return np.rint(65535 * exposed.clip(0, 1)).astype(np.uint16)


if __name__ == "__main__":
    main()
