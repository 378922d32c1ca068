"""Kernels of known quality on photographs, for a network that predicts what a kernel gains.

A photograph is cut, blurred as in `blind_cases.py`, and given several kernels: the true one, that
of one alternation of the search of `map`, both with a change, and that of another photograph. Each
restores the image as `KernelScorer` does, and is stored with its features
(`unblur_classic.map.search.gain_features`), with the squared errors of the restored and the blurred
image, and with its gain in PSNR.

The kernels of one alternation are often wrong, and wrong as those of a search are: they restore a
sparse image. Cutting, search, and restoring take 2 to 4 s of one core for a photograph.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from blind_cases import CONDITIONS, KERNEL_SIZES, blur_photograph
from kernel_changes import change_kernel, normalized
from unblur.model.context import Context
from unblur.numerics.kernel_ops import crop_to_mass, recentre
from unblur.numerics.pyramid import rescale_kernel
from unblur.training.images import image_files, read_luma
from unblur_classic.map.estimator import MapEstimator, _without_smallest
from unblur_classic.map.kernel_size import fitting_size
from unblur_classic.map.preprocessing import EstimationInput, preprocess
from unblur_classic.map.scoring import KernelScorer
from unblur_classic.map.search.gain_features import feature_maps, mean_of_cells
from unblur_classic.map.search.gain_prediction import border_of, residual_maps
from unblur_classic.map.search.hypotheses import HYPOTHESES, STRONG_HYPOTHESES
from unblur_classic.map.search.kernel_confidence import measure_evidence
from unblur_classic.map.search.kernel_refinement import refine_kernel
from unblur_classic.map.search.kernel_search import (
    MAX_SIZE,
    FoundKernel,
    _first_level,
    _run_tracks,
)

PARAMS = MapEstimator.Params(iterations=3, refinements=5)
"""Params of the refinement, of fewer iterations than by default."""
FIRST_SEED = 1000
"""Seed of the first case, dimensionless."""
EXTENTS = ((37, 208), (KERNEL_SIZES[-1], 256))
"""Largest extent of a kernel, and the extent of the blurred image up to it, both in pixels."""
CROPS = 2
"""Number of crops of a photograph of which the one with the most texture is used, a count."""
STARTS = (0, 40, 80)
"""Smallest sides of the image at the level where the alternation starts, in pixels."""
MAX_OTHERS = 60
"""Number of preceding cases whose kernels are used as those of other photographs, a count."""
MAX_EXTENT = 140
"""Largest extent of a kernel that is used, in pixels."""
TAIL = 0.002
"""Largest fraction of a kernel's mass that is cut at each side, dimensionless."""
MAX_SHIFT = 22
"""Largest shift at which an image is compared with the truth, and the border that is left out, in
pixels."""


def make_cases(photos: Path, count: int, folder: Path) -> None:
    """Store the first `count` cases in a folder, one file each; those that exist stay."""
    folder.mkdir(parents=True, exist_ok=True)
    files = image_files(photos)
    others: list[Tensor] = []
    for number in range(count):
        file = folder / f"{number:05d}.pt"
        if file.exists():
            stored = torch.load(file, weights_only=True)
            others += [row["kernel"].float() for row in stored if row["kind"] == "search"]
        else:
            rows = list(_kernels_of_case(files, FIRST_SEED + number, others))
            torch.save(rows, file)
            gains = (f"{row['kind']} {row['gain']:+.1f}" for row in rows)
            print(number, rows[0]["photo"], *gains, flush=True)
        del others[:-MAX_OTHERS]


