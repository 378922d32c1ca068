"""The command: its verbs, global options and exit status."""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from unblur.cli import bench, blur, check, info, plan, psf, run, schema, train
from unblur.cli import list as listing
from unblur.cli import report as reporting
from unblur.cli.console import format_error, print_status, status_of
from unblur.errors import Cancelled, UsageError
from unblur.old_names import OldNameWarning, current_options


@contextmanager
def _print_old_name_notes() -> Iterator[None]:
    """Print the warning of each old name once, on stderr."""
    printed: set[str] = set()
    with warnings.catch_warnings():
        show = warnings.showwarning

        def print_once(message: Warning | str, category: type[Warning], *rest: Any) -> None:
            if not issubclass(category, OldNameWarning):
                show(message, category, *rest)
            elif str(message) not in printed:
                printed.add(str(message))
                print_status(str(message))

        warnings.simplefilter("always", OldNameWarning)
        warnings.showwarning = print_once  # type: ignore[assignment]
        yield


class Command(TyperGroup):
    """A group of verbs whose errors are printed as one line on stderr and set the exit status."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, old names of options included."""
        try:
            with _print_old_name_notes():
                args = current_options(args)
        except ValueError as error:
            print_status(f"{error}.")
            raise typer.Exit(status_of(UsageError())) from None
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; with `--debug` errors keep their traceback."""
        try:
            with _print_old_name_notes():
                return self._invoke(ctx)
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except (Cancelled, KeyboardInterrupt) as error:
            print_status("stopped.")
            raise typer.Exit(status_of(error)) from None
        except Exception as error:
            bad_usage = hasattr(error, "exit_code")  # typer prints those beside the usage
            if bad_usage or ctx.params.get("debug"):
                raise
            print_status(format_error(error))
            raise typer.Exit(status_of(error)) from None

    def _invoke(self, ctx: Any) -> Any:
        """Run the verb; raise an error where code of a plugin ends the program silently."""
        try:
            return super().invoke(ctx)
        except SystemExit as error:
            from unblur.plugins.faults import ended_program

            fault = ended_program(error)
            if fault is None:
                raise
            raise fault from error


app = typer.Typer(
    name="unblur",
    cls=Command,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: [bold]unblur run photograph photo.jpg -o sharp.png[/bold]",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"unblur {version('unblur')}")
        raise typer.Exit


@app.callback()
def unblur(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    trust_sizes: Annotated[
        bool,
        typer.Option("--trust-sizes", help="Read files that state far more pixels than they hold."),
    ] = False,
) -> None:
    """Deblur images by pipelines of plugins."""
    if trust_sizes:
        from unblur.io.size_limits import TRUST

        os.environ[TRUST] = "1"  # which workers started by this process inherit


def _add(name: str, verb: Callable[..., None], example: str, to: typer.Typer = app) -> None:
    """Add a verb, whose help is its docstring with each paragraph on one line."""
    paragraphs = (inspect.getdoc(verb) or "").split("\n\n")
    text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    to.command(name, help=text, epilog=f"Example: [bold]{example}[/bold]")(verb)


_add("run", run.run, run.EXAMPLE)
_add("plan", plan.plan, plan.EXAMPLE)
_add("check", check.check, check.EXAMPLE)
_add("list", listing.list_, listing.EXAMPLE)
_add("info", info.info, info.EXAMPLE)
_add("schema", schema.schema, schema.EXAMPLE)
_add("check", psf.check, psf.CHECK_EXAMPLE, psf.app)
_add("make", psf.make, psf.MAKE_EXAMPLE, psf.app)
app.add_typer(psf.app, name="psf")
_add("blur", blur.blur, blur.EXAMPLE)
_add("bench", bench.bench, bench.EXAMPLE)
_add("train", train.train, train.EXAMPLE)
_add("report", reporting.report, reporting.EXAMPLE)


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit the process with its status."""
    app(args=sys.argv[1:] if arguments is None else arguments, prog_name="unblur")
