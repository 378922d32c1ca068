"""Progress on stderr: a bar with the time left in a terminal, lines at intervals in a log."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from unblur.cli.console import console, print_status
from unblur.errors import printable

if TYPE_CHECKING:
    from unblur.model.context import Progress

PATIENCE = 1.0
"""Time of work before a bar is shown, in seconds."""

LOG_INTERVAL = 20.0
"""Time between lines where stderr is not a terminal, in seconds."""

MOST_WARNINGS = 20
"""Largest number of warnings of a batch that are printed, dimensionless."""


class ProgressBar:
    """Shows the `Progress` reports of a piece of work.

    Parameters
    ----------
    title : str
        The work, e.g. the name of a file.
    quiet : bool
        Whether nothing is shown.
    clock : callable
        Returns the time in seconds.

    Notes
    -----
    Used as a context manager; the instance itself is the callable that a `Context` takes as
    `on_progress`. Reports may come from several threads.
    """

    def __init__(
        self, title: str, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.title = printable(title)
        self.quiet = quiet
        self._clock = clock
        self._began = clock()
        self._logged = self._began
        self._bar: Any = None
        self._rows: dict[str, Any] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __call__(self, report: Progress) -> None:
        """Show one report."""
        if self.quiet or self._clock() - self._began < PATIENCE:
            return
        with self._lock:
            if sys.stderr.isatty():
                self._draw(report)
            else:
                self._log(report)

    def close(self) -> None:
        """Remove the bar."""
        with self._lock:
            if self._bar is not None:
                self._bar.stop()
                self._bar = None
                self._rows.clear()

    def _draw(self, report: Progress) -> None:
        if self._bar is None:
            self._bar = _new_bar()
            self._bar.start()
        row = self._rows.get(report.label)
        if row is None:
            row = self._bar.add_task(f"{self.title}: {report.label}", total=report.total, left="")
            self._rows[report.label] = row
        left = f"{duration(report.remaining)} left" if report.done < report.total else "done"
        self._bar.update(row, completed=report.done, total=report.total, left=left, visible=True)
        if report.done >= report.total:
            self._bar.update(row, visible=len(self._rows) == 1)

    def _log(self, report: Progress) -> None:
        now = self._clock()
        if now - self._logged < LOG_INTERVAL:
            return
        self._logged = now
        share = 100 * report.done // max(report.total, 1)
        print_status(f"{self.title}: {report.label} {share} %, {duration(report.remaining)} left")


class BatchLog:
    """Lines about a batch of inputs: how many are done, the time left, and warnings up to a limit.

    Parameters
    ----------
    total : int
        Number of inputs; of a single one no line is printed, and every warning.
    quiet : bool
        Whether the lines on the work that is left are left out.
    clock : callable
        Returns the time in seconds.
    """

    def __init__(
        self, total: int, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.total = total
        self.quiet = quiet
        self._clock = clock
        self._began = self._logged = clock()
        self._done = self._warnings = 0

    def warn(self, text: str) -> None:
        """Print a warning, or count it if the batch has many."""
        self._warnings += 1
        if self.total == 1 or self._warnings <= MOST_WARNINGS:
            print_status(text)

    def advance(self, skipped: int) -> None:
        """Count an input as done, and print at intervals how many are, and the time left.

        `skipped` of them were done before, which says nothing of the time.
        """
        self._done += 1
        now = self._clock()
        worked = self._done - skipped
        if self.quiet or not worked or self._done == self.total or self.total == 1:
            return
        if now - self._logged >= LOG_INTERVAL:
            self._logged = now
            left = (now - self._began) / worked * (self.total - self._done)
            print_status(f"{self._done} of {self.total} inputs, {duration(left)} left")

    def close(self) -> None:
        """Print how many warnings were counted only."""
        more = self._warnings - MOST_WARNINGS
        if self.total > 1 and more > 0:
            print_status(f"{more} more warnings are in the reports beside the results.")


def _new_bar() -> Any:
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    return Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[left]}"),
        console=console(sys.stderr),
        transient=True,
    )


def duration(seconds: float) -> str:
    """Return a duration in words.

    Example
    -------
    >>> duration(0.4), duration(75), duration(7320)
    ('0.4 s', '1 min 15 s', '2 h 02 min')
    """
    if seconds == float("inf"):
        return "?"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
