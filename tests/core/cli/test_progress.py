"""Progress: nothing for short work, a line now and then in a log, a bar in a terminal."""

from __future__ import annotations

import io
import sys

import pytest

from unblur.cli.progress import BatchLog, ProgressBar, duration
from unblur.model.context import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock(list):
    """Times in seconds, the last of which is now."""

    def __call__(self) -> float:
        return self[-1]


@pytest.fixture
def clock():
    return Clock([100.0])


def test_short_work_is_silent(clock, capsys):
    with ProgressBar("a.tif", clock=clock) as bar:
        clock.append(100.9)
        bar(Progress("map", 1, 10, 0.9))
    assert capsys.readouterr().err == ""


def test_a_log_gets_a_line_now_and_then(clock, capsys):
    with ProgressBar("a.tif", clock=clock) as bar:
        for seconds in range(1, 61):
            clock.append(100.0 + seconds)
            bar(Progress("map", seconds, 120, float(seconds)))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "unblur: a.tif: map 16 %, 1 min 40 s left",
        "unblur: a.tif: map 33 %, 1 min 20 s left",
        "unblur: a.tif: map 50 %, 1 min 00 s left",
    ]


def test_a_terminal_gets_a_bar_that_goes_away(clock, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with ProgressBar("a.tif", clock=clock) as bar:
        clock.append(103.0)
        bar(Progress("map", 3, 12, 3.0))
        bar(Progress("tiles", 1, 2, 3.0))
        assert bar._bar is not None
    shown = terminal.getvalue()
    assert "a.tif: map" in shown
    assert "9.0 s left" in shown
    assert bar._bar is None


def test_quiet_is_silent(clock, capsys):
    with ProgressBar("a.tif", quiet=True) as bar:
        clock.append(200.0)
        bar(Progress("map", 1, 10, 100.0))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(float("inf"), "?"), (0.04, "0.0 s"), (9.94, "9.9 s"), (59.6, "1 min 00 s"),
     (12, "12 s"), (3599.6, "1 h 00 min"), (86400, "24 h 00 min")],
)  # fmt: skip
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_a_batch_says_how_much_is_left(clock, capsys):
    log = BatchLog(5, clock=clock)
    for seconds in (110.0, 130.0, 135.0, 150.0, 190.0):
        clock.append(seconds)
        log.advance(skipped=1)
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "unblur: 2 of 5 inputs, 1 min 30 s left",
        "unblur: 4 of 5 inputs, 17 s left",
    ]


def test_a_batch_prints_some_warnings_and_counts_the_rest(capsys):
    for total, printed in ((1, 30), (2, 21)):
        log = BatchLog(total)
        for number in range(30):
            log.warn(f"warning {number}")
        log.close()
        said = capsys.readouterr().err.splitlines()
        assert len(said) == printed
    assert said[-1] == "unblur: 10 more warnings are in the reports beside the results."
