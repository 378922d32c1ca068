"""Fitted optics on synthetic stacks of known truth: values, deviations, what is determined.

    python benchmarks/fitted_optics.py                      all structures and aberrations
    python benchmarks/fitted_optics.py points --spherical 0.1 --photons 300
    python benchmarks/fitted_optics.py beads curves shells --shape 12 40 40 --seed 3
    python benchmarks/fitted_optics.py beads --sample-index 1.45 --depth 10 --fit depth_um

A scene larger than the stack is blurred with a PSF of 47 planes of 81 pixels (NA 1.2, water,
520 nm, voxels of 250 x 100 x 100 nm, scalar) with a known spherical aberration, and has photon
noise on a background of 20. The 99.9th percentile without it is the number of photons.
`fitted-optics` begins at no aberration and the true aperture. Structures: points; straight
filaments; smooth balls of 0.5 to 1 µm; positive random texture of a power law; one textured plane;
beads of 0.3 to 0.6 µm; curved filaments; shells of 1 to 2 µm, all with a width of 0.1 µm. The
terms of the deviation were chosen with seeds 3, 4 and 10; `results/fitted-optics` is of seed 8.

With `--sample-index` the scene lies at a depth in a medium of that index; `fitted-optics` is told
the index, and a depth of 0.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from unblur.model.context import Context
from unblur.numerics.operators import Blur
from unblur.numerics.optics import Beam, Microscope, microscope_kernel
from unblur_classic.optics.fitted_estimator import FittedOptics

Array = NDArray[np.float64]

STRUCTURES = ("points", "filaments", "balls", "texture", "plane", "beads", "curves", "shells")
VOXEL = np.array([0.25, 0.1, 0.1])
OPTICS = {
    "na": 1.2,
    "immersion": "water",
    "emission_nm": 520,
    "pixel_um": 0.1,
    "step_um": 0.25,
    "model": "scalar",
}
BACKGROUND = 20.0


def scene(structure: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Return a scene, non-negative."""
    x, count = np.zeros(shape), int(np.prod(shape))
    if structure == "points":
        for _ in range(count // 1500):
            x[tuple(rng.integers(0, n) for n in shape)] += rng.uniform(0.3, 1)
    elif structure == "filaments":
        for _ in range(count // 6000):
            at = rng.uniform(0, 1, 3) * np.array(shape) * VOXEL
            direction = rng.normal(size=3) * (0.4, 1, 1)
            direction /= np.linalg.norm(direction)
            for along in np.arange(-6, 6, 0.03):
                index = ((at + along * direction) / VOXEL).round().astype(int)
                if (index >= 0).all() and (index < shape).all():
                    x[tuple(index)] += 0.3
    elif structure == "balls":
        axes = np.ogrid[tuple(slice(n) for n in shape)]
        for _ in range(count // 15000):
            at, radius = [rng.uniform(0, n) for n in shape], rng.uniform(0.5, 1)
            squares = [((a - p) * v / radius) ** 2 for a, p, v in zip(axes, at, VOXEL, strict=True)]
            x += np.exp(-sum(squares) / 2)
    elif structure in ("beads", "shells"):
        axes = np.ogrid[tuple(slice(n) for n in shape)]
        for _ in range(count // (4000 if structure == "beads" else 12000)):
            at = [rng.uniform(0, n) for n in shape]
            squares = [((a - p) * v) ** 2 for a, p, v in zip(axes, at, VOXEL, strict=True)]
            radius = rng.uniform(0.15, 0.3) if structure == "beads" else rng.uniform(0.5, 1)
            beyond = np.sqrt(sum(squares)) - radius
            beyond = np.clip(beyond, 0, None) if structure == "beads" else beyond
            x += rng.uniform(0.3, 1) * np.exp(-((beyond / 0.1) ** 2) / 2)
    elif structure == "curves":
        for _ in range(count // 6000):
            at = rng.uniform(0, 1, 3) * np.array(shape) * VOXEL
            direction = rng.normal(size=3) * (0.4, 1, 1)
            for _ in range(200):
                direction += 0.15 * rng.normal(size=3)
                direction /= np.linalg.norm(direction)
                at = at + 0.03 * direction
                index = (at / VOXEL).round().astype(int)
                if (index >= 0).all() and (index < shape).all():
                    x[tuple(index)] += 0.3
    elif structure == "texture":
        axes = [np.fft.fftfreq(n, v) for n, v in zip(shape, VOXEL, strict=True)]
        k = np.sqrt(sum(a**2 for a in np.meshgrid(*axes, indexing="ij")))
        k[0, 0, 0] = k[0, 0, 1]
        field = np.fft.ifftn(np.fft.fftn(rng.normal(size=shape)) * k**-1.5).real
        x = np.exp(field / field.std())
    else:
        field = gaussian_filter(rng.normal(size=shape[1:]), 1.5)
        x[shape[0] // 2] = np.exp(1.2 * field / field.std())
    return x


def stack(
    structure: str, beam: Beam, photons: float, seed: int, shape: tuple[int, ...] = (24, 64, 64)
) -> NDArray[np.float32]:
    """Return counts."""
    rng = np.random.default_rng(seed)
    kernel = microscope_kernel(Microscope("widefield", beam), 0.1, 0.25, size=81, planes=47)
    blur = Blur(kernel.tensor(), shape)
    inner = tuple(n - m for n, m in zip(blur.domain, (14, 40, 40), strict=True))
    x = np.pad(scene(structure, inner, rng), [(7, 7), (20, 20), (20, 20)])
    y = blur.forward(torch.from_numpy(x.astype(np.float32))[None])[0].clamp_min(0).numpy()
    y *= photons / np.percentile(y, 99.9)
    return rng.poisson(y + BACKGROUND).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("structures", nargs="*", default=STRUCTURES)
    parser.add_argument("--spherical", type=float, nargs="+", default=[0.0, 0.1, -0.15])
    parser.add_argument("--photons", type=float, nargs="+", default=[300.0])
    parser.add_argument("--sample-index", type=float, default=1.333)
    parser.add_argument("--depth", type=float, default=0.0, metavar="MICROMETRES")
    parser.add_argument("--fit", nargs="+", default=["spherical", "na"])
    parser.add_argument("--shape", type=int, nargs=3, default=[24, 64, 64])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path)
    given = parser.parse_args()
    optics = OPTICS | {"sample_index": given.sample_index}
    rows = []
    for structure, spherical, photons in product(given.structures, given.spherical, given.photons):
        index, depth = given.sample_index, given.depth
        beam = Beam(0.52, 1.2, 1.333, index, depth, spherical, is_vectorial=False)
        made = stack(structure, beam, photons, given.seed, tuple(given.shape))
        counts = torch.from_numpy(made)[None]
        began = time.process_time()
        estimator = FittedOptics(optics, fit=tuple(given.fit))
        estimate = estimator.estimate(counts / counts.max(), Context())
        row = {
            "structure": structure,
            "spherical": spherical,
            "depth": depth,
            "photons": photons,
            "shape": given.shape,
            "seed": given.seed,
            "seconds": round(time.process_time() - began, 1),
            **{k: v for k, v in estimate.choices.items() if k.startswith("fitted")},
        }
        rows.append(row)
        print(json.dumps(row, ensure_ascii=False), flush=True)
        if given.out:
            given.out.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
