"""The cases of the blind benchmarks: blurred images with their truth, in two halves.

Three sets, all under `../shared/data`:

- `lai`: 80 pairs of Lai et al. (20 scenes of five categories, four kernels of 31 to 75 pixels).
- `kodak-blind`: 16 photographs, each blurred three times.
- `bsd-blind`: 80 photographs of BSDS500's validation set, each blurred once.

In the last two the kernels are of 9 to 75 pixels, half of them drawn from a Gaussian process and
half of them trajectories of a hand-held camera, with 0.3, 1 or 3 % of noise. A third of the cases
is stored as JPEG of quality 90, and a third was blurred in linear light and passed through a tone
curve, where no convolution holds exactly.

Each set has a half on which settings may be chosen (`tune`) and one on which results are reported
(`report`); no scene is in both.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from torch import Tensor

from unblur.io import read_kernel
from unblur.model.kernel import Kernel
from unblur.numerics.synthesis import (
    add_gaussian_noise,
    blur_image,
    crop_valid,
    gaussian_process_kernel,
    shake_kernel,
)
from unblur.training.images import image_files, read_luma

SETS = ("lai", "kodak-blind", "bsd-blind")
KERNEL_SIZES = (9, 13, 19, 27, 37, 51, 75)
"""Extents of the kernels of `kodak-blind` and `bsd-blind`, in pixels."""
NOISE = (0.003, 0.01, 0.03)
"""Standard deviations of their noise, white = 1."""
FORMATS = ("plain", "jpeg", "tone-curve")
DRAW_KERNEL = (gaussian_process_kernel, shake_kernel)


class Condition(NamedTuple):
    """Noise, what the image passes through, and the function that draws the kernel of a case."""

    noise: float
    format: str
    draw_kernel: Callable[[int, torch.Generator], Kernel]


CONDITIONS = [Condition(*parts) for parts in product(NOISE, FORMATS, DRAW_KERNEL)]
random.Random(0).shuffle(CONDITIONS)
JPEG_QUALITY = 90
"""Quality of the JPEG files, 1 to 95."""
LAI_OFFSET = 0.005
"""Mean of the noise of Lai's images, which is uniform on [0, 0.01], white = 1."""

Half = Literal["tune", "report"]


class Pair(NamedTuple):
    """A blurred image, its truth, and the kernel between them.

    Attributes
    ----------
    blurred : (H, W) uint8
        As stored in a file.
    sharp : (H, W) float32
        White = 1.
    kernel : Kernel
        True kernel.
    offset : float
        Mean of the noise, which a restored image keeps, white = 1.
    """

    blurred: NDArray[np.uint8]
    sharp: Tensor
    kernel: Kernel
    offset: float = 0.0


@dataclass(frozen=True)
class BlindCase:
    """One case of a set.

    Attributes
    ----------
    name : str
        Name of the case in tables.
    category : str
        Category of the scene, or what the image passed through.
    half : {"tune", "report"}
        The half of the set to which the scene belongs.
    load : callable
        Returns the `Pair`.
    """

    name: str
    category: str
    half: Half
    load: Callable[[], Pair]

    @property
    def tone_curve(self) -> Literal["none", "srgb"]:
        """Return the curve to undo: sRGB's where a camera's was applied, none otherwise."""
        return "srgb" if self.category == "tone-curve" else "none"


def load_cases(name: str, data: Path, half: Half | None = None) -> list[BlindCase]:
    """Return the cases of a set, of one half or of both.

    Parameters
    ----------
    name : str
        One of `SETS`.
    data : Path
        The folder with `lai16`, `kodak` and `bsds500`.
    half : {"tune", "report"}, optional
        Both halves if left out.
    """
    if name == "lai":
        cases = _lai_cases(data / "lai16")
    elif name == "kodak-blind":
        cases = _synthetic_cases(data / "kodak", per_photo=3)
    else:
        cases = _synthetic_cases(data / "bsds500" / "val", per_photo=1)
    return [case for case in cases if half in (None, case.half)]


def _lai_cases(folder: Path) -> list[BlindCase]:
    cases, scenes = [], sorted(path.stem for path in (folder / "sharp").glob("*.png"))
    categories = [scene.rpartition("_")[0] for scene in scenes]
    for number, (scene, category) in enumerate(zip(scenes, categories, strict=True)):
        place = number - categories.index(category)
        half: Half = "report" if place % 2 else "tune"
        for blurred in sorted((folder / "blurred_y").glob(f"{scene}_kernel_*.png")):
            load = partial(_load_lai, folder, scene, blurred)
            cases.append(BlindCase(blurred.stem, category, half, load))
    return cases


def _load_lai(folder: Path, scene: str, blurred: Path) -> Pair:
    luma = PillowImage.open(folder / "sharp" / f"{scene}.png").convert("RGB").convert("YCbCr")
    sharp = np.asarray(luma, np.float32)[..., 0] / 255
    observed = np.asarray(PillowImage.open(blurred))
    number = blurred.stem.rpartition("_")[2]
    kernel = read_kernel(folder / "kernels_f32" / f"kernel_{number}.tif").mean
    return Pair(observed, torch.from_numpy(sharp), kernel, LAI_OFFSET)


def _synthetic_cases(folder: Path, per_photo: int) -> list[BlindCase]:
    cases = []
    for number, photo in enumerate(image_files(folder)):
        for draw in range(per_photo):
            # Both halves go through the same sizes and conditions.
            place = per_photo * (number // 2) + draw
            size = KERNEL_SIZES[place % len(KERNEL_SIZES)]
            condition = CONDITIONS[place % len(CONDITIONS)]
            half: Half = "report" if number % 2 else "tune"
            name = f"{photo.stem}_{size}_{condition.noise:g}_{condition.format}"
            load = partial(load_synthetic, photo, size, condition, per_photo * number + draw)
            cases.append(BlindCase(name, condition.format, half, load))
    return cases


def load_synthetic(photo: Path, size: int, condition: Condition, seed: int) -> Pair:
    """Return a photograph blurred by a kernel of `size` pixels that the condition draws."""
    return blur_photograph(read_luma(photo), size, condition, seed)


def blur_photograph(luma: Tensor, size: int, condition: Condition, seed: int) -> Pair:
    """Return the luma (H, W) uint8 of a photograph blurred as in `load_synthetic`."""
    generator = torch.Generator().manual_seed(seed)
    kernel = condition.draw_kernel(size, generator)
    is_rendered = condition.format == "tone-curve"
    sharp = luma.float() / 255
    light = sharp**2.2 if is_rendered else sharp
    blurred = blur_image(light[None], kernel)[0]
    blurred = add_gaussian_noise(blurred, condition.noise, generator).clamp(0, 1)
    truth = crop_valid(sharp[None], kernel)[0]
    if is_rendered:
        blurred, truth = _tone_curve(blurred ** (1 / 2.2)), _tone_curve(truth)
    stored = (255 * blurred).round().to(torch.uint8).numpy()
    return Pair(_through_jpeg(stored) if condition.format == "jpeg" else stored, truth, kernel)


def _tone_curve(x: Tensor) -> Tensor:
    """Return the S-shaped rendering of gamma-encoded values in [0, 1], as cameras apply it."""
    return torch.lerp(x, x * x * (3 - 2 * x), 0.5)


def _through_jpeg(x: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (H, W) after storage as JPEG."""
    file = io.BytesIO()
    PillowImage.fromarray(x).save(file, "JPEG", quality=JPEG_QUALITY)
    return np.asarray(PillowImage.open(file))
