"""Race `richardson-lucy` against scikit-image: the same image, PSF, steps and precision.

    python benchmarks/race_richardson_lucy.py -o benchmarks/results/race_richardson_lucy.json

Both get the same float32 image; their turns alternate and the median of each counts. Away
from the border, where scikit-image assumes darkness, the two results must agree.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import skimage
import torch
from skimage.restoration import richardson_lucy

from unblur.context import Context
from unblur.testing import gaussian, scene
from unblur_classic.richardson_lucy import RichardsonLucy


def timed(action):
    """Return what an action gives, and the seconds it takes."""
    began = time.perf_counter()
    return action(), time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--edge", type=int, default=2048, help="pixels along each axis")
    parser.add_argument("--kernel", type=int, default=25, help="pixels along each axis")
    parser.add_argument("--iterations", type=int, default=30)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    kernel = gaussian((options.kernel,) * 2, options.kernel / 8)
    blurred = scene((options.edge,) * 2, kernel, noise=0.005).blurred
    stage = RichardsonLucy(iterations=options.iterations)
    image = blurred[0].numpy()
    seconds = {"unblur": [], "scikit-image": []}
    for _ in range(options.turns):
        ours, spent = timed(lambda: stage.deconvolve(blurred, kernel, Context()))
        seconds["unblur"].append(spent)
        theirs, spent = timed(
            lambda: richardson_lucy(image, kernel.weights, options.iterations, clip=False)
        )
        seconds["scikit-image"].append(spent)
    border = min(options.edge // 4, options.kernel * 8)
    inner = (slice(border, -border),) * 2
    apart = np.sqrt(np.mean((ours[0].numpy()[inner] - theirs[inner]) ** 2))
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    row = {
        "image": list(image.shape),
        "kernel": list(kernel.shape),
        "iterations": options.iterations,
        "threads": torch.get_num_threads(),
        "scikit-image": skimage.__version__,
        "seconds": {name: round(value, 2) for name, value in middle.items()},
        "times as fast": round(middle["scikit-image"] / middle["unblur"], 2),
        "rms difference inside": float(f"{apart:.2g}"),
    }
    print(json.dumps(row, indent=2))
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(row, indent=2) + "\n")


if __name__ == "__main__":
    main()
