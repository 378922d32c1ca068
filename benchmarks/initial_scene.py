"""How `optics-richardson-lucy` begins and ends: on images of cells that nothing was chosen on.

    python benchmarks/initial_scene.py [DATA] [--out FILE]

DATA is the folder `data/microscopy`. Parts of four images of `fluorescence_2d` count as
sharp; they are blurred by a widefield PSF (NA 0.9, air, 600 nm, 80 nm pixels) and have photon noise
on a background of 10, with 30, 300 and 3000 photons at the 99.9th percentile. Printed and stored:
the correlation with the sharp image without a border of 16 pixels, of the blurred image, of the
pipeline as shipped, from the image in place of the smoothed one, of 30 iterations from either, and
of scikit-image at each number of iterations of `theoretical_psf.py`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy.signal import fftconvolve

import unblur
from theoretical_psf import ITERATIONS, PIPELINE, with_scikit_image
from unblur.model.image import Image
from unblur.numerics.optics import Beam, Microscope, microscope_kernel

Array = NDArray[np.float64]

PARTS: dict[str, tuple[str, tuple[int | slice, ...]]] = {
    "actin": ("bpae_actin", (slice(100, 380), slice(200, 480))),
    "mitochondria": ("bpae_mito", (slice(300, 580), slice(500, 780))),
    "U2OS": ("bbbc022_u2os_3channels", (2, slice(50, 330), slice(100, 380))),
    "HeLa": ("hela_3channels", (1, slice(50, 330), slice(100, 380))),
}
"""File and part of each image."""

PHOTONS = (30, 300, 3000)
"""Photons at the 99.9th percentile."""

BACKGROUND = 10
"""Photons of the background."""

FIXED = {"iterations": 30, "stop": "fixed"}
SETTINGS: dict[str, dict[str, Any]] = {
    "pipeline": {},
    "from the image": {"initial": "image"},
    "30 iterations": FIXED,
    "30 iterations, from the image": {"initial": "image", **FIXED},
}
"""Changes of the pipeline's params of Richardson-Lucy."""


def correlation(one: Array, other: Array) -> float:
    """Return the correlation without a border of 16 pixels."""
    inner = (slice(16, -16),) * 2
    return round(float(np.corrcoef(one[inner].ravel(), other[inner].ravel())[0, 1]), 4)


def main() -> None:
    """Print one line per image and number of photons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path, default=Path("../shared/data/microscopy"))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    kernel = microscope_kernel(Microscope("widefield", Beam(0.6, 0.9, 1.0, 1.0)), 0.08, size=41)
    rows = []
    for name, (file, part) in PARTS.items():
        sharp = tifffile.imread(given.data / "fluorescence_2d" / f"{file}.tif")[part].astype(float)
        sharp = (sharp - np.percentile(sharp, 1)).clip(0)
        sharp /= np.percentile(sharp, 99.9)
        inner = (slice(20, -20),) * 2
        blurred = fftconvolve(sharp, kernel.weights.astype(float), "same")[inner].clip(0)
        for photons in PHOTONS:
            draw = np.random.default_rng(1)
            noisy = draw.poisson(blurred * photons + BACKGROUND).astype(np.float32)
            row: dict[str, Any] = {"image": name, "photons": photons}
            row["blurred"] = correlation(noisy, sharp[inner])
            for label, settings in SETTINGS.items():
                params = {f"richardson-lucy.{key}": value for key, value in settings.items()}
                image = Image(noisy, "YX")
                done = unblur.deblur(image, PIPELINE, kernel, device="cpu", **params)
                row[label] = correlation(np.asarray(done.image.data), sharp[inner])
            for count in ITERATIONS:
                done = with_scikit_image(noisy, kernel, count)
                row[f"scikit-image {count}"] = correlation(done, sharp[inner])
            rows.append(row)
            print(json.dumps(row), flush=True)
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
