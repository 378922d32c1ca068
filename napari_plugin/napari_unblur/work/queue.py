"""Tasks in worker threads: one at a time, polled by a timer, cancelled on request."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_unblur.model.layer_job import WorkerCallbacks
from unblur.errors import Cancelled
from unblur.model.context import Progress

POLL_MS = 30
"""Interval at which the UI thread polls the running task, in milliseconds."""

TaskFunction = Callable[[WorkerCallbacks], Any]


@dataclass(eq=False)
class Task:
    """A function for a worker thread, and the callbacks for its result on the UI thread.

    Attributes
    ----------
    function : callable
        Takes `WorkerCallbacks` and returns the result.
    on_done, on_failed, on_cancelled : callable
        One of them is called at the end: with the result, with the exception, or with nothing.
    on_progress, on_message : callable
        Called meanwhile.
    """

    function: TaskFunction
    on_done: Callable[[Any], None] = lambda _: None
    on_failed: Callable[[Exception], None] = lambda _: None
    on_cancelled: Callable[[], None] = lambda: None
    on_progress: Callable[[Progress], None] = lambda _: None
    on_message: Callable[[str], None] = lambda _: None
    stop: threading.Event = field(default_factory=threading.Event)
    latest: Progress | None = None
    messages: deque[str] = field(default_factory=deque)
    result: Any = None
    error: Exception | None = None
    thread: threading.Thread | None = None
    start_time: float = 0.0

    def start(self) -> None:
        """Start the function in a thread of its own."""
        self.start_time = time.monotonic()
        self.thread = threading.Thread(target=self._run, name="unblur", daemon=True)
        self.thread.start()

    @property
    def is_finished(self) -> bool:
        """Whether the thread has ended."""
        return self.thread is not None and not self.thread.is_alive()

    def _run(self) -> None:
        callbacks = WorkerCallbacks(self._report, self.stop.is_set, self.messages.append)
        try:
            self.result = self.function(callbacks)
        except Exception as error:  # passed to `on_failed` on the UI thread
            self.error = error

    def _report(self, progress: Progress) -> None:
        # The UI thread polls; only the latest report is needed.
        self.latest = progress


class TaskQueue(QObject):
    """Runs one task at a time; a new task cancels the running one and replaces the waiting one."""

    started = Signal()
    ended = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._active: Task | None = None
        self._waiting: Task | None = None
        self._delivering = False
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._poll)

    @property
    def is_busy(self) -> bool:
        """Whether a task is running or waiting."""
        return self._active is not None or self._waiting is not None

    def submit(self, task: Task) -> None:
        """Cancel the running task, if there is one, and start `task` when it has stopped."""
        if self._active is None:
            self._start(task)
            return
        self._active.stop.set()
        self._waiting = task

    def cancel(self) -> None:
        """Cancel the running task and drop the waiting one."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.on_cancelled()
        if self._active is not None:
            self._active.stop.set()

    def close(self, timeout: float = 2.0) -> None:
        """Cancel all tasks without callbacks; wait up to `timeout` seconds for the thread."""
        self._timer.stop()
        self._waiting = None
        task, self._active = self._active, None
        if task is not None and task.thread is not None:
            task.stop.set()
            task.thread.join(timeout)

    def _start(self, task: Task) -> None:
        self._active = task
        task.start()
        self._timer.start()
        self.started.emit()

    def _poll(self) -> None:
        # napari's progress bars process events while they are drawn: prevent re-entry.
        if self._delivering or self._active is None:
            return
        self._delivering = True
        try:
            self._deliver(self._active)
        finally:
            self._delivering = False

    def _deliver(self, task: Task) -> None:
        is_finished = task.is_finished
        while task.messages:
            task.on_message(task.messages.popleft())
        report, task.latest = task.latest, None
        if report is not None and not task.stop.is_set():
            task.on_progress(report)
        if not is_finished:
            return
        self._active = None
        following, self._waiting = self._waiting, None
        if following is not None:
            self._start(following)
        else:
            self._timer.stop()
        try:
            self._conclude(task)
        finally:
            if following is None:
                self.ended.emit()

    def _conclude(self, task: Task) -> None:
        if isinstance(task.error, Cancelled) or (task.error is None and task.stop.is_set()):
            task.on_cancelled()
        elif task.error is not None:
            task.on_failed(task.error)
        else:
            task.on_done(task.result)
