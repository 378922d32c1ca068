"""`unblur check`: validation of pipeline files."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from unblur.cli.console import MISUSED, format_error, print_json, print_result, print_status
from unblur.cli.options import Json, Quiet
from unblur.errors import UnblurError

EXAMPLE = "unblur check mine.yaml"


def check(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="Pipeline files, or names of pipelines.")
    ],
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Check that every stage of pipeline files is known and every param within its bounds."""
    results = [_check_file(file) for file in files]
    if as_json:
        print_json(results)
    for result in results:
        if not result["valid"]:
            print_status(f"{result['error']}")
        elif not (quiet or as_json):
            print_result(f"{result['file']}: {' -> '.join(result['steps'])}")
    if not all(result["valid"] for result in results):
        raise typer.Exit(MISUSED)


def _check_file(file: str) -> dict[str, Any]:
    from unblur.cli.console import name_file_in_errors
    from unblur.pipeline import Pipeline

    try:
        with name_file_in_errors(file):
            pipeline = Pipeline.load(file)
            stages = pipeline.build()
    except UnblurError as error:
        return {"file": file, "valid": False, "error": format_error(error)}
    return {
        "file": file,
        "valid": True,
        "steps": [stage.name for stage in stages],
        "needs_psf": pipeline.needs_psf,
    }
