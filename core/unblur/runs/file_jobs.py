"""Assignment of output files to the inputs of a run."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unblur.errors import UsageError
from unblur.io.files import is_store, split_part, suffix_of
from unblur.runs.sidecars import kernel_path, report_path


@dataclass(frozen=True)
class FileJob:
    """One input file and the file of its result.

    Parameters
    ----------
    source : Path
        The image to be deblurred.
    output : Path
        The file of the result.
    makes_folder : bool
        Whether the folder of the result is created if it is missing.
    """

    source: Path
    output: Path
    makes_folder: bool = False

    @property
    def outputs(self) -> tuple[Path, Path, Path]:
        """All files that are written: the result, its kernel, its report."""
        return self.output, kernel_path(self.output), report_path(self.output)

    @property
    def is_done(self) -> bool:
        """Whether the result and its report exist."""
        return self.output.exists() and report_path(self.output).exists()


def file_jobs(
    inputs: Sequence[str],
    output: Path,
    into_folder: bool = False,
    protected: Sequence[Path] = (),
) -> list[FileJob]:
    """Return the output file of each input.

    One input goes to the file `output`, or into it if it is a folder or ends with a slash.
    Several go into the folder `output` under their own names; where two would have the same
    name, they keep the folders in which they lie.

    Parameters
    ----------
    inputs : sequence of str
        Files, zarr stores, `file[part]`, or glob patterns.
    output : Path
        A file or a folder.
    into_folder : bool
        Whether the user wrote `output` with a slash at its end.
    protected : sequence of Path
        Further files that the run reads, such as that of the kernel.

    Raises
    ------
    UsageError
        If a pattern matches nothing, several inputs would go to one file, or a result would
        take the place of a file that is read, or lie within a store that is.
    """
    sources = expand_patterns(inputs)
    is_folder = into_folder or (output.is_dir() and not is_store(output))
    if len(sources) > 1 and not is_folder and _is_image_name(output):
        raise UsageError(
            f"{len(sources)} inputs cannot all go to the file {output}; give a folder."
        )
    if len(sources) == 1 and not is_folder:
        jobs = [FileJob(sources[0], output)]
    else:
        named = [FileJob(source, output / result_name(source), True) for source in sources]
        jobs = _with_distinct_outputs(named, output)
    _check_no_input_replaced(jobs, protected)
    return jobs


_WRITABLE_SUFFIX = {".fits.fz": ".fits", ".npz": ".npy"}
"""Suffix of the result where the format of the input can only be read; ".tif" for others."""


def expand_patterns(patterns: Sequence[str]) -> list[Path]:
    """Return the files that names and glob patterns match, each once, those of a pattern sorted."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        if split_part(path)[0].exists() or not glob.has_magic(pattern):
            found[path] = None
            continue
        matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 (Path.glob is relative)
        if not matches:
            raise UsageError(f"no file matches '{pattern}'.")
        if "**" in pattern:
            matches = _without_repetitions(matches)
        found.update(dict.fromkeys(map(Path, matches)))
    return list(found)


def _without_repetitions(matches: Sequence[str]) -> list[str]:
    """Return matches once where a linked folder leads to them again, under the shortest name."""
    shortest: dict[tuple[Path, str], str] = {}
    for match in sorted(matches, key=len):
        shortest.setdefault((_real(Path(match).parent), Path(match).name), match)
    return sorted(shortest.values())


def result_name(source: Path) -> str:
    """Return the name of an input's result: its own, with a suffix that can be written.

    A part of a file is named in it: `night.fits[2]` becomes `night-2.fits`.
    """
    file, part = split_part(source)
    suffix = file.name[len(file.name) - len(suffix_of(file)) :]
    stem = file.name[: len(file.name) - len(suffix)]
    stem = stem if part is None else f"{stem}-{part}"
    return stem + (suffix if _is_image_name(file) else _WRITABLE_SUFFIX.get(suffix.lower(), ".tif"))


def _is_image_name(path: Path) -> bool:
    from unblur.io import WRITERS
    from unblur.plugins.manager import registry

    builtin = any(path.name.lower().endswith(cls.suffixes) for cls in WRITERS)
    return builtin or any(
        path.name.lower().endswith(cls.suffixes) for cls in registry().writers.values()
    )


def _with_distinct_outputs(jobs: list[FileJob], folder: Path) -> list[FileJob]:
    """Rename results until no two jobs write the same file."""
    if _clash(jobs):
        common = Path(os.path.commonpath([job.source.absolute().parent for job in jobs]))
        jobs = [
            replace(
                job,
                output=folder
                / job.source.absolute().parent.relative_to(common)
                / result_name(job.source),
            )
            for job in jobs
        ]
    taken = Counter(report_path(job.output) for job in jobs)
    return [
        replace(job, output=_with_suffix_in_stem(job.output))
        if taken[report_path(job.output)] > 1
        else job
        for job in jobs
    ]


def _clash(jobs: Sequence[FileJob]) -> bool:
    return len({job.output for job in jobs}) < len(jobs)


def _with_suffix_in_stem(output: Path) -> Path:
    """Return `photo-png.png` for `photo.png`, whose kernel would be that of `photo.tif` too."""
    suffix = output.name[len(output.name) - len(suffix_of(output)) :]
    stem = output.name[: len(output.name) - len(suffix)]
    return output.with_name(f"{stem}-{suffix.strip('.').replace('.', '-')}{suffix}")


def _check_no_input_replaced(jobs: Sequence[FileJob], protected: Sequence[Path]) -> None:
    read = [split_part(path)[0] for path in (*(job.source for job in jobs), *protected)]
    inputs = {_real(path): path for path in read}
    folders: dict[Path, Path] = {}
    for real, path in inputs.items():
        for folder in real.parents:
            folders.setdefault(folder, path)
    for job in jobs:
        for file in job.outputs:
            target = _real(file)
            replaced = inputs.get(target) or folders.get(target)
            if replaced is not None:
                raise UsageError(
                    f"{file}: writing it would replace the input {replaced}; "
                    "choose another name or folder with -o."
                )
            store = next((inputs[p] for p in target.parents if p in inputs), None)
            if store is not None:
                raise UsageError(
                    f"{file} lies within the input {store}; choose another folder with -o."
                )


def _real(path: Path) -> Path:
    """Return the path without links; of links in a circle, the path itself."""
    return Path(os.path.realpath(path))
