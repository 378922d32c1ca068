"""Convergence of `map` with and without the discriminative prior, and its processor time.

    python benchmarks/discriminative_curves.py similarity ../shared/data/levin09
    python benchmarks/discriminative_curves.py speed ../shared/data/photos/budgie_tea-gardens.jpg

`similarity` computes the kernel similarity after each iteration, kernel size 31 pixels, on four of
Levin's pairs; coarse kernels are enlarged first (Fig. 13 of Li et al.). Results:
`results/discriminative-curves`, and a plot in docs/images. `speed` runs the pipeline
`discriminative` on a photograph blurred by a kernel of 25 pixels with 1 % of noise, and writes the
processor seconds to `results/discriminative-speed`; run it with one thread (OMP_NUM_THREADS=1).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from scale_table import write_table
from unblur.engine import deblur
from unblur.io import read_kernel
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.pyramid import pyramid_levels, rescale_kernel
from unblur.numerics.synthesis import add_gaussian_noise, blur_image, gaussian_process_kernel
from unblur.pipeline import Pipeline
from unblur.training.images import read_luma
from unblur.training.plot import write_plot
from unblur_classic.map.alternating import alternating_minimization
from unblur_classic.map.estimator import MapEstimator
from unblur_classic.map.latent_update import weighted_priors
from unblur_classic.map.preprocessing import preprocess

PAIRS = ("im1_kernel5", "im2_kernel3", "im3_kernel2", "im4_kernel1")
PICTURE = Path(__file__).parents[1] / "docs/images/discriminative-curves.svg"
KERNEL_SIZE = 31
"""Kernel size of the estimates along each axis, pixels."""


def similarities(image: Tensor, true: Kernel, count: int) -> Iterator[float]:
    """Yield the similarity after each iteration with the first `count` priors of the pipeline."""
    settings = Pipeline.load("discriminative").steps[0].params
    params = MapEstimator({**settings, "size": KERNEL_SIZE}).params
    given = preprocess(image, Context(), None, params.median)
    kernels: list[Tensor] = []
    levels = pyramid_levels(given.size)
    alternating_minimization(
        given, levels, weighted_priors(params.priors[:count]), params, kernels.append
    )
    ratios = {level.size: level.ratio for level in levels}
    for kernel in kernels:
        full = rescale_kernel(kernel, KERNEL_SIZE, 1 / ratios[kernel.shape[-1]])
        yield kernel_similarity(full.numpy(), true.weights)


def similarity(levin: Path) -> None:
    """Write and plot the means over the pairs."""
    found: dict[str, list[list[float]]] = {"without": [], "with": []}
    for pair in PAIRS:
        blurred = np.asarray(Image.open(levin / "blurred_16bit" / f"{pair}_img.png"))
        image = torch.tensor(blurred / np.float32(65535))[None]
        true = read_kernel(levin / "kernels_f32" / f"{pair.split('_')[1]}.tif").mean
        for count, curves in enumerate(found.values(), 1):
            curves.append(list(similarities(image, true, count)))
            print(pair, f"{count} priors: {curves[-1][-1]:.3f}", flush=True)
    means = {name: np.mean(curves, axis=0) for name, curves in found.items()}
    rows = [
        # The key of the stored results for the iteration.
        {"turn": number, **{name: float(curve[number - 1]) for name, curve in means.items()}}
        for number in range(1, len(means["with"]) + 1)
    ]
    remark = (
        f"Mean kernel similarity over {', '.join(PAIRS)} of Levin's set, kernel size {KERNEL_SIZE}."
    )
    write_table("discriminative-curves", "Kernel similarity by iteration", rows, remark)
    points = [
        {"step": float(row["turn"]), **{f"similarity {name}": row[name] for name in means}}
        for row in rows
    ]
    write_plot(points, "similarity", PICTURE, "iterations")


def speed(photo: Path, edges: tuple[int, ...] = (255, 800)) -> None:
    """Write the processor seconds of the pipeline on squares of a photograph."""
    rows = []
    for edge in edges:
        generator = torch.Generator().manual_seed(0)
        kernel = gaussian_process_kernel(25, generator)
        height, width = (edge + n - 1 for n in kernel.shape)
        scene = read_luma(photo).float()[:height, :width] / 255
        blurred = add_gaussian_noise(blur_image(scene, kernel), 0.01, generator).numpy()
        began = time.process_time()
        deblur(blurred, "discriminative")
        rows.append({"edge": edge, "processor seconds": time.process_time() - began})
    remark = f"The pipeline discriminative, {torch.get_num_threads()} threads."
    write_table("discriminative-speed", "Processor seconds by size of the image", rows, remark)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("similarity", "speed"))
    parser.add_argument("data", type=Path, help="folder of Levin's set, or a photograph")
    options = parser.parse_args()
    {"similarity": similarity, "speed": speed}[options.what](options.data)


if __name__ == "__main__":
    main()
