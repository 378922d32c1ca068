"""`unblur report`: results as an HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unblur.cli.console import print_result
from unblur.cli.options import Overwrite, Quiet
from unblur.cli.progress import ProgressBar
from unblur.errors import UsageError

EXAMPLE = "unblur report sharp.png -o sharp.html"


def report(
    results: Annotated[
        list[str],
        typer.Argument(metavar="OUT", help="Results that `unblur run` wrote, or glob patterns."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The page; default: OUT.html beside the first result.",
        ),
    ] = None,
    before: Annotated[
        Path | None,
        typer.Option("--before", metavar="FILE", help="The blurred image, if it has moved."),
    ] = None,
    resolution: Annotated[
        bool,
        typer.Option(
            "--resolution",
            help="Measure the resolution before and after (Fourier ring or shell correlation).",
        ),
    ] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Make one self-contained HTML page: before/after slider, kernel, spectra, report.

    The page holds all its pictures and fetches nothing, so that it can be sent or archived.
    """
    from unblur.runs.file_jobs import expand_patterns
    from unblur.runs.sidecars import kernel_path

    named = [path for result in results for path in expand_patterns([result])]
    kernels = {kernel_path(path) for path in named}
    paths = [path for path in named if path not in kernels]
    if before is not None and len(paths) > 1:
        raise UsageError(f"--before names the input of one result, but {len(paths)} are given.")
    from unblur.io.files import check_vacant, written_whole
    from unblur.model.context import Context
    from unblur.report import load_entry, page

    target = output or paths[0].with_suffix(".html")
    check_vacant(target, overwrite)
    with ProgressBar("report", quiet) as bar:
        entries = [load_entry(result, before) for result in paths]
        text = page(entries, Context(on_progress=bar), with_resolution=resolution)
    with written_whole(target, overwrite=overwrite) as draft:
        draft.write_text(text, "utf-8")
    if not quiet:
        print_result(str(target))
