"""One result of `unblur run`, read from its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unblur.errors import ImageError
from unblur.model.image import Image
from unblur.model.kernel import KernelField
from unblur.runs.sidecars import kernel_path, read_report


@dataclass(frozen=True, eq=False)
class ReportEntry:
    """A result with its input, kernel and report.

    Attributes
    ----------
    title : str
        Name of the result.
    before, after : Image
        Input and result, of one shape.
    kernel : KernelField, optional
        The kernel that was used.
    report : mapping
        The content of OUT.json; empty if there is none.
    """

    title: str
    before: Image
    after: Image
    kernel: KernelField | None
    report: Mapping[str, Any]


def load_entry(output: Path, before: Path | None = None) -> ReportEntry:
    """Read the result at `output`, its report and kernel beside it, and its input.

    Parameters
    ----------
    output : Path
        Output of `unblur run`.
    before : Path, optional
        Its input, where the report does not name it or it has moved.

    Raises
    ------
    ImageError
        If a file is missing or unreadable, or input and result differ in shape.
    """
    from unblur.io import read_image, read_kernel
    from unblur.io.exif import cropped_as_seen

    after = read_image(output, lazy=True)
    report = read_report(output)
    source = before or _input_of(output, report)
    blurred = read_image(source, axes=report.get("axes"), lazy=True)
    if report.get("crop"):
        try:
            box = [slice(*map(int, report["crop"][axis])) for axis in ("rows", "columns")]
        except (KeyError, TypeError, ValueError):
            raise ImageError(f"{output}: its report states no valid crop.") from None
        blurred = cropped_as_seen(blurred, *box)
    if sorted(blurred.shape) != sorted(after.shape):
        raise ImageError(
            f"{output}: the result is {after.axes} {after.shape}, but its input {source} is "
            f"{blurred.axes} {blurred.shape}; name the right input with --before."
        )
    psf = kernel_path(output)
    kernel = read_kernel(psf) if psf.exists() else None
    return ReportEntry(output.name, blurred, after, kernel, report)


def _input_of(output: Path, report: Mapping[str, Any]) -> Path:
    named = report.get("input_file")
    if not named:
        raise ImageError(
            f"{output}: there is no report beside it that names its input; name the input with "
            "--before."
        )
    path = Path(output.parent, str(named))
    if not path.exists():
        raise ImageError(f"{output}: its input {path} is no longer there; name it with --before.")
    return path
