"""Deconvolution with theoretical PSFs alone, beside the Richardson-Lucy of other packages.

    python benchmarks/theoretical_psf.py [DATA] [--only NAME...] [--out FILE] [--pictures FOLDER]

The others are scikit-image, RedLionfish (`pip install redlionfish`) and sdeconv (`pip install
sdeconv`); those that are not installed are left out. RedLionfish handles stacks alone: an image
is a stack of two equal planes. sdeconv is given a margin, which it fills by reflection; its
networks need torchvision, which its Richardson-Lucy does without.

DATA is the folder `data/microscopy`: two pairs of BioSR (widefield, and SIM as the reference) and
the simulated bars in 3-D. Every tool gets the same PSF, computed from the optics, and the same
numbers of iterations; the recommended pipeline of this package is run as it is shipped, and stops
by itself. Printed and stored: the correlation with the reference over the image without
a border of 16 pixels (4 planes), of the blurred image itself and of each result, where each may be
displaced by up to 2 pixels: RedLionfish and sdeconv reverse the transform of an even size by an
inversion of the array, which displaces their results. The pictures show
the blurred image, the pipeline's result, that of each package at 100 iterations, and the reference.

Optics. BioSR: NA 1.49, oil 1.518, emission 525 nm, 62.6 nm pixels (C. Qiao et al., Nature Methods
18, 2021: TIRF objective, 488 nm excitation). Bars: the stored kernel of the simulation is compared
with theoretical PSFs, scalar as its generator made them, on a grid of apertures and steps; the one
of the highest correlation with the kernel is used, not with the truth.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tifffile
import torch
from PIL import Image as Picture
from skimage.restoration import richardson_lucy

import unblur
from provenance import provenance
from unblur.model.image import Image
from unblur.model.kernel import Kernel
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.optics import Beam, Microscope, microscope_kernel

NAMES = ("factin_1", "microtubules_1", "bars")
"""Names of the pairs."""

ITERATIONS = (10, 30, 100, 300)
"""Numbers of iterations, dimensionless; of stacks, all but the last."""

PIPELINE = "optics-richardson-lucy"
"""Recommended pipeline, which stops by itself."""

SHOWN = 100
"""Number of iterations in the pictures, dimensionless."""

SHIFT = 2
"""Largest displacement of a result along each axis that counts as none, pixels."""

FLOOR = 1e-9
"""Smallest value of an image, relative to its largest, for packages that divide by it."""

Method = Callable[[np.ndarray, Kernel, int], np.ndarray]


def by_pipeline(blurred: np.ndarray, kernel: Kernel) -> np.ndarray:
    """Return the image deblurred by the recommended pipeline."""
    image = Image(blurred.astype(np.float32), "ZYX"[-blurred.ndim :])
    return np.asarray(unblur.deblur(image, PIPELINE, kernel, device="cpu").image.data)


def with_unblur(blurred: np.ndarray, kernel: Kernel, count: int) -> np.ndarray:
    """Return the image deblurred by this package, as by default."""
    image = Image(blurred.astype(np.float32), "ZYX"[-blurred.ndim :])
    settings: dict[str, Any] = {"richardson-lucy.iterations": count}
    done = unblur.deblur(image, "richardson-lucy", kernel, device="cpu", **settings)
    return np.asarray(done.image.data)


def with_scikit_image(blurred: np.ndarray, kernel: Kernel, count: int) -> np.ndarray:
    """Return the image deblurred by scikit-image."""
    values = (blurred / blurred.max()).astype(np.float64)
    weights = kernel.weights.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return richardson_lucy(values, weights, num_iter=count, clip=False, filter_epsilon=FLOOR)


def with_redlionfish(blurred: np.ndarray, kernel: Kernel, count: int) -> np.ndarray:
    """Return the image deblurred by RedLionfish, on the CPU."""
    from RedLionfishDeconv import doRLDeconvolutionFromNpArrays

    values = (blurred / blurred.max()).astype(np.float32).clip(FLOOR)
    weights = kernel.weights.astype(np.float32)
    flat = values.ndim == 2
    stack, psf = (np.stack([values] * 2), weights[None]) if flat else (values, weights)
    done = doRLDeconvolutionFromNpArrays(stack, psf, niter=count, method="cpu")
    return done[0] if flat else done


def with_sdeconv(blurred: np.ndarray, kernel: Kernel, count: int) -> np.ndarray:
    """Return the image deblurred by sdeconv, its margin that of the kernel."""
    if "torchvision" not in sys.modules and find_spec("torchvision") is None:
        for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.v2"):
            sys.modules.setdefault(name, ModuleType(name))
        sys.modules["torchvision.transforms"].v2 = sys.modules["torchvision.transforms.v2"]
    from sdeconv.deconv import SRichardsonLucy

    values = torch.from_numpy((blurred / blurred.max()).astype(np.float32).clip(FLOOR))
    psf = torch.zeros(values.shape)  # as large as the image, its centre at n // 2
    window = tuple(
        slice(n // 2 - k // 2, n // 2 - k // 2 + k)
        for n, k in zip(values.shape, kernel.shape, strict=True)
    )
    psf[window] = torch.from_numpy(kernel.weights.astype(np.float32))
    pad = tuple(min(k // 2, n - 1) for n, k in zip(values.shape, kernel.shape, strict=True))
    return SRichardsonLucy(psf, niter=count, pad=pad)(values).numpy()


METHODS: dict[str, tuple[str, Method]] = {
    "unblur": ("unblur", with_unblur),
    "scikit-image": ("skimage", with_scikit_image),
    "RedLionfish": ("RedLionfishDeconv", with_redlionfish),
    "sdeconv": ("sdeconv", with_sdeconv),
}
"""Name of the module, and call, of each package."""


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return the correlation without a border, at the displacement where it is largest."""
    inner = (slice(4, -4),) * (one.ndim - 2) + (slice(16, -16),) * 2
    values = other[inner].ravel()
    shifts = product(range(-SHIFT, SHIFT + 1), repeat=one.ndim)
    moved = (np.roll(one, shift, range(one.ndim))[inner].ravel() for shift in shifts)
    return max(float(np.corrcoef(m, values)[0, 1]) for m in moved)


