"""Work away from the UI thread: one task at a time, watched by a timer, stopped on request."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_unblur.model.job import Control
from unblur.errors import Cancelled
from unblur.model.context import Progress

POLL_MS = 30
"""How often the window looks at its worker."""

Work = Callable[[Control], Any]


@dataclass(eq=False)
class Task:
    """A piece of work and whom to tell about it; callbacks run on the UI thread."""

    work: Work
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
    began: float = 0.0

    def start(self) -> None:
        """Begin the work in a thread of its own."""
        self.began = time.monotonic()
        self.thread = threading.Thread(target=self._run, name="unblur", daemon=True)
        self.thread.start()

    @property
    def is_over(self) -> bool:
        """Whether the thread has ended."""
        return self.thread is not None and not self.thread.is_alive()

    def _run(self) -> None:
        control = Control(self._report, self.stop.is_set, self.messages.append)
        try:
            self.result = self.work(control)
        except Exception as error:  # told to the user by whoever asked for the work
            self.error = error

    def _report(self, progress: Progress) -> None:
        # The window looks when it has time; only the latest report matters.
        self.latest = progress


class Lane(QObject):
    """Runs one task at a time; a newer one cancels and replaces those before it."""

    started = Signal()
    ended = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._active: Task | None = None
        self._waiting: Task | None = None
        self._delivering = False
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._look)

    @property
    def is_busy(self) -> bool:
        """Whether a task is running or waiting."""
        return self._active is not None or self._waiting is not None

    def submit(self, task: Task) -> None:
        """Run `task` as soon as the one before has stopped, which it is asked to do at once."""
        if self._active is None:
            self._begin(task)
            return
        self._active.stop.set()
        self._waiting = task

    def cancel(self) -> None:
        """Ask the running task to stop and forget the waiting one."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.on_cancelled()
        if self._active is not None:
            self._active.stop.set()

    def close(self, patience: float = 2.0) -> None:
        """Stop everything and tell nobody; waits a little for the thread to end."""
        self._timer.stop()
        self._waiting = None
        task, self._active = self._active, None
        if task is not None and task.thread is not None:
            task.stop.set()
            task.thread.join(patience)

    def _begin(self, task: Task) -> None:
        self._active = task
        task.start()
        self._timer.start()
        self.started.emit()

    def _look(self) -> None:
        # napari's progress bars process events while they draw: do not enter twice.
        if self._delivering or self._active is None:
            return
        self._delivering = True
        try:
            self._deliver(self._active)
        finally:
            self._delivering = False

    def _deliver(self, task: Task) -> None:
        over = task.is_over
        while task.messages:
            task.on_message(task.messages.popleft())
        report, task.latest = task.latest, None
        if report is not None and not task.stop.is_set():
            task.on_progress(report)
        if not over:
            return
        self._active = None
        following, self._waiting = self._waiting, None
        if following is not None:
            self._begin(following)
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