def _kernels_of_case(
    files: list[Path], seed: int, others: list[Tensor]
) -> Iterator[dict[str, Any]]:
    """Yield the kernels of a case, with features, errors and gain; adds its own to `others`."""
    order = list(range(len(files)))
    random.Random(77 + seed // len(files)).shuffle(order)
    photo = files[order[seed % len(files)]]
    choice = random.Random(5000 + seed)
    size, condition = choice.choice(KERNEL_SIZES), choice.choice(CONDITIONS)
    extent = next(edge for largest, edge in EXTENTS if size <= largest) + size - 1
    crop = _textured_crop(read_luma(photo), extent, choice)
    pair = blur_photograph(crop, size, condition, 50_000 + seed)
    blurred = torch.from_numpy(np.array(pair.blurred)).float() / 255
    contrast, mean = float(blurred.std()), float(blurred.mean())
    given = preprocess(blurred[None], Context())
    image, truth = (blurred - mean) / contrast, (pair.sharp - mean) / contrast
    noise = given.noise / float(given.y.std())
    true = normalized(torch.tensor(np.asarray(pair.kernel.weights), dtype=torch.float32))
    found, coarse = _one_alternation(given, choice)
    fine = normalized(
        _without_smallest(
            refine_kernel(found, given, fitting_size(found.size, given), PARAMS, lambda _: None)
        )
    )
    kernels = [("true", true), *coarse, ("search", fine)]
    if others:
        kernels.append(("other", choice.choice(others)))
    others.append(fine)
    for name, array in (("true", true), ("search", fine)):
        kernels.append((f"{name} changed", change_kernel(array, choice)))
    for kind, array in kernels:
        kernel = normalized(recentre(crop_to_mass(array, TAIL), grow=True)).float()
        if kernel.shape[-1] > MAX_EXTENT:
            continue
        evidence = measure_evidence(given, found, kernel)
        sharp, residual = restore(image, kernel)
        errors = [_squared_error(x, truth) for x in (image, sharp)]
        inside = (slice(MAX_SHIFT, -MAX_SHIFT),) * 2
        ratio = float(errors[0][inside].mean() / errors[1][inside].mean())
        maps = feature_maps(image, noise, kernel, sharp, residual)
        yield {
            "photo": photo.name,
            "kind": kind,
            "kernel": kernel,
            "gain": 10 * math.log10(ratio),
            "evidence": [evidence.spectrum, evidence.stability, evidence.area],
            "maps": maps.half(),
            "errors": _log_errors(errors),
            "border": border_of(kernel, maps),
        }


def _textured_crop(photo: Tensor, extent: int, choice: random.Random) -> Tensor:
    """Return the one of some square crops, at most the whole, with the steepest gradients."""
    sides = [min(extent, n) for n in photo.shape]
    crops = []
    for _ in range(CROPS):
        y, x = (choice.randrange(n - side + 1) for n, side in zip(photo.shape, sides, strict=True))
        crops.append(photo[y : y + sides[0], x : x + sides[1]])
    return max(crops, key=lambda crop: float(crop.float().diff(dim=1).abs().mean())).clone()


def _one_alternation(
    given: EstimationInput, choice: random.Random
) -> tuple[FoundKernel, list[tuple[str, Tensor]]]:
    """Return what one random alternation finds, and its kernel at full size if it is coarser."""
    side = min(given.y.shape)
    max_size = max(min(MAX_SIZE, side // 2), 3)
    hypothesis = choice.choice([*HYPOTHESES, *HYPOTHESES, STRONG_HYPOTHESES[0]])
    start = _first_level(max_size, choice.choice(STARTS) / side)
    track = _run_tracks([start], given, Context(), [hypothesis], max_size)[0]
    found = FoundKernel(track.kernel, track.ratio, hypothesis, 0.0, 0.0)
    if track.ratio == 1:
        return found, []
    start_kernel = recentre(track.kernel, by="support")
    size = fitting_size(found.size, given)
    coarse = rescale_kernel(start_kernel, size, 1 / track.ratio).clamp_min(0)
    return found, [("coarse", normalized(coarse))]


def restore(image: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Return the image (h, w), of contrast 1, that a kernel restores, and its residual.

    The residual is 0 within half a kernel of the border.
    """
    sharp = KernelScorer(image, torch.ones_like(image), Context()).restore(kernel, image)
    return sharp, residual_maps(sharp, kernel, image)


def _log_errors(errors: list[Tensor]) -> Tensor:
    """Return the logarithms of the errors of the blurred and the restored image, (2, h, w)."""
    cells = functional.pad(mean_of_cells(torch.stack(errors))[None], (1, 1, 1, 1), "replicate")
    return (functional.avg_pool2d(cells, 3, 1)[0] + 1e-4).log()


def _squared_error(x: Tensor, truth: Tensor) -> Tensor:
    """Return the squared error of an image at its best shift, less its mean inside."""
    error = _aligned(x, truth) - truth
    inside = (slice(MAX_SHIFT, -MAX_SHIFT),) * 2
    return (error - error[inside].mean()).square()


def _aligned(x: Tensor, truth: Tensor) -> Tensor:
    """Return an image (h, w) at the shift at which it is most like the truth."""
    inside = (slice(MAX_SHIFT, -MAX_SHIFT),) * 2
    centred, inner, mask = x - x.mean(), torch.zeros_like(x), torch.zeros_like(x)
    inner[inside], mask[inside] = (truth - truth.mean())[inside], 1
    spectra = [torch.fft.rfft2(z) for z in (centred**2, centred, mask, inner)]
    errors = spectra[0] * spectra[2].conj() - 2 * spectra[1] * spectra[3].conj()
    shifts = torch.cat([torch.arange(MAX_SHIFT + 1), torch.arange(-MAX_SHIFT, 0)])
    table = torch.fft.irfft2(errors, s=x.shape)[shifts][:, shifts]
    row, column = divmod(int(table.argmin()), len(shifts))
    near = torch.roll(x, (-int(shifts[row]), -int(shifts[column])), (0, 1))
    return _aligned_to_part_of_a_pixel(near, truth, inside)


def _aligned_to_part_of_a_pixel(x: Tensor, truth: Tensor, inside: tuple[slice, slice]) -> Tensor:
    """Return an image that is within a pixel of the truth at the best shift, by Gauss-Newton."""
    down = torch.fft.fftfreq(x.shape[0])[:, None].to(x)
    across = torch.fft.rfftfreq(x.shape[1])[None].to(x)
    spectrum, shift, moved = torch.fft.rfft2(x), [0.0, 0.0], x
    for _ in range(3):
        slopes = [(torch.roll(moved, -1, a) - torch.roll(moved, 1, a)) / 2 for a in (0, 1)]
        slope = torch.stack([s[inside].flatten() for s in slopes], 1)
        error = (truth - moved)[inside].flatten()
        step = torch.linalg.lstsq(slope, (error - error.mean())[:, None]).solution[:, 0]
        shift = [
            max(-1.0, min(1.0, s + float(d)))
            for s, d in zip(shift, step.clamp(-0.6, 0.6), strict=True)
        ]
        phase = torch.exp(2j * math.pi * (down * shift[0] + across * shift[1]))
        moved = torch.fft.irfft2(spectrum * phase, s=x.shape)
    return moved
