"""Clipped lights in JPEG: PSNR with the mask of values at white, and of the plateau below it.

    python benchmarks/clipped_jpeg.py ../shared/data/night --gain 2.5
    python benchmarks/clipped_jpeg.py ../shared/data/kodak --gain 1

Of each picture the crop of 144 pixels with the share of clipped values nearest 6 % is brightened by
`--gain`, blurred by a stored kernel, given 0.3 % of noise, clipped, and stored as JPEG of the
qualities 75, 90 and 95 with Pillow's subsampling. `hyper-laplacian` deblurs it with the true
kernel, with the mask of values at white alone (`white`) and with that of JPEG (`plateau`).
`marked` is the share of values that are marked in addition, `clipped` that of the values clipped
before the compression, `false` the share of the marked ones that had not been clipped.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as pil
from scipy.signal import fftconvolve

import unblur
from scale_table import write_table
from svmap_table import stored_kernels
from unblur.engine.intake.normalization import Normalization
from unblur.model.image import Image
from unblur.model.kernel import Kernel
from unblur.numerics.value_summary import ValueSummary

EDGE = 144
"""Edge of a crop, in pixels."""

NOISE = 0.003
"""Standard deviation of the noise, white = 1."""

CLIPPED = 0.06
"""Share of clipped values that a crop should have, dimensionless."""

LEAST = 0.004
"""Smallest share of clipped values of a crop of a night scene, dimensionless."""


def scenes(folder: Path, gain: float, least: float) -> Iterator[tuple[str, Kernel, Any, Any]]:
    """Yield name, kernel, sharp colours (3, H, W), white = 1, and the blurred, noisy ones."""
    kernels = stored_kernels()
    files = sorted(p for p in folder.iterdir() if p.suffix in (".png", ".jpg"))
    for number, file in enumerate(files):
        picture = np.asarray(pil.open(file).convert("RGB")).astype(np.float64) / 255 * gain
        kernel = kernels[number % len(kernels)]
        weights = np.asarray(kernel.weights, np.float64)
        edge = EDGE + max(weights.shape)
        if min(picture.shape[:2]) < edge + 8:
            continue
        full = (picture >= 1).any(-1)
        places = [
            (abs(full[y : y + edge, x : x + edge].mean() - CLIPPED), y, x)
            for y in range(0, picture.shape[0] - edge, 64)
            for x in range(0, picture.shape[1] - edge, 64)
        ]
        _, y, x = min(places)
        scene = picture[y : y + edge, x : x + edge].transpose(2, 0, 1)
        blurred = np.stack([fftconvolve(channel, weights, "valid") for channel in scene])
        blurred += np.random.default_rng(number).normal(0, NOISE, blurred.shape)
        if (blurred >= 1).mean() < least:
            continue
        first = (edge - blurred.shape[1]) // 2
        inside = slice(first, first + blurred.shape[1])
        yield file.name, kernel, scene[:, inside, inside].clip(0, 1), blurred


def compress(blurred: Any, quality: int) -> Any:
    """Return the values (3, H, W) that a JPEG of the image has."""
    values = np.clip(np.rint(blurred * 255), 0, 255).astype(np.uint8)
    raw = io.BytesIO()
    pil.fromarray(values.transpose(1, 2, 0)).save(raw, "JPEG", quality=quality)
    return np.asarray(pil.open(raw)).transpose(2, 0, 1)


def measure(folder: Path, gain: float, least: float) -> list[dict[str, Any]]:
    """Return a row for each picture and quality."""
    rows = []
    for name, kernel, sharp, blurred in scenes(folder, gain, least):
        for quality in (75, 90, 95):
            values = compress(blurred, quality)
            found = {}
            for label, kind in (("white", "png"), ("plateau", "jpeg")):
                image = Image(values, "CYX", channels=("red", "green", "blue"),
                              metadata={"format": kind})  # fmt: skip
                result = unblur.deblur(image, "hyper-laplacian", kernel, device="cpu")
                error = np.asarray(result.image.data) / 255 - sharp
                found[label] = -10 * np.log10((error**2).mean())
            summary = ValueSummary.of(image, [values])
            level = Normalization.of(image, summary).saturation_level or 256.0
            marked, was_clipped = values >= level, blurred >= 1
            rows.append(
                {
                    "picture": name,
                    "quality": quality,
                    "clipped": float(was_clipped.mean()),
                    "level": level,
                    "marked": float((marked & (values < 255)).mean()),
                    "false": float((marked & ~was_clipped).sum() / max(marked.sum(), 1)),
                    **found,
                    "gain_db": found["plateau"] - found["white"],
                }
            )
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gain", type=float, default=2.5)
    options = parser.parse_args()
    least = LEAST if options.gain > 1 else 0.0
    rows = measure(options.folder, options.gain, least)
    means = []
    for quality in (75, 90, 95):
        some = [row for row in rows if row["quality"] == quality]
        gains = [row["gain_db"] for row in some]
        means.append(
            {
                "quality": quality,
                "pictures": len(some),
                "changed": sum(row["marked"] > 0 for row in some),
                "white": float(np.mean([row["white"] for row in some])),
                "plateau": float(np.mean([row["plateau"] for row in some])),
                "lowest_gain": min(gains),
                "highest_gain": max(gains),
            }
        )
    remark = (
        f"{options.folder.name}, brightened by {options.gain:g}: means of PSNR in dB with the true "
        "kernel, `hyper-laplacian`; `changed` counts pictures with a plateau below white."
    )
    write_table(
        f"clipped-jpeg-{options.folder.name}",
        "Clipped lights in JPEG",
        means,
        remark,
        "number of the picture",
    )


if __name__ == "__main__":
    main()
