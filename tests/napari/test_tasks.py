"""One task at a time, away from the UI thread."""

from __future__ import annotations

import threading
import time

import pytest

from napari_unblur.work.queue import Lane, Task
from unblur.errors import Cancelled
from unblur.model.context import Context, Progress


@pytest.fixture
def lane(qtbot):
    made = Lane()
    yield made
    made.close()


def patiently(control, rounds=2000):
    context = Context(on_progress=control.on_progress, is_cancelled=control.is_cancelled)
    for _ in context.track(range(rounds), "round"):
        time.sleep(0.005)
    return "finished"


def test_results_arrive_on_the_ui_thread(lane, qtbot):
    seen = []
    work = Task(
        lambda _: threading.get_ident(), on_done=lambda r: seen.append((r, threading.get_ident()))
    )
    with qtbot.waitSignal(lane.ended):
        lane.submit(work)
    worker, ui = seen[0]
    assert ui == threading.get_ident()
    assert worker != ui


def test_progress_and_messages_are_passed_on(lane, qtbot):
    reports, words = [], []

    def work(control):
        control.say("tile halved")
        return patiently(control, 20)

    with qtbot.waitSignal(lane.ended):
        lane.submit(Task(work, on_progress=reports.append, on_message=words.append))
    assert words == ["tile halved"]
    assert reports
    assert all(isinstance(r, Progress) and r.total == 20 for r in reports)


def test_cancel_stops_within_one_step(lane, qtbot):
    stopped = []
    lane.submit(Task(patiently, on_cancelled=lambda: stopped.append(time.monotonic())))
    with qtbot.waitSignal(lane.ended, timeout=1000):
        lane.cancel()
    assert len(stopped) == 1


def test_a_newer_task_replaces_the_older_ones(lane, qtbot):
    log = []
    for name in "abc":
        lane.submit(
            Task(
                patiently if name != "c" else (lambda _: "c"),
                on_done=log.append,
                on_cancelled=lambda n=name: log.append(f"no {n}"),
            )
        )
    qtbot.waitUntil(lambda: not lane.is_busy, timeout=3000)
    assert "c" in log
    assert "a" not in log
    assert "b" not in log


def test_errors_are_handed_over_not_raised(lane, qtbot):
    failures = []

    def work(control):
        raise ValueError("seven is not eight")

    with qtbot.waitSignal(lane.ended):
        lane.submit(Task(work, on_failed=failures.append))
    assert str(failures[0]) == "seven is not eight"


def test_cancelled_is_not_a_failure(lane, qtbot):
    log = []

    def work(control):
        raise Cancelled

    with qtbot.waitSignal(lane.ended):
        lane.submit(Task(work, on_failed=log.append, on_cancelled=lambda: log.append("stopped")))
    assert log == ["stopped"]


def test_closing_tells_nobody(lane, qtbot):
    log = []
    lane.submit(Task(patiently, on_done=log.append, on_cancelled=lambda: log.append("x")))
    lane.close()
    assert not lane.is_busy
    assert log == []
