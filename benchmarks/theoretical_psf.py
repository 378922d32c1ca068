"""Deconvolution with theoretical PSFs alone, beside the Richardson-Lucy of scikit-image.

    python benchmarks/theoretical_psf.py [DATA]

DATA is the folder `data/microscopy`: two pairs of BioSR (widefield, and SIM as the reference) and
the simulated bars in 3-D. Every tool gets the same PSF, computed from the optics, and the same
number of iterations. Printed: the correlation with the reference over the image without a border of
16 pixels (4 planes), of the blurred image itself and of each result.

Optics. BioSR: NA 1.49, oil 1.518, emission 525 nm, 62.6 nm pixels (C. Qiao et al., Nature Methods
18, 2021: TIRF objective, 488 nm excitation). Bars: the stored kernel of the simulation is compared
with theoretical PSFs, scalar as its generator made them, on a grid of apertures and steps; the one
of the highest correlation with the kernel is used, not with the truth.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import numpy as np
import tifffile
from skimage.restoration import richardson_lucy

import unblur
from unblur.model.image import Image
from unblur.model.kernel import Kernel
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.optics import Beam, Microscope, microscope_kernel

ITERATIONS = (10, 30)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return the correlation without a border."""
    inner = (slice(4, -4),) * (one.ndim - 2) + (slice(16, -16),) * 2
    return float(np.corrcoef(one[inner].ravel(), other[inner].ravel())[0, 1])


def compare(name: str, blurred: np.ndarray, reference: np.ndarray, kernel: Kernel) -> None:
    """Print the correlations of one pair."""
    axes = "ZYX"[-blurred.ndim :]
    found = [f"blurred {correlation(blurred, reference):.4f}"]
    white = float(blurred.max())
    for count in ITERATIONS:
        image = Image(blurred.astype(np.float32), axes)
        own = unblur.deblur(
            image, "richardson-lucy", kernel, device="cpu", deconvolve__iterations=count
        ).image.data
        with np.errstate(invalid="ignore", divide="ignore"):
            other = richardson_lucy(
                (blurred / white).astype(np.float64),
                kernel.weights.astype(np.float64),
                num_iter=count,
                clip=False,
                filter_epsilon=1e-9,
            )
        found.append(
            f"{count} iterations: unblur {correlation(own, reference):.4f}, scikit-image "
            f"{correlation(other, reference):.4f}"
        )
    print(f"{name}, PSF {'x'.join(map(str, kernel.shape))}: " + "; ".join(found), flush=True)


def bars_kernel(stored: np.ndarray) -> tuple[Kernel, str]:
    """Return the theoretical PSF that is most similar to the stored one, and its optics."""
    best: tuple[float, Kernel | None, str] = (0.0, None, "")
    for na, pixel, ratio in product((0.8, 1.0, 1.2, 1.4), (0.2, 0.3, 0.4), (1.0, 1.6, 2.0, 2.5)):
        beam = Beam(0.5, na, 1.5, 1.5, is_vectorial=False)
        made = microscope_kernel(
            Microscope("widefield", beam), pixel, ratio * pixel, size=63, planes=31
        )
        score = kernel_similarity(made, stored)
        if score > best[0]:
            name = f"NA {na}, pixel {pixel} µm, step {ratio * pixel:g} µm, similarity {score:.4f}"
            best = (score, made, name)
    assert best[1] is not None
    return best[1], best[2]


def main(data: Path) -> None:
    """Print one line per pair."""
    beam = Beam(0.525, 1.49, 1.518, 1.518)
    kernel = microscope_kernel(Microscope("widefield", beam), 0.0626, size=63)
    for name in ("factin_1", "microtubules_1"):
        blurred = tifffile.imread(data / "biosr_pairs" / f"{name}_widefield.tif")
        reference = tifffile.imread(data / "biosr_pairs" / f"{name}_sim_reference.tif")
        compare(name, blurred, reference, kernel)
    folder = data / "bars_simulated_3d"
    bars, optics = bars_kernel(tifffile.imread(folder / "kernel.tif"))
    print(f"bars: {optics}")
    compare("bars", *(tifffile.imread(folder / f"{n}.tif") for n in ("data", "actual")), bars)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("../shared/data/microscopy"))
