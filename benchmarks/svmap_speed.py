"""Seconds per megapixel of `svmap`, and the fraction explained by arithmetic and memory traffic.

    python benchmarks/svmap_speed.py -o benchmarks/results/svmap_speed.json

Four networks of 6 layers are 1.65 TFLOP per megapixel, and every conjugate-gradient step reads all
filters twice (400 numbers per pixel, 1.6 GB per megapixel in float32). The rates that bound both
are measured first: torch's convolution with the networks' width and tile size, and a sum over an
array larger than any cache. With the extra `fast` the networks need fewer operations, so that the
fraction may exceed 1.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch

from provenance import provenance
from unblur.accel.precision import network_dtype
from unblur.model.context import Context
from unblur.numerics.synthesis import gaussian_process_kernel
from unblur_svmap.model import ModelDesign
from unblur_svmap.networks import TILE, WIDTH
from unblur_svmap.stage import Svmap

NETWORK_TERAFLOP = 1.65
FILTER_GIGABYTES = ModelDesign.steps * (ModelDesign.iterations + 1) * 1.6


def fastest(action: Callable[[], object], repeats: int) -> float:
    """Return the shortest wall-clock time of an action, seconds."""
    action()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def teraflops() -> float:
    """Return the rate of a convolution with the shape of the networks', TFLOP/s."""
    dtype = network_dtype("cpu")
    layer = torch.nn.Conv2d(WIDTH, WIDTH, 3, padding=1).to(dtype)
    layer = layer.to(memory_format=torch.channels_last)
    x = torch.rand(1, WIDTH, TILE, TILE).to(dtype).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        return 2 * 9 * WIDTH**2 * TILE**2 / fastest(lambda: layer(x), 20) / 1e12


def gigabytes_per_second() -> float:
    """Return the rate of reads from memory, GB/s."""
    x = torch.ones(2**27)
    return 4 * x.numel() / fastest(x.sum, 5) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--edge", type=int, default=1000, help="pixels along each axis")
    parser.add_argument("--weights", default="gaussian", help="a name or a file")
    options = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    kernel = gaussian_process_kernel(25, generator)
    image = torch.rand(1, options.edge, options.edge, generator=generator)
    stage = Svmap(model=options.weights, noise=0.01)
    megapixels = image.numel() / 1e6
    seconds = fastest(lambda: stage.deconvolve(image, kernel, Context()), 3) / megapixels
    floor = NETWORK_TERAFLOP / teraflops() + FILTER_GIGABYTES / gigabytes_per_second()
    row = {
        **provenance(),
        "networks": str(network_dtype("cpu")),
        "seconds per megapixel": round(seconds, 2),
        "floor in seconds per megapixel": round(floor, 2),
        "share of the floor": round(floor / seconds, 2),
    }
    print(json.dumps(row))
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
