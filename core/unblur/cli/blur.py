"""`unblur blur`: synthetic blurred images with their truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unblur.cli.console import name_file_in_errors, print_result
from unblur.cli.options import Axes, Overwrite, Psf, Quiet, Seed
from unblur.errors import KernelError, UsageError

if TYPE_CHECKING:
    from unblur.model.image import Image
    from unblur.model.kernel import Kernel
    from unblur.numerics.synthesis.degradations import Boundary

EXAMPLE = "unblur blur sharp.png -o blurred.png --kernel motion:length=15,angle=30 --noise 0.01"

BOUNDARIES = ("valid", "replicate", "reflect", "periodic")
"""Values of `--boundary`."""


def blur(
    sharp: Annotated[Path, typer.Argument(metavar="SHARP", help="The image to blur.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="The blurred image.")
    ],
    kernel: Annotated[
        str | None,
        typer.Option(
            "--kernel",
            metavar="KIND:NAME=VALUE,...",
            help="A synthetic kernel; `unblur psf make --help` lists the kinds.",
        ),
    ] = None,
    psf: Psf = None,
    noise: Annotated[
        float, typer.Option("--noise", min=0, max=1, help="Gaussian noise, white = 1.")
    ] = 0.0,
    photons: Annotated[
        float | None,
        typer.Option("--photons", min=1e-3, help="Poisson noise: mean count of photons at white."),
    ] = None,
    gain: Annotated[
        float,
        typer.Option(
            "--gain",
            min=1e-3,
            help="Factor on the image before blurring; above 1, bright pixels saturate.",
        ),
    ] = 1.0,
    boundary: Annotated[
        str,
        typer.Option("--boundary", help="valid (crops), replicate, reflect or periodic."),
    ] = "valid",
    seed: Seed = 0,
    axes: Axes = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Blur a sharp image and add noise.

    Beside OUT.ext it writes OUT.truth.ext, the sharp image of the same extent, OUT.psf.tif, the
    kernel, and OUT.json, the settings.
    """
    if boundary not in BOUNDARIES:
        raise UsageError(f"--boundary is one of {', '.join(BOUNDARIES)}, got '{boundary}'.")
    from unblur.io import check_output, read_image, write_image, write_kernel
    from unblur.io.files import check_vacant, written_whole
    from unblur.model.kernel import KernelField
    from unblur.numerics.psf.image_fit import with_image_pixels
    from unblur.runs import kernel_path, report_path

    image = read_image(sharp, axes=axes)
    point_spread = _kernel(kernel, psf, seed, image)
    truth = truth_path(output)
    for name in (output, truth):
        check_output(image, name, overwrite=overwrite)
        if name.resolve() == sharp.resolve():
            raise UsageError(f"{name}: writing it would replace the input; choose another name.")
    for name in (kernel_path(output), report_path(output)):
        check_vacant(name, overwrite)
    settings: dict[str, Any] = {
        "noise": noise,
        "photons": photons,
        "gain": gain,
        "boundary": boundary,
        "seed": seed,
    }
    with name_file_in_errors(sharp):
        blurred, clear = degrade(image, point_spread, **settings)
    used = KernelField.single(point_spread, keeps_offset=True)
    write_kernel(with_image_pixels(used, image), kernel_path(output), overwrite=overwrite)
    content = {"made_by": "unblur blur", "sharp_file": str(sharp), "kernel": kernel or psf}
    with written_whole(report_path(output), overwrite=overwrite) as draft:
        draft.write_text(json.dumps({**content, **settings}, indent=2) + "\n", "utf-8")
    write_image(clear, truth, overwrite=overwrite)
    write_image(blurred, output, overwrite=overwrite)
    if not quiet:
        size = "x".join(map(str, point_spread.shape))
        print_result(f"{sharp} -> {output} (kernel {size}), truth in {truth}")


def truth_path(output: Path) -> Path:
    """Return the path of the truth of a blurred image: `a.truth.png` beside `a.png`."""
    from unblur.io.files import suffix_of

    suffix = output.name[len(output.name) - len(suffix_of(output)) :]
    return output.with_name(f"{output.name[: len(output.name) - len(suffix)]}.truth{suffix}")


def degrade(
    image: Image,
    kernel: Kernel,
    *,
    noise: float,
    photons: float | None,
    gain: float,
    boundary: Boundary,
    seed: int,
) -> tuple[Image, Image]:
    """Return the blurred and noisy image, and the sharp image of the same extent.

    Integer types are rounded and clipped; floats are clipped to white only if `gain` is above 1.
    Alpha is not blurred.
    """
    import numpy as np
    import torch

    from unblur.model.image import ALPHA
    from unblur.numerics.synthesis import (
        add_gaussian_noise,
        add_poisson_noise,
        blur_image,
        crop_valid,
    )

    draw = torch.Generator().manual_seed(seed)
    sharp = torch.from_numpy(np.asarray(image.data, np.float64)) * (gain / image.white)
    blurred = blur_image(sharp, kernel, boundary)
    if photons is not None:
        blurred = add_poisson_noise(blurred, photons, draw)
    if noise:
        blurred = add_gaussian_noise(blurred, noise, draw)
    clear = crop_valid(sharp, kernel) if boundary == "valid" else sharp
    if ALPHA in image.channels:
        axis = image.axes.index("C")
        index = (slice(None),) * axis + (image.channels.index(ALPHA),)
        blurred[index] = clear[index] = clear[index] / gain

    def stored(x: torch.Tensor) -> Image:
        values = x.numpy() * image.white
        if image.dtype.kind == "f":
            values = np.minimum(values, image.white) if gain > 1 else values
        else:
            values = np.clip(np.rint(values), 0, image.white)
        return image.with_data(values.astype(image.dtype))

    return stored(blurred), stored(clear)


def _kernel(made: str | None, file: str | None, seed: int, image: Image) -> Kernel:
    from unblur.io import read_kernel
    from unblur.numerics.psf.image_fit import check_pixel_size
    from unblur.numerics.synthesis.synthetic_psf import parse_synthetic_psf

    if (made is None) == (file is None):
        raise UsageError("give the kernel either with --kernel, e.g. disk:radius=3, or with --psf.")
    if made is not None:
        return parse_synthetic_psf(made, seed)
    field = read_kernel(str(file))
    if not field.is_uniform:
        raise KernelError(f"{file}: holds a field of kernels; blur takes a single one.")
    check_pixel_size(
        field, image, "resample it with `unblur psf check PSF --image IMAGE --repair OUT`"
    )
    return field.mean
