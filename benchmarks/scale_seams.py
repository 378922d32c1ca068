"""How far tiles differ from the whole image, for every installed deconvolver and postprocessor.

python benchmarks/scale_seams.py PHOTO [--tile 256] [--noise 0.01] [--only STAGE ...]

Prints a table in Markdown: largest and root-mean-square difference between the tiled and the
whole result, as a fraction of white, two kernel widths and more away from the image's border; and
the largest anywhere. At the border the scene beyond it is solved for, which a tile sees less of.
"""

from __future__ import annotations

import argparse

import numpy as np

from unblur.engine import deblur
from unblur.io import read_image
from unblur.kernels import Kernel
from unblur.pipeline import Pipeline
from unblur.plugins import registry
from unblur.synthesis import (
    add_gaussian_noise,
    blur_image,
    disk_kernel,
    gaussian_kernel,
    motion_kernel,
)


def kernels() -> dict[str, Kernel]:
    return {
        "gaussian 15": gaussian_kernel(2.0, 15),
        "disk 9": disk_kernel(4.0),
        "motion 15": motion_kernel(15, 30.0),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo")
    parser.add_argument("--tile", type=int, default=256)
    parser.add_argument("--noise", type=float, default=0.01)
    parser.add_argument("--only", nargs="*", default=None, help="names of stages")
    options = parser.parse_args()
    import torch

    photo = read_image(options.photo)
    values = np.asarray(photo.data, np.float32) / photo.white
    sharp = torch.from_numpy(values if values.ndim == 2 else values.mean(0))
    print("| stage | kernel | halo | largest | rms | largest at the image's border |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind in ("deconvolve", "postprocess"):
        for name, cls in registry().stages_of(kind).items():
            if 2 not in cls.dimensions or (options.only and name not in options.only):
                continue
            for label, kernel in kernels().items():
                blurred = blur_image(sharp, kernel, boundary="reflect")
                generator = torch.Generator().manual_seed(0)
                noisy = add_gaussian_noise(blurred, options.noise, generator).numpy()
                steps = [{kind: name}]
                if kind == "postprocess":
                    steps.insert(0, {"deconvolve": "wiener"})
                pipeline = Pipeline(summary="Seams.", steps=steps)
                report(noisy, pipeline, kernel, options.tile, name, label)


def report(
    noisy: np.ndarray, pipeline: Pipeline, kernel: Kernel, tile: int, name: str, label: str
) -> None:
    edge = max(noisy.shape)
    whole = deblur(noisy, pipeline, kernel, tile=edge, device="cpu")
    tiled = deblur(noisy, pipeline, kernel, tile=tile, device="cpu")
    difference = np.abs(tiled.image - whole.image)
    margin = 2 * max(kernel.shape)
    inside = difference[margin:-margin, margin:-margin]
    halo = tiled.report.tiles["halo"]
    print(
        f"| {name} | {label} | {max(halo)} | {inside.max():.1e} | "
        f"{np.sqrt((inside**2).mean()):.1e} | {difference.max():.1e} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
