"""Chroma noise and JPEG blocks after a deconvolution, with and without the steps of `photograph`.

    python benchmarks/colour_jpeg.py

The middle 256 pixels of two photographs are blurred by a known kernel, given noise and stored, also
as JPEG. Both pipelines deconvolve with the true kernel: `hyper-laplacian`, and the steps of
`photograph` after its kernel. Noise is the standard deviation of what a Gaussian of 3 pixels
removes, in the 5 % of the pixels around which the blurred luma varies least, in thousandths of
white. `grid` is the mean squared step of the luma at the borders of the blocks over that elsewhere,
along the axis where it is larger. Results: `results/colour-jpeg`.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from scipy import ndimage

from scale_table import Row, write_table
from unblur.engine import deblur
from unblur.model.kernel import Kernel
from unblur.numerics.colour import split_luma
from unblur.numerics.metrics import psnr
from unblur.numerics.synthesis import add_gaussian_noise, blur_image, crop_valid, shake_kernel
from unblur.pipeline import RECOMMENDED, Pipeline

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "data" / "photos"
NAMES = ("gb82_girl", "cid22_1001682")
CONDITIONS = ((0.01, None), (0.01, 90), (0.003, 75))
"""Standard deviation of the noise, white = 1, and JPEG quality, if any."""
EDGE, KERNEL, FLAT = 256, 15, 0.05
"""Extent of the images and of the kernel, in pixels, and share of the pixels that are flat."""

Array = NDArray[Any]


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    steps = Pipeline.load(RECOMMENDED).steps
    ours = Pipeline(summary="After the kernel.", steps=[s for s in steps if s.kind != "kernel"])
    rows: list[Row] = []
    for name in NAMES:
        for noise, quality in CONDITIONS:
            given, sharp, kernel = shaken(name, noise, quality)
            flat = flattest(luma_and_chroma(given)[0])
            results = {"blurred": given}
            for title, pipeline in (("hyper-laplacian", "hyper-laplacian"), (RECOMMENDED, ours)):
                results[title] = deblur(given, pipeline, psf=kernel, axes="YXC").image
            for title, image in results.items():
                row = {"photograph": name, "noise": noise, "JPEG quality": quality or "none"}
                rows.append({**row, "result": title, **scores(image, sharp, flat)})
                print(rows[-1], flush=True)
    title = "Chroma noise and JPEG blocks after a deconvolution"
    write_table("colour-jpeg", title, rows, "Noise of flat parts in 1/1000 of white.")


def shaken(name: str, noise: float, quality: int | None) -> tuple[Array, torch.Tensor, Kernel]:
    """Return a blurred colour image (H, W, 3) of 8 bits, the sharp one (3, H, W), the kernel."""
    values = np.asarray(PillowImage.open(PHOTOS / f"{name}.jpg").convert("RGB"), np.float32) / 255
    top, left = ((n - EDGE) // 2 for n in values.shape[:2])
    sharp = torch.from_numpy(values[top : top + EDGE, left : left + EDGE].copy()).permute(2, 0, 1)
    generator = torch.Generator().manual_seed(0)
    kernel = shake_kernel(KERNEL, generator)
    blurred = add_gaussian_noise(blur_image(sharp, kernel), noise, generator).clamp(0, 1)
    stored = (255 * blurred).round().to(torch.uint8).permute(1, 2, 0).numpy()
    if quality is not None:
        file = io.BytesIO()
        PillowImage.fromarray(stored).save(file, "JPEG", quality=quality)
        stored = np.asarray(PillowImage.open(file))
    return stored, crop_valid(sharp, kernel), kernel


def luma_and_chroma(image: Array) -> tuple[Array, Array]:
    """Return luma (H, W) and chroma (2, H, W) of (H, W, 3), white = 1."""
    luma, chroma = split_luma(torch.tensor(np.asarray(image)).permute(2, 0, 1) / 255)
    return luma[0].numpy(), chroma.numpy()


def flattest(luma: Array) -> Array:
    """Return where an image (H, W) varies least around a pixel, as (H, W) of bool."""
    gradient = ndimage.gaussian_gradient_magnitude(ndimage.gaussian_filter(luma, 2), 1)
    energy = ndimage.uniform_filter(gradient**2, 9)
    return np.asarray(energy <= np.quantile(energy, FLAT))


def scores(image: Array, sharp: torch.Tensor, flat: Array) -> dict[str, float]:
    """Return PSNR in dB, noise of flat parts in 1/1000, and the ratio of steps at the grid."""
    luma, chroma = luma_and_chroma(image)
    unit = torch.tensor(np.asarray(image)).permute(2, 0, 1) / 255
    return {
        "psnr": round(float(psnr(unit, sharp)), 2),
        "luma noise": round(1000 * noise_of(luma, flat), 2),
        "chroma noise": round(1000 * max(noise_of(c, flat) for c in chroma), 2),
        "grid": round(max(grid_ratio(luma), grid_ratio(luma.T)), 2),
    }


def noise_of(x: Array, flat: Array) -> float:
    """Return the standard deviation of the fine structure of (H, W) in its flat parts."""
    return float((x - ndimage.gaussian_filter(x, 3))[flat].std())


def grid_ratio(x: Array) -> float:
    """Return the mean squared step at the borders of blocks along rows over that elsewhere."""
    d = np.diff(x, axis=1)
    steps = (d[:, 1:-1] - (d[:, :-2] + d[:, 2:]) / 2) ** 2
    at = np.arange(steps.shape[1]) % 8 == 6
    return float(steps[:, at].mean() / steps[:, ~at].mean())


if __name__ == "__main__":
    main()
