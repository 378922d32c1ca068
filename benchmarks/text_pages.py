"""Blind deblurring of rendered text pages: PSNR of pipelines on the same blurred pages.

    python benchmarks/text_pages.py ../shared/data/levin09/kernels_f32

Pages of random words, seeded by their number and not used in training, are blurred by the kernels
of a folder, with 0.5 % of noise. Scores are computed at the best shift, as on Levin's set.
Results: `results/text-pages`, in which pipelines that are not named keep their rows.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from scale_table import Row, earlier_rows, write_table
from unblur.engine import deblur
from unblur.io import read_kernel
from unblur.numerics.metrics import levin_aligned
from unblur.numerics.synthesis import add_gaussian_noise, blur_image, crop_valid
from unblur.pipeline import Pipeline
from unblur_discriminative.text_pages import text_page

SEED, NOISE = 5100, 0.005
"""Seed of the first page (5000 to 5099 were used to choose the settings of `text`), and noise."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kernels", type=Path)
    parser.add_argument("pipelines", nargs="*", default=["map-hyper-laplacian", "text"])
    parser.add_argument("--pages", type=int, default=2)
    parser.add_argument("--edge", type=int, default=480, help="pixels along each axis")
    options = parser.parse_args()
    scores: dict[str, list[float]] = {}
    for number in range(options.pages):
        for path in sorted(options.kernels.glob("*.tif")):
            kernel = read_kernel(path).mean
            generator = torch.Generator().manual_seed(SEED + number)
            extent = [options.edge + n - 1 for n in kernel.shape]
            page = text_page(*extent, generator).float() / 255
            blurred = add_gaussian_noise(blur_image(page, kernel), NOISE, generator).numpy()
            sharp = crop_valid(page, kernel).numpy()
            found = {"blurred": blurred}
            for name in options.pipelines:
                found[name] = deblur(blurred, Pipeline.load(name)).image
            for name, image in found.items():
                scores.setdefault(name, []).append(levin_aligned(np.asarray(image), sharp).psnr)
            print(number, path.stem, {k: round(v[-1], 2) for k, v in scores.items()}, flush=True)
    rows: list[Row] = [
        {
            "pipeline": name,
            "psnr": float(np.mean(values)),
            "median": float(np.median(values)),
            "least": min(values),
        }
        for name, values in scores.items()
    ]
    count = len(next(iter(scores.values())))
    remark = f"PSNR in dB over {count} pages of {options.edge} pixels."
    if earlier := earlier_rows("text-pages", ["pipeline"], rows):
        names = ", ".join(row["pipeline"] for row in earlier)
        remark += f" Rows of an earlier run on the same pages: {names}."
        rows = [*earlier, *rows]
    write_table(
        "text-pages",
        "Blind deblurring of rendered text",
        rows,
        remark,
        f"{SEED} and the number of the page",
    )


if __name__ == "__main__":
    main()
