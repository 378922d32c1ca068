"""Blind deblurring of night scenes with clipped lights: PSNR of pipelines on the same images.

    python benchmarks/low_light.py ../shared/data/night

The scenes that no weights of svmap were trained on, at half their size, are multiplied by 1.2,
blurred by kernels of `kernels_13_35.npz`, given 1 % of noise, and clipped at white. The first five
were used to choose the settings of `low-light`. Scores are computed at the best shift, as on
Levin's set. Results: `results/low-light`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from scale_table import write_table
from svmap_table import stored_kernels
from unblur.engine import deblur
from unblur.numerics.metrics import levin_aligned
from unblur.pipeline import Pipeline
from unblur.training.blurred_samples import degrade
from unblur.training.images import read_luma
from unblur_svmap.training.trainer import GAIN, held_out

ROWS, COLUMNS, NOISE = 400, 500, 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenes", type=Path)
    parser.add_argument("pipelines", nargs="*", default=["map-hyper-laplacian", "low-light"])
    options = parser.parse_args()
    kernels, rows = stored_kernels(), []
    for number, name in enumerate(sorted(held_out())):
        kernel = kernels[5 * number % len(kernels)]
        height, width = (n + m for n, m in zip((ROWS, COLUMNS), kernel.shape, strict=True))
        scene = read_luma(options.scenes / name, halved=True).float()[:height, :width] / 255
        sample = degrade(scene, kernel, NOISE, torch.Generator().manual_seed(number), GAIN)
        blurred, sharp = sample.blurred[0, 0].numpy(), sample.sharp[0, 0].numpy()
        row = {"scene": name, "blurred": levin_aligned(blurred, sharp).psnr}
        for pipeline in options.pipelines:
            found = np.asarray(deblur(blurred, Pipeline.load(pipeline)).image)
            row[pipeline] = levin_aligned(found, sharp).psnr
        rows.append(row)
        print(row, flush=True)
    means = {key: float(np.mean([row[key] for row in rows])) for key in rows[0] if key != "scene"}
    table = [*rows, {"scene": "mean", **means}]
    write_table("low-light", "Blind deblurring of night scenes", table, seed="number of the scene")


if __name__ == "__main__":
    main()
