"""How the difference between a tile and the whole image falls with the tile's halo.

    OMP_NUM_THREADS=1 python benchmarks/tile_halos.py
    OMP_NUM_THREADS=1 python benchmarks/tile_halos.py hyper-laplacian --photos lomiri_sunset

A free photograph in grey, mirrored to the extent that the halos need, is blurred by the motion of
a shaken camera and deconvolved whole, and so is a tile of 128 x 128 pixels in its middle with halos
of 32 to 256 pixels and the noise and contrast of the whole, as tiles of a run have. `plug-and-play`
and `svmap` take long and are run on fewer cases.

Results: `results/tile-halos`; rows of other stages and photographs stay as they were last measured.
`rms N` is the root mean square of the difference in the outermost rows and columns of the tile's
interior at a halo of N pixels, white = 1, `predicted N` what `tile_radius` assumes of it. The last
columns are those of the halo that a run takes (`Deconvolver.tile_halo`): the root mean square and
the largest difference in the tile, and the pixels that differ by more than 1e-3, per million.
"""

from __future__ import annotations

import argparse
from math import hypot
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PillowImage
from torch import Tensor

from scale_table import Row, earlier_rows, write_table
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.model.stages import Deconvolver
from unblur.numerics.fourier import inverse_fft, psf_to_otf
from unblur.numerics.inverse_filters import CONTINUED, WienerFilter
from unblur.numerics.noise import estimate_noise
from unblur.numerics.operators import laplacian_otf
from unblur.numerics.synthesis import add_gaussian_noise, blur_image, shake_kernel
from unblur.plugins.manager import registry
from unblur_classic.nonblind.regularization import GRADIENT_RMS, quadratic_weight

FOLDER = Path(__file__).resolve().parents[1] / "../shared/data/photos"
PHOTOS = ("budgie_the-spices-of-life", "lomiri_sunset")
"""Photographs that are reported. The model of the error was compared with two others before;
`TILE_ERROR` was then made smaller on these."""
CASES = ((15, 0.01), (31, 0.01), (51, 0.01), (31, 0.003), (31, 0.03))
"""Extents of the kernels, in pixels, with the standard deviation of the noise, white = 1."""
FEW = ((31, 0.01),)
FEW_OF = ("plug-and-play", "svmap")
"""Stages that take long, which are run on `FEW` of the cases on one photograph."""
HALOS = (32, 64, 96, 128, 192, 256)
TILE = 128
"""Edge of the interior of the tile, in pixels."""
KINDS = ("stage", "photograph", "kernel", "noise")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    stages = ("hyper-laplacian", "tv", "wiener", *FEW_OF)
    parser.add_argument("stages", nargs="*", default=stages, metavar="STAGE")
    parser.add_argument("--photos", nargs="+", default=PHOTOS)
    options = parser.parse_args()
    for name in options.stages:
        few = name in FEW_OF
        for photo in options.photos[: 1 if few else None]:
            for size, noise in FEW if few else CASES:
                row = measure(name, photo, size, noise)
                rows = [*earlier_rows("tile-halos", KINDS, [row]), row]
                write_table(
                    "tile-halos",
                    "The difference between tiles and the whole by the halo",
                    sorted(rows, key=lambda row: tuple(row[key] for key in KINDS)),
                    "Differences as a fraction of white; the kernels are shakes, given.",
                )


