"""The table of SVMAP's paper: PSNR and SSIM of non-blind methods on the same blurred images.

    python benchmarks/svmap_table.py bsd DATA
    python benchmarks/svmap_table.py night NIGHT --saturated
    python benchmarks/svmap_table.py ablation DATA --noise 0.01 \
        --own 'l2 data term=L2.safetensors' 'hyper-laplacian regulariser=HL.safetensors'

Results: `results/svmap-WHAT`. DATA is a folder of sharp images, whose luma is used. Image number i
is blurred by stored kernel number i (modulo their number; 13 to 35 pixels wide, one of each width)
and cropped to the valid region, and Gaussian noise is added, seeded by i. With `--saturated` the
image is multiplied by 1.2 before the blur, up to 1 % of noise is added, and both are clipped at
white; of the night scenes only those that no weights were trained on are used, and every method
gets the mask of clipped pixels, as from the engine; hyper-laplacian, which such a mask may harm,
has a row without it too. Every method gets the true kernel and the true noise level. The weight of
a method, one for all images, is that of the highest PSNR on every fifth of them. `--own` adds rows
for svmap with other weights, such as those of Tables 3 and 4, in which parts of the model are
fixed (`unblur train svmap --set data_term=l2`, `--set regulariser=hyper-laplacian`).

The kernels were drawn once by `draw` and are stored in `kernels_13_35.npz`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scale_table import write_table
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.metrics import psnr, ssim
from unblur.numerics.synthesis import gaussian_process_kernel, shake_kernel
from unblur.plugins.manager import registry
from unblur.training.blurred_samples import BlurredSample, degrade
from unblur.training.images import image_files, read_luma
from unblur_svmap.training.trainer import GAIN, held_out

KERNELS = Path(__file__).with_name("kernels_13_35.npz")
SIZES = range(13, 36)
FACTORS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)


@dataclass(frozen=True)
class StageVariant:
    """A stage with its params; `weights` are the candidates for its weight, if it has one."""

    label: str
    stage: str
    params: dict[str, Any]
    weights: tuple[float, ...] = ()
    masked: bool = True


EXACT = {"model_error": 0.0}
"""Params for exact kernels."""
FIXED = {**EXACT, "data_term": "l2", "regulariser": "hyper-laplacian"}


def methods(noise: float | None, own: dict[str, str]) -> list[StageVariant]:
    """Return the rows of the table; `noise` None stands for the saturated protocol."""
    best = "hyper-laplacian, best weight"
    tried = tuple(noise_weight(noise or 0.005) * factor for factor in FACTORS)
    given = [StageVariant(best, "hyper-laplacian", {}, tried)]
    if noise is None:
        given.append(StageVariant(f"{best}, clipping ignored", "hyper-laplacian", {}, tried, False))
    given.append(StageVariant("svmap", "svmap", EXACT))
    if own:
        given.append(StageVariant("svmap, both fixed", "svmap", FIXED))
    return given + [
        StageVariant(f"svmap, {k}", "svmap", {**EXACT, "model": v}) for k, v in own.items()
    ]


def noise_weight(noise: float) -> float:
    """Return a weight of the hyper-Laplacian close to the best one."""
    return 2 * max(noise, 0.002) ** 2


def draw_kernels(seed: int = 2021) -> list[Kernel]:
    """Draw a kernel of each size, alternately from a Gaussian process and a simulated shake."""
    generator = torch.Generator().manual_seed(seed)
    kinds = (gaussian_process_kernel, shake_kernel)
    return [kinds[size % 2](size, generator) for size in SIZES]


def stored_kernels() -> list[Kernel]:
    """Return the stored kernels of the table."""
    with np.load(KERNELS, allow_pickle=False) as stored:
        return [Kernel(stored[name]) for name in stored.files]


def samples(
    folder: Path, noise: float | None, limit: int | None, every: int = 1
) -> Iterator[BlurredSample]:
    """Yield every n-th blurred image; `noise` None stands for the saturated protocol."""
    kernels = stored_kernels()
    files = image_files(folder)
    if noise is None:
        files = [file for file in files if file.name in held_out()]
    for number, file in list(enumerate(files[:limit]))[::every]:
        generator = torch.Generator().manual_seed(number)
        sharp = read_luma(file).float() / 255
        kernel = kernels[number % len(kernels)]
        if noise is None:
            level = 0.01 * float(torch.rand((), generator=generator))
            yield degrade(sharp, kernel, level, generator, GAIN)
        else:
            yield degrade(sharp, kernel, noise, generator)


def score(
    method: StageVariant, weight: float | None, given: list[BlurredSample]
) -> dict[str, float]:
    """Return mean PSNR and SSIM of a method."""
    params = dict(method.params)
    if weight is not None:
        params["weight"] = weight
    stage = registry().stage("deconvolve", method.stage)
    figures: list[tuple[float, float]] = []
    for sample in given:
        clipped = sample.clipped if method.masked else None
        found = stage(params).deconvolve(
            sample.blurred[0],
            Kernel(sample.kernel.numpy()),
            Context(noise=float(sample.noise), saturation_level=None if clipped is None else 1.0),
            None if clipped is None else 1 - clipped[0, 0],
        )
        found, sharp = found[0].clamp(0, 1), sample.sharp[0, 0]
        figures.append((psnr(found, sharp), ssim(found, sharp)))
    return means(figures)


def means(figures: list[tuple[float, float]]) -> dict[str, float]:
    return dict(zip(("psnr", "ssim"), map(float, np.mean(figures, axis=0)), strict=True))


def best_weight(method: StageVariant, given: list[BlurredSample]) -> float | None:
    """Return the weight of the highest PSNR on every fifth image, or on all of at most 20."""
    if not method.weights:
        return None
    some = given[::5] if len(given) > 20 else given
    return max(method.weights, key=lambda weight: score(method, weight, some)["psnr"])


def measure(
    folder: Path, noise: float | None, limit: int | None, own: dict[str, str]
) -> list[dict[str, Any]]:
    """Return the rows of the table for one noise level."""
    given = list(samples(folder, noise, limit))
    blurred = [
        (psnr(s.blurred.clamp(0, 1), s.sharp), ssim(s.blurred[0, 0], s.sharp[0, 0])) for s in given
    ]
    name = "saturated" if noise is None else f"{100 * noise:g} %"
    rows = [{"noise": name, "method": "blurred", "weight": None, **means(blurred)}]
    for method in methods(noise, own):
        weight = best_weight(method, given)
        found = score(method, weight, given)
        rows.append({"noise": name, "method": method.label, "weight": weight, **found})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", help="name of the result, e.g. bsd; `draw` draws the kernels")
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--saturated", action="store_true")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.01, 0.05])
    parser.add_argument("--limit", type=int, help="measure on the first images only")
    parser.add_argument("--own", nargs="*", default=[], metavar="LABEL=FILE", help="see above")
    options = parser.parse_args()
    if options.what == "draw":
        np.savez_compressed(KERNELS, **{str(max(k.shape)): k.weights for k in draw_kernels()})
        return
    own = dict(pair.split("=", 1) for pair in options.own)
    levels = [None] if options.saturated else options.noise
    rows = [row for noise in levels for row in measure(options.data, noise, options.limit, own)]
    count = sum(1 for _ in samples(options.data, levels[0], options.limit))
    remark = (
        f"Means over {count} pictures of {options.data.name}; PSNR in dB over the valid region. "
        "True kernels of 13 to 35 pixels, stored; noise seeded; hyper-laplacian with the weight "
        "that serves it best on these pictures."
    )
    write_table(
        f"svmap-{options.what}",
        "Deconvolution with the true kernel",
        rows,
        remark,
        "number of the picture",
    )


if __name__ == "__main__":
    main()
