"""Tasks in worker threads, one at a time."""

from __future__ import annotations

import threading
import time

import pytest

from napari_unblur.work.queue import Task, TaskQueue
from unblur.errors import Cancelled
from unblur.model.context import Context, Progress


@pytest.fixture
def queue(qtbot):
    made = TaskQueue()
    yield made
    made.close()


def slow_function(callbacks, rounds=2000):
    context = Context(on_progress=callbacks.on_progress, is_cancelled=callbacks.is_cancelled)
    for _ in context.track(range(rounds), "round"):
        time.sleep(0.005)
    return "finished"


def test_results_arrive_on_the_ui_thread(queue, qtbot):
    seen = []
    work = Task(
        lambda _: threading.get_ident(), on_done=lambda r: seen.append((r, threading.get_ident()))
    )
    with qtbot.waitSignal(queue.ended):
        queue.submit(work)
    worker, ui = seen[0]
    assert ui == threading.get_ident()
    assert worker != ui


def test_progress_and_messages_are_delivered(queue, qtbot):
    reports, words = [], []

    def function(callbacks):
        callbacks.on_message("tile halved")
        return slow_function(callbacks, 20)

    with qtbot.waitSignal(queue.ended):
        queue.submit(Task(function, on_progress=reports.append, on_message=words.append))
    assert words == ["tile halved"]
    assert reports
    assert all(isinstance(r, Progress) and r.total == 20 for r in reports)


def test_cancel_stops_within_one_step(queue, qtbot):
    stopped = []
    queue.submit(Task(slow_function, on_cancelled=lambda: stopped.append(time.monotonic())))
    with qtbot.waitSignal(queue.ended, timeout=1000):
        queue.cancel()
    assert len(stopped) == 1


def test_a_newer_task_replaces_the_older_ones(queue, qtbot):
    calls = []
    for name in "abc":
        queue.submit(
            Task(
                slow_function if name != "c" else (lambda _: "c"),
                on_done=calls.append,
                on_cancelled=lambda n=name: calls.append(f"no {n}"),
            )
        )
    qtbot.waitUntil(lambda: not queue.is_busy, timeout=3000)
    assert "c" in calls
    assert "a" not in calls
    assert "b" not in calls


def test_errors_are_delivered_not_raised(queue, qtbot):
    failures = []

    def function(callbacks):
        raise ValueError("seven is not eight")

    with qtbot.waitSignal(queue.ended):
        queue.submit(Task(function, on_failed=failures.append))
    assert str(failures[0]) == "seven is not eight"


def test_cancelled_is_not_a_failure(queue, qtbot):
    calls = []

    def function(callbacks):
        raise Cancelled

    with qtbot.waitSignal(queue.ended):
        queue.submit(
            Task(function, on_failed=calls.append, on_cancelled=lambda: calls.append("stopped"))
        )
    assert calls == ["stopped"]


def test_close_calls_no_callback(queue, qtbot):
    calls = []
    queue.submit(Task(slow_function, on_done=calls.append, on_cancelled=lambda: calls.append("x")))
    queue.close()
    assert not queue.is_busy
    assert calls == []
