"""The run on everything: activity dock, progress, and layers for what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.progress import cancelable_progress
from qtpy.QtCore import QObject, QTimer, Signal

from napari_unblur.model.job import Job, Outcome, run
from napari_unblur.model.kernels import field_layer, kernel_layer
from napari_unblur.model.layers import Source, like
from napari_unblur.work.queue import Lane, Task
from unblur.model.context import Progress
from unblur.model.kernel import KernelField

if TYPE_CHECKING:
    import napari

PROVENANCE = "unblur"
"""Key in a result layer's metadata under which its report lies."""


class Run(QObject):
    """Runs a job in the lane and shows its outcome as layers."""

    done = Signal(object, object)
    failed = Signal(Exception)
    cancelled = Signal()
    progressed = Signal(object)
    said = Signal(str)

    def __init__(self, viewer: napari.viewer.Viewer, lane: Lane) -> None:
        super().__init__()
        self._viewer = viewer
        self._lane = lane
        self._bar: Activity | None = None
        self._title = ""
        self.is_active = False

    def start(self, job: Job) -> None:
        """Begin; what the lane was busy with is cancelled."""
        self.is_active = True
        self._title = f"Deblurring {job.source.name}"
        self._lane.submit(
            Task(
                work=lambda control: run(job, control),
                on_done=self._finish,
                on_failed=self._fail,
                on_cancelled=self._cancelled,
                on_progress=self._report,
                on_message=self.said.emit,
            )
        )

    def close(self) -> None:
        """Take the entry out of the activity dock."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _report(self, progress: Progress) -> None:
        # The dock takes a moment to draw a new entry: not in the turn of the click.
        if self._bar is None:
            self._bar = Activity(self._title, self._lane)
        else:
            self._bar.show(progress)
        self.progressed.emit(progress)

    def _finish(self, outcome: Outcome) -> None:
        # napari takes a moment for each layer; the window looks at its events in between.
        if outcome.kernel is not None:
            cut = outcome.job.cut
            show_kernel(self._viewer, outcome.kernel, outcome.job.source, cut.offset())
        QTimer.singleShot(0, self, lambda: self._show(outcome))

    def _show(self, outcome: Outcome) -> None:
        layer = show_result(self._viewer, outcome)
        self._end()
        self.done.emit(outcome, layer)

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
    """The run's entry in napari's activity dock, with a Cancel button of its own."""

    def __init__(self, title: str, lane: Lane) -> None:
        self._lane = lane
        self._bar = cancelable_progress(total=0, desc=title)

    def show(self, progress: Progress) -> None:
        """Move the bar; a press of its Cancel button is passed on."""
        if self._bar.is_canceled:
            self._lane.cancel()
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


def show_result(viewer: napari.viewer.Viewer, outcome: Outcome) -> Any:
    """Add the deblurred image where its source lies, and return its layer."""
    source = outcome.job.source
    metadata = {PROVENANCE: outcome.report.model_dump(mode="json")}
    offset = outcome.job.cut.offset()
    style = like(source, f"{source.name} (deblurred)", offset, metadata=metadata)
    if outcome.is_multiscale:
        style["multiscale"] = True
    return viewer.add_image(outcome.data, **style)


def show_kernel(
    viewer: napari.viewer.Viewer,
    field: KernelField,
    source: Source,
    offset: tuple[int, ...],
    *,
    as_grid: bool = False,
) -> Any:
    """Add the kernel as a small layer, or the kernels of a field as a grid over the image."""
    if field.is_uniform and not as_grid:
        content = kernel_layer(field.mean, source, offset)
    else:
        content = field_layer(field, source, offset)
    return viewer.add_image(content.pop("data"), **content)
