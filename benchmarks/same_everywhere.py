"""How far results depend on threads, tiles and the byte order of the image.

    python benchmarks/same_everywhere.py --save

The photograph of the demo, blurred with a known kernel, is restored by each method on one thread
and whole, and once more on two threads, in tiles, and from values of the other byte order. Printed
are the largest differences relative to white. Of tiles two are given: at least a halo away from the
border of the image, and anywhere.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unblur.engine import deblur
from unblur.io import read_image
from unblur.numerics.synthesis import add_gaussian_noise, blur_image, gaussian_kernel
from unblur.pipeline import Pipeline

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("results") / "same-everywhere.json"
METHODS = ("wiener", "richardson-lucy", "tv", "hyper-laplacian", "svmap")
KERNEL = gaussian_kernel(1.5, 11)


def main() -> None:
    """Measure, print and store the differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=320, help="pixels along each axis")
    parser.add_argument("--tile", type=int, default=128)
    parser.add_argument("--methods", nargs="*", default=METHODS, help="names of stages")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    blurred = blurred_photograph(options.size)
    rows: list[dict[str, Any]] = []
    for method in options.methods:
        rows.append(compare(blurred, method, options.tile))
        print(rows[-1], flush=True)
        if options.save:
            content = {
                "command": "python benchmarks/same_everywhere.py --save",
                "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
                "image": f"examples/clock.png, {options.size} x {options.size} pixels, 16 bits",
                "rows": rows,
            }
            RESULTS.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def blurred_photograph(size: int) -> np.ndarray:
    """Return a part of the demo's photograph, blurred, with 1 % noise, in counts of 16 bits."""
    photograph = read_image(ROOT / "examples" / "clock.png")
    grey = np.asarray(photograph.data, np.float32).reshape(-1, *photograph.shape[-2:]).mean(0)
    sharp = torch.from_numpy(grey[:size, :size] / photograph.white)
    blurred = blur_image(sharp, KERNEL, boundary="reflect")
    noisy = add_gaussian_noise(blurred, 0.01, torch.Generator().manual_seed(0)).numpy()
    return np.clip(noisy * 60000, 0, 65535).astype(np.uint16)


def compare(blurred: np.ndarray, method: str, tile: int) -> dict[str, Any]:
    """Return the largest differences of a method, relative to white."""
    pipeline = Pipeline(summary="Differences.", steps=[{"deconvolve": method}])

    def restore(values: np.ndarray, threads: int, edge: int) -> Any:
        torch.set_num_threads(threads)
        return deblur(values, pipeline, KERNEL, device="cpu", tile=edge)

    size = len(blurred)
    # One tile for the whole image: calibrated on the same region as the small tiles.
    whole = restore(blurred, 1, size)
    tiles = restore(blurred, 1, tile)
    reference = np.asarray(whole.image).astype(float)
    halo = int(tiles.report.tiles["halo"][0])
    apart = np.abs(np.asarray(tiles.image) - reference) / 65535
    big = restore(blurred.astype(">u2"), 1, size)
    two = restore(blurred, 2, size)
    return {
        "method": method,
        "two threads": _largest(np.asarray(two.image), reference),
        "tile, halo": [*tiles.report.tiles["size"][:1], halo],
        "tiles, inside": float(f"{apart[halo:-halo, halo:-halo].max():.2g}"),
        "tiles, at the border": float(f"{apart.max():.2g}"),
        "big-endian values": _largest(np.asarray(big.image), reference),
        "change by the method": _largest(blurred, reference),
    }


def _largest(found: np.ndarray, reference: np.ndarray) -> float:
    return float(f"{np.abs(found.astype(float) - reference).max() / 65535:.2g}")


if __name__ == "__main__":
    main()
