"""Options and arguments that several verbs share, and the parsing of their values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unblur.errors import UsageError

if TYPE_CHECKING:
    from unblur.model.kernel import KernelField

Json = Annotated[bool, typer.Option("--json", help="Print a machine-readable result on stdout.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress; warnings and errors alone.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace files that are already there.")
]
Device = Annotated[
    str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of every random draw.")]
Psf = Annotated[
    str | None,
    typer.Option(
        "--psf",
        metavar="FILE",
        help="The blur kernel, where it is known; one for each channel: 0=FILE,1=FILE.",
    ),
]
PsfResample = Annotated[
    bool,
    typer.Option("--psf-resample", help="Resample the PSF if its pixel size is not the image's."),
]
Axes = Annotated[
    str | None,
    typer.Option("--axes", metavar="TCZYX", help="Axes of the file, if it does not state them."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="STEP.PARAM=VALUE",
        help="Override a param, e.g. kernel.size=31; may be repeated.",
    ),
]
Noise = Annotated[
    str,
    typer.Option("--noise", metavar="LEVEL", help="Standard deviation, white = 1, or auto."),
]
Tile = Annotated[
    int | None,
    typer.Option("--tile", metavar="N", min=32, help="Edge of a tile in pixels; auto if left out."),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", min=1, help="Tiles at once; auto if left out."),
]
White = Annotated[
    float | None,
    typer.Option(
        "--white",
        metavar="VALUE",
        help="Value at which the sensor clips, e.g. 4095; found in the image if left out.",
    ),
]
Crop = Annotated[
    str | None,
    typer.Option(
        "--crop",
        metavar="Y0:Y1,X0:X1",
        help="Deblur this part only, to tune on it; as viewers show the picture.",
    ),
]


def read_psf(text: str | None) -> KernelField | None:
    """Return the kernel in a file, or those of channels, written "0=dapi.tif,1=gfp.tif".

    Raises
    ------
    UsageError
        If the channels are not numbered from 0 without gaps.
    ImageError, KernelError
        If a file cannot be read, or is no kernel.
    """
    from unblur.io import read_kernel
    from unblur.model.kernel import KernelField

    if text is None:
        return None
    if not re.match(r"\d+=", text):
        return read_kernel(text)
    parts = dict(part.split("=", 1) for part in re.split(r",(?=\d+=)", text))
    if sorted(parts) != sorted(str(number) for number in range(len(parts))):
        raise UsageError(
            f"--psf numbers the channels from 0 without gaps, e.g. 0=dapi.tif,1=gfp.tif; got "
            f"{', '.join(parts)}."
        )
    fields = [read_kernel(parts[str(number)]) for number in range(len(parts))]
    return KernelField.of_channels(fields)


def settings(pairs: Sequence[str] | None) -> dict[str, Any]:
    """Return `["kernel.size=31"]` as `{"kernel.size": 31}`, values read as YAML.

    Raises
    ------
    UsageError
        For a pair without "=", or a value that is not plain YAML.
    """
    import yaml

    from unblur.model.plain_yaml import load_plain

    found = {}
    for pair in pairs or ():
        key, equals, text = pair.partition("=")
        if not (key.strip() and equals):
            raise UsageError(f"--set takes STEP.PARAM=VALUE, e.g. kernel.size=31, got '{pair}'.")
        try:
            found[key.strip()] = load_plain(text)
        except (yaml.YAMLError, ValueError, OverflowError):
            raise UsageError(f"--set {pair}: '{text}' is not a plain YAML value.") from None
    return found


def noise_level(text: str) -> float | None:
    """Return a noise level, white = 1, or None for "auto"."""
    if text == "auto":
        return None
    try:
        level = float(text)
    except ValueError:
        level = -1.0
    if not 0 <= level < 1:
        raise UsageError(f"--noise is auto or a number from 0 to 1 (white = 1), got '{text}'.")
    return level


def crop_box(text: str) -> tuple[slice, slice]:
    """Return "Y0:Y1,X0:X1" as two slices; either end may be left out.

    Example
    -------
    >>> crop_box("100:400,:256")
    (slice(100, 400, None), slice(None, 256, None))
    """
    spans = [span.split(":") for span in text.split(",")]
    try:
        if [len(span) for span in spans] != [2, 2]:
            raise ValueError
        rows, columns = (
            slice(*(int(end) if end.strip() else None for end in span)) for span in spans
        )
    except ValueError:
        raise UsageError(f"--crop takes Y0:Y1,X0:X1 in pixels, got '{text}'.") from None
    for span in (rows, columns):
        low, high = span.start or 0, span.stop
        if low < 0 or (high is not None and high <= low):
            raise UsageError(f"--crop {text}: each end must lie beyond its start.")
    return rows, columns
