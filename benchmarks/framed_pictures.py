"""Bars above and below a picture, added after the blur: PSNR with and without their mask.

    python benchmarks/framed_pictures.py ../shared/data/kodak

The part of 272 pixels of the first `--limit` pictures, in grey, is blurred by a stored kernel and
given 1 % of noise; then the first and the last 30 rows are set to 0. Methods get the true kernel.
`ignored` is the PSNR between the bars if these count as part of the picture, `masked` as the
engine does it, `whole` that without bars.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as pil
from scipy.signal import fftconvolve

import unblur
from scale_table import write_table
from svmap_table import stored_kernels
from unblur.engine import job
from unblur.model.kernel import Kernel

METHODS = ("wiener", "hyper-laplacian", "richardson-lucy")
BAR = 30
"""Height of a bar, in pixels."""


def make_case(file: Path, number: int, kernel: Kernel) -> tuple[Any, Any]:
    """Return the sharp picture, white = 1, and the blurred one with 8 bits."""
    picture = np.asarray(pil.open(file).convert("L")).astype(np.float64)[100:372, 100:372] / 255
    weights = np.asarray(kernel.weights, np.float64)
    blurred = fftconvolve(picture, weights, "valid")
    blurred += np.random.default_rng(number).normal(0, 0.01, blurred.shape)
    rows, columns = (n // 2 for n in weights.shape)
    sharp = picture[rows : rows + blurred.shape[0], columns : columns + blurred.shape[1]]
    return sharp, np.clip(np.rint(blurred * 255), 0, 255).astype(np.uint8)


def score(given: Any, method: str, kernel: Kernel, sharp: Any) -> float:
    result = np.asarray(unblur.deblur(given, method, kernel, device="cpu").image) / 255
    inside = slice(BAR + 4, -BAR - 4)
    return float(-10 * np.log10(((result - sharp)[inside, inside] ** 2).mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=10)
    options = parser.parse_args()
    kernels, find = stored_kernels(), job.find_content
    files = sorted(p for p in options.folder.iterdir() if p.suffix in (".png", ".jpg"))
    cases = []
    for number, file in enumerate(files[: options.limit]):
        kernel = kernels[5 * number % len(kernels)]
        sharp, whole = make_case(file, number, kernel)
        framed = whole.copy()
        framed[:BAR] = framed[-BAR:] = 0
        for method in METHODS:
            job.find_content = lambda image: None
            row = {"picture": file.name, "method": method}
            row["ignored"] = score(framed, method, kernel, sharp)
            job.find_content = find
            row["masked"] = score(framed, method, kernel, sharp)
            row["whole"] = score(whole, method, kernel, sharp)
            cases.append(row)
            print(row, flush=True)
    rows = []
    for method in METHODS:
        some = [case for case in cases if case["method"] == method]
        means = {k: float(np.mean([c[k] for c in some])) for k in ("ignored", "masked", "whole")}
        lowest = min(case["masked"] - case["ignored"] for case in some)
        rows.append({"method": method, **means, "lowest_gain": lowest})
    remark = (
        f"Means over {len(files[: options.limit])} pictures of {options.folder.name}; PSNR in dB."
    )
    write_table(
        "framed-pictures", "Pictures with bars", rows, remark, "number of the picture", cases
    )


if __name__ == "__main__":
    main()
