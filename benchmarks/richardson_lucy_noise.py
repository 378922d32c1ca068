"""Sharpness and noise of accelerated Richardson-Lucy beside the plain iterations that it replaces.

    python benchmarks/richardson_lucy_noise.py ../shared/data

Photographs under free licences and a field of stars, blurred by three kernels, with photon noise
(peak of 1000) and with Gaussian noise of 1 %. The schedule was chosen on other images. The noise is
that which differs between the results of two draws. The last rows are the noise of the sky between
stars, relative to that of the image, without and with `local-gradient-consensus`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scale_table import write_table
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.metrics import psnr
from unblur.numerics.synthesis import disk_kernel, gaussian_kernel, motion_kernel
from unblur.testing import stars
from unblur.training.images import image_files, read_luma
from unblur_classic.nonblind.richardson_lucy import RichardsonLucy

EDGE, IMAGES = 256, 8
"""Extent of the crops, in pixels, and number of photographs, a count."""
PHOTONS, SIGMA = 1000, 0.01
"""Photons at white, a count, and standard deviation of the Gaussian noise, white = 1."""
BORDER = 16
"""Pixels at each side that are not compared."""
SKY_SHARE = 0.2
"""Share of the pixels, the darkest ones, that is compared as sky, dimensionless."""
ITERATIONS = (10, 30, 100)
"""Plain iterations, a count."""


def main() -> None:
    """Measure all cases, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder that holds photos")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cases = list(_cases(options.data / "photos"))
    rows = [_compare(cases, iterations) for iterations in ITERATIONS]
    rows += [_sky(stop) for stop in ("fixed", "local-gradient-consensus")]
    about = "Accelerated Richardson-Lucy beside plain iterations"
    write_table("richardson-lucy-noise", about, rows, __doc__.split("\n\n")[2], 0)


def _cases(folder: Path) -> Any:
    """Yield a name, the sharp image, the kernel, and two noisy blurred images of each case."""
    files = image_files(folder)
    scenes = [read_luma(files[(2 * n + 1) * len(files) // (2 * IMAGES)]) for n in range(IMAGES)]
    sharp = [x[50 : 50 + EDGE, 50 : 50 + EDGE].float()[None] / 255 for x in scenes]
    kernels = (gaussian_kernel(1.8), disk_kernel(3.5), motion_kernel(13, 30))
    for number, x in enumerate([*sharp, stars((EDGE, EDGE)).sharp.clamp(0, 1)]):
        for kind, kernel in enumerate(kernels):
            blurred = _blur(x, kernel)
            for noise in ("photons", "Gaussian"):
                draws = [_noisy(blurred, noise, 100 * number + 10 * kind + d) for d in (0, 1)]
                yield x, kernel, draws


def _blur(x: Tensor, kernel: Kernel) -> Tensor:
    weights = kernel.tensor()[None, None]
    margin = [n // 2 for n in kernel.shape for _ in (0, 1)][::-1]
    padded = torch.nn.functional.pad(x[None], margin, mode="reflect")
    return torch.nn.functional.conv2d(padded, weights.flip(-1, -2))[0].clamp_min(0)


def _noisy(blurred: Tensor, noise: str, seed: int) -> Tensor:
    draw = np.random.default_rng(seed)
    values = blurred.numpy()
    if noise == "photons":
        return torch.tensor(draw.poisson(values * PHOTONS) / PHOTONS, dtype=torch.float32)
    return torch.tensor(values + SIGMA * draw.standard_normal(values.shape), dtype=torch.float32)


def _compare(cases: list[Any], iterations: int) -> dict[str, Any]:
    """Return differences in PSNR and ratios of the noise, over all cases."""
    gains, ratios = [], []
    inner = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    for sharp, kernel, draws in cases:
        scores, noises = [], []
        for accelerate in (False, True):
            stage = RichardsonLucy(iterations=iterations, accelerate=accelerate)
            found = [stage.deconvolve(y, kernel, Context())[inner] for y in draws]
            scores.append(float(psnr(found[0], sharp[inner])))
            noises.append(float((found[0] - found[1]).std()) / 2**0.5)
        gains.append(scores[1] - scores[0])
        ratios.append(noises[1] / noises[0])
    return {
        "case": f"{iterations} iterations",
        "count": len(cases),
        "PSNR, mean": round(float(np.mean(gains)), 3),
        "PSNR, least": round(min(gains), 3),
        "noise, mean": round(float(np.mean(ratios)), 3),
        "noise, most": round(max(ratios), 3),
    }


def _sky(stop: str) -> dict[str, Any]:
    """Return the noise of a sky between stars after 30 iterations, relative to the image's."""
    kernel = gaussian_kernel(1.8)
    scene = stars((EDGE, EDGE)).sharp.clamp(0, 1) + 0.05
    clean = _blur(scene, kernel)
    y = _noisy(clean, "photons", 5)
    sky = clean <= clean.quantile(SKY_SHARE)
    found = RichardsonLucy(stop=stop).deconvolve(y, kernel, Context())
    ratio = float(found[sky].std() / y[sky].std())
    score = float(psnr(found, scene))
    return {"case": f"sky, stop: {stop}", "PSNR": round(score, 2), "noise": round(ratio, 3)}


if __name__ == "__main__":
    main()
