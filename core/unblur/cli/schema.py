"""`unblur schema`: the JSON Schema of pipeline files, for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unblur.cli.console import print_result
from unblur.cli.options import Overwrite

EXAMPLE = "unblur schema -o pipeline.schema.json"


def schema(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Print the JSON Schema of pipeline files, with every installed stage and its params.

    Editors use it to complete names and mark errors.
    """
    from unblur.io.files import written_whole
    from unblur.pipeline_schema import json_schema

    text = json_schema()
    if output is None:
        print_result(text)
    else:
        with written_whole(output, overwrite=overwrite) as draft:
            draft.write_text(text + "\n", "utf-8")