def compare(
    name: str, blurred: np.ndarray, reference: np.ndarray, kernel: Kernel, pictures: Path | None
) -> dict[str, Any]:
    """Print and return the correlations of one pair."""
    row: dict[str, Any] = {"image": name, "psf": "x".join(map(str, kernel.shape))}
    row["blurred"] = round(correlation(blurred, reference), 4)
    done = by_pipeline(blurred, kernel)
    row[PIPELINE] = round(correlation(done, reference), 4)
    panels = [blurred, done]
    for package, (module, method) in METHODS.items():
        if find_spec(module) is None:
            continue
        for count in ITERATIONS if blurred.ndim == 2 else ITERATIONS[:-1]:
            done = method(blurred, kernel, count)
            row[f"{package} {count}"] = round(correlation(done, reference), 4)
            if count == SHOWN:
                panels.append(done)
    print(json.dumps(row), flush=True)
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        shown = np.concatenate([_panel(image) for image in (*panels, reference)], axis=1)
        Picture.fromarray(shown).save(pictures / f"{name}.png")
    return row


def _panel(image: np.ndarray) -> np.ndarray:
    plane = np.asarray(image, np.float64)
    plane = plane[len(plane) // 2] if plane.ndim == 3 else plane[120:312, 120:312]
    low, high = np.percentile(plane, (1, 99.7))
    return (((plane - low) / (high - low)).clip(0, 1) * 255).astype(np.uint8)


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


def main() -> None:
    """Print one line per pair."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path, default=Path("../shared/data/microscopy"))
    parser.add_argument("--only", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--out", type=Path, help="rows of other images in it are kept")
    parser.add_argument("--pictures", type=Path)
    given = parser.parse_args()
    beam = Beam(0.525, 1.49, 1.518, 1.518)
    kernel = microscope_kernel(Microscope("widefield", beam), 0.0626, size=63)
    stored = json.loads(given.out.read_text()) if given.out and given.out.exists() else {}
    rows = {row["image"]: row for row in stored.get("rows", [])}
    for name in (n for n in NAMES[:2] if n in given.only):
        pair = (
            tifffile.imread(given.data / "biosr_pairs" / f"{name}_{kind}.tif")
            for kind in ("widefield", "sim_reference")
        )
        rows[name] = compare(name, *pair, kernel, given.pictures)
    optics = stored.get("optics of the bars", "")
    if "bars" in given.only:
        folder = given.data / "bars_simulated_3d"
        bars, optics = bars_kernel(tifffile.imread(folder / "kernel.tif"))
        print(f"bars: {optics}")
        stacks = (tifffile.imread(folder / f"{n}.tif") for n in ("data", "actual"))
        rows["bars"] = compare("bars", *stacks, bars, given.pictures)
    names = ("scikit-image", "redlionfish", "sdeconv")
    found = {n: version(n) for n in names if find_spec(METHODS[_method(n)][0])}
    if given.out:
        listed = [rows[name] for name in NAMES if name in rows]
        facts = provenance()
        facts["versions"] |= found
        result = {**facts, "optics of the bars": optics, "rows": listed}
        given.out.write_text(json.dumps(result, indent=1) + "\n")


def _method(distribution: str) -> str:
    return next(name for name in METHODS if name.lower() == distribution)


if __name__ == "__main__":
    main()
