"""`unblur psf`: validation, repair and synthesis of PSFs."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unblur.cli.console import FAILED, name_file_in_errors, print_json, print_result, print_table
from unblur.cli.options import Axes, Json, Overwrite, Quiet, Seed
from unblur.errors import UsageError

if TYPE_CHECKING:
    from unblur.io.kernel_file import KernelFile
    from unblur.model.image import Image
    from unblur.model.kernel import Kernel, KernelField
    from unblur.numerics.psf import Diagnostic

CHECK_EXAMPLE = "unblur psf check bead.tif --image cells.tif --repair psf.tif"
MAKE_EXAMPLE = "unblur psf make disk radius=3.5 -o disk.tif"

app = typer.Typer(help="Check, repair or make a point-spread function.", no_args_is_help=True)


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The PSF, in any image format.")],
    image: Annotated[
        Path | None,
        typer.Option("--image", metavar="FILE", help="The image to be deconvolved with it."),
    ] = None,
    repair: Annotated[
        Path | None, typer.Option("--repair", metavar="OUT", help="Write the repaired PSF there.")
    ] = None,
    axes: Axes = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Check a PSF: centring, parity, sum, background, support, pixel size.

    Exit status 1 means that the PSF cannot be used as it is. With --repair, all repairable
    defects are repaired, and the diagnostics of the result are shown as well.
    """
    from unblur.io import read_image, read_kernel_values, write_kernel
    from unblur.numerics.psf import repair as repaired
    from unblur.numerics.psf import validate

    goal = None if image is None else read_image(image, axes=axes, lazy=True)
    every = read_kernel_values(file)
    found = every if goal is None else every.choose_sampling(goal.pixel_size, goal.units)
    options = _validation_options(found, goal)
    with name_file_in_errors(file):
        shown = _with_notes(validate(_psf_of(found), **options), every, found, goal)
        if repair is not None:
            kernel = repaired(_psf_of(found), **options)
            write_kernel(kernel, repair, overwrite=overwrite)
            options |= {"pixel_size": kernel.pixel_size, "units": kernel.units}
            after = validate(kernel, **options)
    diagnostics = {str(file): shown, **({} if repair is None else {str(repair): after})}
    if as_json:
        print_json(
            {
                name: [asdict(diagnostic) for diagnostic in found]
                for name, found in diagnostics.items()
            }
        )
    elif not quiet:
        for name, found_here in diagnostics.items():
            rows = [[f.level, f.what, f.detail + _help(f.repair)] for f in found_here]
            print_table(["level", "property", "diagnostic"], rows, name)
    last = shown if repair is None else after
    if any(diagnostic.level == "error" for diagnostic in last):
        raise typer.Exit(FAILED)


def make(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="gaussian, motion, disk, airy, widefield, optics (of a microscope), path (smooth "
            "random) or shake.",
        ),
    ],
    params: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE", help="Params of the kind.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write it.")
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option("--image", metavar="FILE", help="Image whose metadata `optics` reads."),
    ] = None,
    axes: Axes = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Compute a kernel and write it as float32; without -o, list the params of the kind."""
    from unblur.cli.info import params_of
    from unblur.io import read_image, write_kernel
    from unblur.numerics.synthesis.synthetic_psf import (
        SYNTHETIC_PSFS,
        make_optics_psf,
        make_synthetic_psf,
    )

    lines: list[str] = []
    kernel: Kernel | KernelField | None = None
    if kind == "optics" and output is not None:
        shown = None if image is None else read_image(image, axes=axes, lazy=True)
        made = make_optics_psf(params or [], shown)
        kernel = made.field
        lines = [f"  {value} ({origin})" for value, origin in made.sources.items()]
        lines += [f"  {note}" for note in made.notes]
    elif image is not None:
        raise UsageError(f"--image is read for the kind optics, not for {kind}.")
    elif kind != "optics":
        kernel = make_synthetic_psf(kind, params or [], seed)
    if output is None or kernel is None:
        rows = [list(row.values()) for row in params_of(SYNTHETIC_PSFS[kind])]
        print_table(["param", "type", "default", "meaning"], rows)
        return
    write_kernel(kernel, output, overwrite=overwrite)
    if not quiet:
        print_result(f"{output}: {_size(kernel)} pixels")
        for line in lines:
            print_result(line)


def _size(kernel: Kernel | KernelField) -> str:
    from unblur.model.kernel import KernelField

    channels = kernel.channels if isinstance(kernel, KernelField) else ()
    sample = kernel.mean if isinstance(kernel, KernelField) else kernel
    size = "x".join(map(str, sample.shape))
    return f"{len(channels)} channels of {size}" if channels else size


def _psf_of(found: KernelFile) -> Any:
    """Return the PSF of a file; of a field, the middle one; of channels, their mean."""
    if found.channels:
        return found.to_field().mean.weights
    return found.values if found.positions is None else found.values[len(found.values) // 2]


def _with_notes(
    diagnostics: list[Diagnostic],
    every: KernelFile,
    found: KernelFile,
    image: Image | None,
) -> list[Diagnostic]:
    """Return the diagnostics with those of the file: colours, and several samplings."""
    from unblur.numerics.psf import Diagnostic

    made = [
        Diagnostic("warning", "colour", f"{note[0].upper()}{note[1:]}", "") for note in found.notes
    ]
    others = [each for each in (every, *every.samplings) if each is not found]
    if not others:
        return [*made, *diagnostics]
    listed = ", ".join(_sampling(other, image) for other in others)
    text = f"Of its samplings {_sampling(found, image)} is taken; the others are {listed}."
    if not any(diagnostic.what == "pixel size" for diagnostic in diagnostics):
        diagnostics = [*diagnostics, Diagnostic("note", "pixel size", "", "")]
    return made + [
        replace(diagnostic, detail=f"{diagnostic.detail} {text}".strip())
        if diagnostic.what == "pixel size"
        else diagnostic
        for diagnostic in diagnostics
    ]


def _sampling(found: KernelFile, image: Image | None) -> str:
    ratios = {} if image is None else found.ratios(image.pixel_size, image.units)
    ratio = next(iter(ratios.values()), None)
    if ratio is None:
        return f"{found.source} ({found.oversampling:g} samples per pixel of the detector)"
    return f"{found.source} ({ratio:.3g} of the image's pixel size)"


def _validation_options(found: KernelFile, goal: Image | None) -> dict[str, Any]:
    ndim = _psf_of(found).ndim
    axes = "ZYX"[-ndim:]
    return {
        "image_shape": None if goal is None else [goal.extent(axis) for axis in axes],
        "pixel_size": found.pixel_size or None,
        "units": found.units,
        "image_pixel_size": None if goal is None else goal.pixel_size,
        "image_units": None if goal is None else goal.units,
    }


def _help(repair: str) -> str:
    return f" Repair: {repair[0].lower()}{repair[1:]}" if repair else ""