def measure(name: str, photo: str, size: int, noise: float) -> Row:
    """Return one row: a stage on a photograph blurred by a kernel of `size` pixels."""
    stage = registry().stage("deconvolve", name)()
    kernel = shake_kernel(size, torch.Generator().manual_seed(0))
    most = max(HALOS[-1], *stage.tile_halo(kernel, Context())) if name not in FEW_OF else 192
    blurred = blurred_photo(photo, 2 * (most + 64) + TILE, kernel, noise)
    context = Context(
        noise=estimate_noise(blurred[0]),
        contrast=float(blurred.std()),
        brightness=float(blurred.mean()),
        image_values=12_000_000,
    )
    stage = stage.calibrate(blurred, kernel, context)
    whole = stage.deconvolve(blurred, kernel, context)
    row: dict[str, str | float | int] = dict(zip(KINDS, (name, photo, size, noise), strict=True))
    expected = predicted_errors(kernel, context)
    for halo in HALOS:
        if halo <= most:
            row[f"rms {halo}"] = border_rms(
                difference(stage, blurred, whole, kernel, context, halo)
            )
            row[f"predicted {halo}"] = expected[halo]
    own = stage.tile_halo(kernel, context)
    row["halo"] = "x".join(map(str, own))
    row["halo of any image"] = "x".join(map(str, stage.tile_halo(kernel, Context())))
    if max(own) <= most:
        found = difference(stage, blurred, whole, kernel, context, own)
        row["rms"] = float(found.square().mean().sqrt())
        row["largest"] = float(found.max())
        row["above 1e-3, ppm"] = round(1e6 * float((found > 1e-3).float().mean()))
    return row


def blurred_photo(name: str, edge: int, kernel: Kernel, noise: float) -> Tensor:
    """Return a photograph in grey (1, edge, edge), blurred, with noise."""
    with PillowImage.open(FOLDER / f"{name}.jpg") as photo:
        grey = np.asarray(photo.convert("L"), np.float32) / 255
    margins = [(0, max(edge - n, 0)) for n in grey.shape]
    sharp = np.pad(grey, margins, mode="reflect")[:edge, :edge]
    blurred = blur_image(torch.from_numpy(sharp.copy()), kernel, boundary="reflect")
    return add_gaussian_noise(blurred, noise, torch.Generator().manual_seed(1))[None]


def difference(
    stage: Deconvolver,
    blurred: Tensor,
    whole: Tensor,
    kernel: Kernel,
    context: Context,
    halo: int | tuple[int, ...],
) -> Tensor:
    """Return how far a tile in the middle with that halo is from the whole: (TILE, TILE)."""
    halos = (halo, halo) if isinstance(halo, int) else halo
    first = [(n - TILE) // 2 for n in blurred.shape[1:]]
    rows, columns = (slice(f - h, f + TILE + h) for f, h in zip(first, halos, strict=True))
    placed = context.with_(origin=(rows.start, columns.start), cut_axes=(True, True))
    tile = stage.deconvolve(blurred[:, rows, columns].contiguous(), kernel, placed)
    inner = tile[0, halos[0] : halos[0] + TILE, halos[1] : halos[1] + TILE]
    return (inner - whole[0, first[0] : first[0] + TILE, first[1] : first[1] + TILE]).abs()


def border_rms(found: Tensor) -> float:
    """Return the root mean square in the outermost rows and columns."""
    border = torch.cat([found[0], found[-1], found[:, 0], found[:, -1]])
    return float(border.square().mean().sqrt())


def predicted_errors(kernel: Kernel, context: Context) -> dict[int, float]:
    """Return the error at the border of a tile that `tile_radius` assumes, by its halo."""
    assert context.noise is not None
    assert context.contrast is not None
    ratio, grid = context.noise / context.contrast, [1024, 1024]
    otf = psf_to_otf(kernel.tensor(), grid)
    sharp = GRADIENT_RMS**2 / (laplacian_otf(grid, otf.real) + CONTINUED)
    spectrum = (otf.abs() ** 2 * sharp + ratio**2).sqrt()
    wiener = WienerFilter.of(otf, grid, quadratic_weight(hypot(ratio, 0.03)))
    energy = inverse_fft(wiener.restore * spectrum, grid).double().square()
    distance = torch.minimum(torch.arange(1024), 1024 - torch.arange(1024))
    return {
        halo: context.contrast
        * max(float(energy.sum(axis)[distance >= halo].sum().sqrt()) for axis in (0, 1))
        for halo in HALOS
    }


if __name__ == "__main__":
    main()
