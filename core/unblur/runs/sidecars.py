"""The files beside a result: `OUT.psf.tif`, the kernel used, and `OUT.json`, the report."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unblur.errors import ImageError
from unblur.io.files import suffix_of, written_whole
from unblur.old_names import current_report

if TYPE_CHECKING:
    from unblur.engine import Report
    from unblur.model.kernel import KernelField


def kernel_path(output: Path) -> Path:
    """Return the path of the kernel of a result: `photo.psf.tif` beside `photo.png`."""
    return _beside(output, ".psf.tif")


def report_path(output: Path) -> Path:
    """Return the path of the report of a result: `photo.json` beside `photo.png`."""
    return _beside(output, ".json")


def _beside(output: Path, suffix: str) -> Path:
    stem = output.name[: len(output.name) - len(suffix_of(output))]
    return output.with_name(f"{stem}{suffix}")


def write_sidecars(
    output: Path,
    source: str | Path,
    report: Report,
    kernel: KernelField | None,
    *,
    crop: tuple[slice, slice] | None = None,
    axes: str | None = None,
    stamp: Sequence[int] = (),
    given_kernel: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write the kernel, if there is one, and the report of the result at `output`.

    Parameters
    ----------
    output, source : Path
        The result and the image that it was made from.
    report : Report
        The record of the run.
    kernel : KernelField, optional
        The kernel used.
    crop, axes : str, optional
        The part of the input that was deblurred, and the axes given by the user.
    stamp : sequence of int
        The `file_stamp` of the input when it was read.
    given_kernel : str, optional
        Hash of the kernel that was given.
    overwrite : bool
        Whether existing files are replaced.
    """
    from unblur.io import write_kernel

    if kernel is not None:
        write_kernel(kernel, kernel_path(output), overwrite=overwrite)
    content = {
        "input_file": relative(source, output.parent),
        "output_file": output.name,
        "crop": crop_record(crop),
        "axes": axes,
        "input_stamp": list(stamp),
        "given_kernel": given_kernel,
        **report.model_dump(mode="json"),
    }
    with written_whole(report_path(output), overwrite=overwrite) as draft:
        draft.write_text(_as_json(content) + "\n", "utf-8")


def crop_record(crop: tuple[slice, slice] | None) -> dict[str, list[int]] | None:
    """Return rows and columns of a crop as a report states them, `None` without one."""
    if crop is None:
        return None
    return {key: [s.start, s.stop] for key, s in zip(("rows", "columns"), crop, strict=True)}


def _as_json(content: Mapping[str, Any]) -> str:
    """Return JSON text, in ASCII if a name in it is not valid UTF-8."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(content, indent=2)
    return text


def read_report(output: Path) -> Mapping[str, Any]:
    """Return the report of the result at `output`, empty if there is none.

    Raises
    ------
    ImageError
        If it cannot be read.
    """
    path = report_path(output)
    if not path.exists():
        return {}
    try:
        report = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ImageError(f"{path}: is not the report of a result ({error}).") from None
    if not isinstance(report, dict):
        raise ImageError(f"{path}: is not the report of a result, but a {type(report).__name__}.")
    try:
        return current_report(report)
    except ValueError as error:
        raise ImageError(f"{path}: {error}.") from None


def relative(path: str | Path, folder: Path) -> str:
    """Return `path` relative to `folder`, absolute if it is on another drive."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return Path(path).resolve().as_posix()
