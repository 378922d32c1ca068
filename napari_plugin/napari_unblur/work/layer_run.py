"""The run on a whole layer: progress in the activity dock, and layers for its results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.progress import cancelable_progress
from qtpy.QtCore import QObject, QTimer, Signal

from napari_unblur.model.layer_job import JobResult, LayerJob
from napari_unblur.work.queue import Task, TaskQueue
from napari_unblur.work.result_layers import show_kernel, show_result
from napari_unblur.work.worker import run_job
from unblur.model.context import Progress

if TYPE_CHECKING:
    import napari


class LayerRun(QObject):
    """Runs a job in the task queue and shows its result as layers."""

    done = Signal(object, object)
    failed = Signal(Exception)
    cancelled = Signal()
    progressed = Signal(object)
    message = Signal(str)

    def __init__(self, viewer: napari.viewer.Viewer, queue: TaskQueue) -> None:
        super().__init__()
        self._viewer = viewer
        self._queue = queue
        self._activity: Activity | None = None
        self._title = ""
        self.is_active = False

    def start(self, job: LayerJob) -> None:
        """Start the job; cancel the running task of the queue."""
        self.is_active = True
        self._title = f"Deblurring {job.snapshot.name}"
        self._queue.submit(
            Task(
                function=lambda callbacks: run_job(job, callbacks),
                on_done=self._finish,
                on_failed=self._fail,
                on_cancelled=self._cancelled,
                on_progress=self._report,
                on_message=self.message.emit,
            )
        )

    def close(self) -> None:
        """Remove the entry from the activity dock."""
        if self._activity is not None:
            self._activity.close()
            self._activity = None

    def _report(self, progress: Progress) -> None:
        # The dock takes time to draw a new entry: not in the event of the click.
        if self._activity is None:
            self._activity = Activity(self._title, self._queue)
        else:
            self._activity.show(progress)
        self.progressed.emit(progress)

    def _finish(self, result: JobResult) -> None:
        # napari takes time for each layer; the window processes its events in between.
        job = result.job
        if result.kernel is not None:
            show_kernel(self._viewer, result.kernel, job.snapshot, job.crop.offset())
        QTimer.singleShot(0, self, lambda: self._show(result))

    def _show(self, result: JobResult) -> None:
        layer = show_result(self._viewer, result)
        self._end()
        self.done.emit(result, layer)

    def _fail(self, error: Exception) -> None:
        self._end()
        self.failed.emit(error)

    def _cancelled(self) -> None:
        self._end()
        self.cancelled.emit()

    def _end(self) -> None:
        self.is_active = False
        self.close()


class Activity:
    """Entry of a run in napari's activity dock, with its own Cancel button."""

    def __init__(self, title: str, queue: TaskQueue) -> None:
        self._queue = queue
        self._bar = cancelable_progress(total=0, desc=title)

    def show(self, progress: Progress) -> None:
        """Move the bar; cancel the task if the Cancel button was pressed."""
        if self._bar.is_canceled:
            self._queue.cancel()
            return
        if self._bar.total != progress.total:
            self._bar.reset(total=progress.total)
        ahead = progress.done - self._bar.n
        if ahead > 0:
            self._bar.update(ahead)
        elif ahead < 0:
            self._bar.reset(total=progress.total)
            self._bar.update(progress.done)

    def close(self) -> None:
        """Remove the entry."""
        self._bar.close()
