"""Deconvolution with estimated kernels, by weights trained with and without kernel errors.

    python benchmarks/svmap_estimated.py ../shared/data/kodak
    python benchmarks/svmap_estimated.py ../shared/data/kodak --noise 0.01 --limit 6 \
        --estimators map --methods hyper-laplacian plug-and-play 'plug-and-play, mixed' \
        --name plug-and-play-estimated

Image number i is blurred by stored kernel number i as in `svmap_table.py`, with noise; the kernel
is estimated blind by each of `--estimators`, with an odd kernel size six or seven pixels larger,
and the image is deconvolved with it and with the true kernel, by hyper-laplacian, svmap with the
weights `gaussian`, svmap with `tolerant`, and plug-and-play, alone and mixed with hyper-laplacian
as in the pipeline map-plug-and-play. PSNR at the best shift, means, and
the number of images on which a method is below the first one.
`--kernels FOLDER` stores the estimated kernels there and reads those that it holds. Results:
`results/svmap-estimated`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from scale_table import Row, write_table
from svmap_table import samples
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.metrics import levin_aligned
from unblur.plugins.manager import registry
from unblur.training.blurred_samples import BlurredSample

PROTOCOL = {"border": 15, "search": 3.0, "step": 0.5}
PRIORS = [{"prior": "l0-gradient", "weight": 4e-3}]
ESTIMATORS: dict[str, dict[str, Any]] = {"schuler": {}, "map": {"priors": PRIORS}}
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "hyper-laplacian": ("hyper-laplacian", {}),
    "svmap, gaussian": ("svmap", {"model": "gaussian"}),
    "svmap, tolerant": ("svmap", {"model": "tolerant"}),
    "plug-and-play": ("plug-and-play", {}),
    "plug-and-play, mixed": ("plug-and-play", {"hyper_laplacian_weight": 0.6}),
}


def score(method: str, sample: BlurredSample, kernel: Kernel) -> float:
    """Return the PSNR in dB of a method with a kernel, at the best shift."""
    name, params = METHODS[method]
    stage = registry().stage("deconvolve", name)(params)
    found = stage.deconvolve(sample.blurred[0], kernel, Context())[0].clamp(0, 1)
    return levin_aligned(found.numpy(), sample.sharp[0, 0].numpy(), **PROTOCOL).psnr


def estimate_kernel(estimator: str, sample: BlurredSample) -> Kernel:
    """Return the kernel that an estimator finds in the blurred image."""
    size = max(sample.kernel.shape) // 2 * 2 + 7
    stage = registry().stage("kernel", estimator)({"size": size, **ESTIMATORS[estimator]})
    return stage.estimate(sample.blurred[0], Context()).kernel


def kernels_of(
    estimator: str, noise: float, given: list[BlurredSample], stored: Path | None
) -> list[Kernel]:
    """Return the kernel that an estimator finds in each image, from a file if there is one."""
    found = []
    for number, sample in enumerate(given):
        file = stored / f"{estimator}-{noise:g}-{number}.npy" if stored else None
        if file is not None and file.exists():
            found.append(Kernel(np.load(file, allow_pickle=False)))
            continue
        found.append(estimate_kernel(estimator, sample))
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, found[-1].weights)
    return found


def main() -> None:
    """Blur, estimate, deconvolve, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.002, 0.01])
    parser.add_argument("--limit", type=int, help="largest number of images")
    parser.add_argument("--every", type=int, default=1, help="measure on every n-th image")
    parser.add_argument("--estimators", nargs="+", default=list(ESTIMATORS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS)[:3])
    parser.add_argument("--kernels", type=Path, help="folder of the estimated kernels")
    parser.add_argument("--name", default="svmap-estimated")
    options = parser.parse_args()
    rows: list[Row] = []
    for noise in options.noise:
        given = list(samples(options.folder, noise, options.limit, options.every))
        kernels = {
            name: kernels_of(name, noise, given, options.kernels) for name in options.estimators
        }
        kernels["true"] = [Kernel(s.kernel.numpy()) for s in given]
        for source, those in kernels.items():
            row: Row = {"noise": f"{100 * noise:g} %", "kernel": source}
            first: list[float] = []
            for method in options.methods:
                figures = [score(method, s, k) for s, k in zip(given, those, strict=True)]
                row[method] = round(float(np.mean(figures)), 2)
                if first:
                    row[f"{method}, below"] = int(np.sum(np.array(figures) < first))
                first = first or figures
                print(source, method, np.round(figures, 2).tolist(), flush=True)
            rows.append(row)
            print(row, flush=True)
    remark = (
        f"PSNR in dB at the best shift, means over {len(given)} pictures of {options.folder.name}, "
        "with stored kernels of 13 to 35 pixels; noise estimated. Below: number of pictures on "
        f"which a method is below {options.methods[0]}."
    )
    write_table(options.name, "Deconvolution with estimated kernels", rows, remark)


if __name__ == "__main__":
    main()
