"""Output of the command: results on stdout, everything about the work on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from unblur.errors import Cancelled, OutputError, UnblurError, UsageError, printable

if TYPE_CHECKING:
    from rich.console import Console

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses: all done; some inputs failed; bad usage or bad pipeline; stopped by Ctrl-C."""

PIPE_WIDTH = 1000
"""Width of the output where it is no terminal, in columns; a table in a file is never cut."""


def console(stream: TextIO | None = None) -> Console:
    """Return a rich console on `stream`, stdout by default, as wide as the terminal or a pipe."""
    from rich.console import Console

    stream = stream or sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, soft_wrap=True)


def print_result(text: str) -> None:
    """Print a line of result on stdout."""
    sys.stdout.write(f"{printable(text)}\n")


def print_status(text: str) -> None:
    """Print a line about the work on stderr."""
    sys.stderr.write(f"unblur: {printable(one_line(text))}\n")


def print_json(content: Any) -> None:
    """Print a machine-readable result on stdout."""
    import json

    text = json.dumps(content, indent=2, ensure_ascii=False, default=str)
    if printable(text) != text:  # names that are not text keep their escapes
        text = json.dumps(content, indent=2, default=str)
    print_result(text)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """Print rows in aligned columns; in a terminal the last column wraps."""
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for place, heading in enumerate(headings):
        grid.add_column(heading, no_wrap=place < len(headings) - 1, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(printable(cell)) for cell in row))
    output = console()
    if title:
        output.print(Text(title, style="bold cyan"))
    if output.is_terminal:
        output.print(grid, soft_wrap=False)
        return
    with output.capture() as plain:
        output.print(grid, soft_wrap=False)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in plain.get().splitlines())


def one_line(text: str) -> str:
    """Return `text` with line breaks and runs of spaces made single spaces."""
    return " ".join(text.split())


def status_of(error: BaseException) -> int:
    """Return the exit status of an error."""
    if isinstance(error, Cancelled | KeyboardInterrupt):
        return INTERRUPTED
    return MISUSED if isinstance(error, UsageError) else FAILED


def format_error(error: BaseException) -> str:
    """Return the message of an error in one line; an unexpected one asks for a report.

    Where it arose in a plugin, that is named, and the report is for its authors.
    """
    if isinstance(error, UnblurError):
        return one_line(str(error))
    if isinstance(error, MemoryError):
        return "there is not enough memory; try --tile 512 or --crop."
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror.lower()}."
    from unblur.plugins.faults import fault_in

    fault = fault_in(error)
    if fault is not None:
        plugin, function = fault
        return one_line(
            f"{plugin} failed in {function} ({type(error).__name__}: {error}); please report it to "
            "its authors; `unblur --debug ...` shows where."
        )
    return one_line(
        f"this should not happen, please report it ({type(error).__name__}: {error}); "
        "`unblur --debug ...` shows where."
    )


@contextmanager
def name_file_in_errors(path: str | Path) -> Iterator[None]:
    """Put the file's name before the message of an `UnblurError` that names no file."""
    try:
        yield
    except UnblurError as error:
        if printable(str(path)) in str(error) or isinstance(error, OutputError):
            raise
        raise type(error)(f"{path}: {error}") from error
