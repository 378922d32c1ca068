"""Richardson-Lucy on volumes: combined steps beside accelerated ones and plain iterations.

    OMP_NUM_THREADS=1 python benchmarks/richardson_lucy_volumes.py ../shared/data

A stack of cells, simulated bars, points and random textures, blurred by a Gaussian PSF (valid
voxels only: the scene goes on beyond the border), with 30 and with 1000 photons at white. The size
of combined steps was chosen on bars, points and textures; the cells, with a second PSF twice as
long along Z, were looked at afterwards. PSNR is relative to that of plain iterations, noise (the
difference between the results of two draws) too. Where the likelihood falls after a combined step,
accelerated ones follow: their number is then larger.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import tifffile
import torch
from torch import Tensor

from scale_table import write_table
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.metrics import psnr
from unblur.testing import gaussian, synthetic_scene
from unblur_classic.nonblind.richardson_lucy import RichardsonLucy, back_projectors
from unblur_classic.nonblind.richardson_lucy.iteration import RichardsonLucyIteration

ITERATIONS = (5, 30)
"""Plain iterations, a count."""
PHOTONS = (30, 1000)
"""Photons at white, a count."""
POINTS = 80
"""Number of points, a count."""
SETTINGS: dict[str, tuple[bool, float]] = {
    "plain": (False, -1.0),
    "accelerated": (True, -1.0),
    "combined": (True, back_projectors.MAX_LOST),
}
"""Whether to accelerate, and `MAX_LOST`, with which negative no kernel is compact."""


def gaussian_along(*stds: float) -> Kernel:
    """Return a Gaussian PSF, cut at three standard deviations."""
    weights = torch.ones(())
    for std in stds:
        offset = torch.arange(-round(3 * std), round(3 * std) + 1)
        weights = weights[..., None] * torch.exp(-((offset / std) ** 2) / 2)
    return Kernel(weights / weights.sum())


def scenes(folder: Path) -> Iterator[tuple[str, Tensor, Kernel]]:
    """Yield names, sharp volumes (Z, Y, X) and PSFs."""
    short, long = gaussian_along(1.3, 1.3, 1.3), gaussian_along(2.4, 1.3, 1.3)
    generator = torch.Generator().manual_seed(4)
    points = torch.full((36, 76, 76), 0.002)
    places = torch.rand(3, POINTS, generator=generator) * torch.tensor([[36.0], [76.0], [76.0]])
    points[tuple(places.long())] = 1
    bars = tifffile.imread(folder / "bars_simulated_3d/actual.tif").astype(np.float32)
    bars = (bars - np.percentile(bars, 1)).clip(0)
    cells = tifffile.imread(folder / "widefield_dapi_stack/dapi_001.tif").astype(np.float32)
    cells = torch.from_numpy(cells / cells.max())[:36, :76, :76]
    yield "bars", torch.from_numpy(bars / bars.max()), short
    yield "points", points, short
    textures = synthetic_scene((32, 64, 64), gaussian((5, 5, 5), 0.5), seed=3).sharp[0]
    yield "textures", textures, short
    yield "cells", cells, short
    yield "cells, long PSF", cells, long


def run(setting: str, iterations: int, image: Tensor, kernel: Kernel) -> tuple[Tensor, int]:
    """Return the result and the number of its steps."""
    accelerate, lost = SETTINGS[setting]
    original, counted = RichardsonLucyIteration.__call__, []

    def count(self: RichardsonLucyIteration, *given: Any, **named: Any) -> bool:
        counted.append(1)
        return original(self, *given, **named)

    with (
        patch.object(back_projectors, "MAX_LOST", lost),
        patch.object(RichardsonLucyIteration, "__call__", count),
    ):
        stage = RichardsonLucy(iterations=iterations, accelerate=accelerate)
        return stage.deconvolve(image, kernel, Context()), len(counted)


def compare(name: str, sharp: Tensor, kernel: Kernel, photons: int, iterations: int) -> Any:
    """Return the row of a scene."""
    weights = kernel.tensor()
    blurred = torch.nn.functional.conv3d(sharp[None, None], weights.flip(0, 1, 2)[None, None])[0]
    truth = sharp[None][(..., *(slice(n // 2, -(n // 2)) for n in weights.shape))]
    draws = [
        torch.poisson(blurred.clamp_min(0) * photons, generator=torch.Generator().manual_seed(seed))
        / photons
        for seed in (0, 1)
    ]
    row: dict[str, Any] = {"scene": name, "photons": photons, "iterations": iterations}
    noises: list[float] = []
    for setting in SETTINGS:
        (first, steps), (second, _) = (run(setting, iterations, y, kernel) for y in draws)
        score, noise = psnr(first, truth), float((first - second).std())
        if setting == "plain":
            row["PSNR, plain"] = round(score, 2)
        else:
            row[f"{setting}, steps"] = steps
            row[f"{setting}, dB"] = round(score - row["PSNR, plain"], 2)
            row[f"{setting}, noise"] = round(noise / noises[0], 3)
        noises.append(noise)
    return row


def main() -> None:
    """Measure all scenes, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder that holds microscopy")
    folder = parser.parse_args().data / "microscopy"
    torch.set_num_threads(1)
    rows = [
        compare(*scene, photons, iterations)
        for iterations in ITERATIONS
        for scene in scenes(folder)
        for photons in PHOTONS
    ]
    about = "Richardson-Lucy on volumes: combined steps beside plain iterations"
    write_table("richardson-lucy-volumes", about, rows, __doc__.split("\n\n")[2], 0)


if __name__ == "__main__":
    main()
