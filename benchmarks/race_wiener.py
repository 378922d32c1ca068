"""Race `wiener` against scikit-image's, and compare what both make of a known scene.

    python benchmarks/race_wiener.py -o benchmarks/results/race_wiener.json

scikit-image filters once on a periodic grid. `wiener` does so too with `iterations: 0`; its
default solves for the scene beyond the border as well, which costs time and spares the ringing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import skimage
import torch
from skimage.restoration import wiener

from unblur.context import Context
from unblur.metrics import psnr
from unblur.testing import gaussian, scene
from unblur_classic.wiener import Wiener

NOISE = 0.005


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--edge", type=int, default=1024, help="pixels along each axis")
    parser.add_argument("--kernel", type=int, default=25, help="pixels along each axis")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    kernel = gaussian((options.kernel,) * 2, options.kernel / 8)
    given = scene((options.edge,) * 2, kernel, noise=NOISE)
    context = Context(noise=NOISE)
    weight = (NOISE / (0.55 * float(given.blurred.std()))) ** 2
    image = given.blurred[0].numpy()

    def ours(iterations):
        stage = Wiener(weight=weight, iterations=iterations)
        return stage.deconvolve(given.blurred, kernel, context)

    racers = {
        "unblur": lambda: ours(20),
        "unblur, one filtering": lambda: ours(0),
        "scikit-image": lambda: torch.tensor(wiener(image, kernel.weights, weight, clip=False))[
            None
        ],
    }
    rows = {}
    for name, run in racers.items():
        seconds = []
        for _ in range(options.turns):
            began = time.perf_counter()
            result = run()
            seconds.append(time.perf_counter() - began)
        rows[name] = {
            "seconds": round(statistics.median(seconds), 2),
            "psnr": round(psnr(result, given.sharp), 2),
        }
    found = {
        "image": list(image.shape),
        "kernel": list(kernel.shape),
        "threads": torch.get_num_threads(),
        "version of scikit-image": skimage.__version__,
        **rows,
    }
    print(json.dumps(found, indent=2))
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
