"""`unblur train`: training of a model that a plugin provides."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Annotated

import typer

from unblur.cli.console import (
    INTERRUPTED,
    name_file_in_errors,
    print_json,
    print_result,
    print_status,
)
from unblur.cli.options import Device, Json, Overwrite, Quiet, settings
from unblur.cli.progress import ProgressBar
from unblur.cli.signals import interruptible
from unblur.errors import OutputError, UsageError

EXAMPLE = "unblur train svmap --data photos -o svmap.safetensors --set steps=20000"


def train(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="`unblur list models` names them.")],
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Folder of sharp training images.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Weights, .safetensors.")
    ],
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PARAM=VALUE", help="A setting, e.g. steps=20000."),
    ] = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train a model; an interrupted training to the same FILE is continued.

    Ctrl-C stops at the next step: the checkpoint needed to continue is kept beside FILE, with a
    log of the scores and a plot of them.
    """
    from unblur.model.context import Context, resolve_device
    from unblur.plugins.manager import registry
    from unblur.training import train as run_training

    trainer = registry().trainer(model)(settings(sets))
    _check(data, output, overwrite)
    with (
        name_file_in_errors(data),
        interruptible() as is_cancelled,
        ProgressBar(model, quiet) as bar,
    ):
        context = Context(device=resolve_device(device), on_progress=bar, is_cancelled=is_cancelled)
        result = run_training(trainer, data, output, context, None if quiet else _report)
    if as_json:
        print_json(vars(result))
    elif not quiet:
        print_result(
            f"{result.weights}: step {result.step}, best {trainer.score} {result.best:.4g}"
        )
    if not result.finished:
        print_status(f"stopped at step {result.step}; the same command goes on from there.")
        raise typer.Exit(INTERRUPTED)


def _check(data: Path, output: Path, overwrite: bool) -> None:
    from unblur.io.files import check_vacant

    if not data.is_dir():
        raise UsageError(f"{data}: there is no such folder of training images.")
    if output.suffix != ".safetensors":
        raise OutputError(f"{output}: weights are kept as .safetensors; give it that suffix.")
    begun = output.with_suffix(".checkpoint.safetensors").exists()
    check_vacant(output, overwrite=overwrite or begun)


def _report(row: dict[str, float]) -> None:
    """Print a row of the log; before the first step there is no loss yet."""
    known = {name: value for name, value in row.items() if name != "step" and isfinite(value)}
    figures = ", ".join(f"{name} {value:.4g}" for name, value in known.items())
    print_status(f"step {row['step']:.0f}: {figures}")
