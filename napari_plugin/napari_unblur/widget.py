"""The dock widget: connects the panels with the workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from qtpy.QtWidgets import QApplication

from napari_unblur import collect
from napari_unblur.model.draft import Draft
from napari_unblur.model.layers import IN_MEMORY
from napari_unblur.model.psf_request import fetch_psf
from napari_unblur.panels.compare import Compare
from napari_unblur.panels.footer import format_duration
from napari_unblur.panels.frame import Frame
from napari_unblur.panels.style import style_sheet
from napari_unblur.panels.viewer_events import connect_viewer
from napari_unblur.work.layer_run import LayerRun
from napari_unblur.work.preview import Preview
from napari_unblur.work.queue import Task, TaskQueue
from napari_unblur.work.result_layers import show_kernel
from napari_unblur.work.warmup import InstalledMethods, load_methods
from unblur.errors import UnblurError
from unblur.pipeline import Pipeline

if TYPE_CHECKING:
    import napari
    from napari_unblur.model.layer_job import JobResult
    from napari_unblur.model.preview_region import PreviewRegion
    from napari_unblur.model.preview_request import PreviewRequest
    from unblur.model.kernel import KernelField
    from unblur.plugins.manager import Registry

T = TypeVar("T")


class DeblurWidget(Frame):
    """Choose a layer and a pipeline, preview the visible part, run on the whole layer.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Provides the layers and receives the results.
    in_memory : int
        Largest size of a lazy layer that is loaded into memory as a whole, in bytes.
    load : callable
        Loads the installed methods, in a worker thread.

    Attributes
    ----------
    registry : Registry, optional
        The installed methods, once they are loaded.
    preview, runner, compare
        The objects behind the buttons Preview, Run, and Before / after.
    queue, side_queue : TaskQueue
        Tasks of preview and run; other tasks.
    """

    def __init__(
        self,
        napari_viewer: napari.viewer.Viewer,
        in_memory: int = IN_MEMORY,
        load: Callable[[], InstalledMethods] = load_methods,
    ) -> None:
        super().__init__(napari_viewer, in_memory)
        self.viewer = napari_viewer
        self.registry: Registry | None = None
        self._pipeline_to_open: str | None = None
        self._kernel: KernelField | None = None
        self.queue = TaskQueue(self)
        self.side_queue = TaskQueue(self)
        self.preview = Preview(napari_viewer, self.queue, self._preview_request)
        self.runner = LayerRun(napari_viewer, self.queue)
        self.compare = Compare(napari_viewer)
        self._connect_panels()
        connect_viewer(napari_viewer, self._layers_changed, self._view_changed, self._restyle)
        self._restyle()
        self._layer_chosen()
        self.side_queue.submit(Task(lambda _: load(), self._loaded, self._load_failed))

    def open_pipeline(self, name_or_path: str) -> None:
        """Load a pipeline by name or from a file and show its steps."""
        if self.registry is None:
            self._pipeline_to_open = name_or_path
            return
        try:
            pipeline = Pipeline.load(name_or_path, self.registry)
        except UnblurError as error:
            self.messages.add_error(error)
            return
        self._show_draft(Draft.of(pipeline, name_or_path))

    def save_pipeline(self, path: str) -> None:
        """Write the edited pipeline to a YAML file."""
        from unblur.io.files import written_whole

        try:
            pipeline = collect.validated_draft(self.steps).pipeline()
            with written_whole(Path(path), overwrite=True) as partial:
                partial.write_text(pipeline.dump(), "utf-8")
        except UnblurError as error:
            self.messages.add_error(error)
            return
        self._show_draft(Draft.of(pipeline, path))
        self.messages.add(f"Saved the pipeline to {path}.", "done")

    def copy_command(self) -> None:
        """Copy the equivalent `unblur run` command to the clipboard."""
        line = self._collect(collect.command)
        if line is not None:
            QApplication.clipboard().setText(line)
            self.messages.add(f"Copied: {line}")

    def run(self) -> None:
        """Deblur the layer, or the ticked part of it, in the background."""
        job = self._collect(collect.layer_job)
        if job is None:
            return
        self.preview.unschedule()
        self.footer.set_busy(f"Deblurring {job.snapshot.name}…")
        self.runner.start(job)
        self._check()

    def cancel(self) -> None:
        """Cancel the run or the preview."""
        if self.queue.is_busy:
            self.footer.set_stopping()
            self.queue.cancel()

    def close_queues(self) -> None:
        """Cancel all tasks without callbacks."""
        self.queue.close()
        self.side_queue.close()

    def _connect_panels(self) -> None:
        self.input.changed.connect(self._layer_chosen)
        self.pipelines.chosen.connect(self.open_pipeline)
        self.pipelines.save_requested.connect(self.save_pipeline)
        self.pipelines.copy_requested.connect(self.copy_command)
        self.psf.requested.connect(self._fetch_psf)
        self.psf.changed.connect(self._settings_changed)
        self.psf.field_requested.connect(self._show_field)
        self.steps.changed.connect(self._steps_changed)
        self.options.changed.connect(self._settings_changed)
        self.footer.preview_requested.connect(self.preview.start)
        self.footer.live_toggled.connect(self._set_live)
        self.footer.compare_toggled.connect(self.compare.toggle)
        self.footer.run_requested.connect(self.run)
        self.footer.cancel_requested.connect(self.cancel)
        self.preview.started.connect(self._preview_started)
        self.preview.progressed.connect(self.footer.set_progress)
        self.preview.shown.connect(self._preview_shown)
        self.preview.failed.connect(self._failed)
        self.preview.stopped.connect(lambda: self._idle("Preview stopped."))
        self.runner.progressed.connect(self.footer.set_progress)
        self.runner.message.connect(self.messages.add)
        self.runner.done.connect(self._done)
        self.runner.failed.connect(self._failed)
        self.runner.cancelled.connect(self._stopped)

    def _loaded(self, methods: InstalledMethods) -> None:
        self.registry = methods.registry
        self.options.set_devices(methods.devices)
        self.pipelines.load(methods.registry)
        first = self._pipeline_to_open or self.pipelines.first_usable()
        for broken in methods.registry.broken:
            self.messages.add(f"{broken}. The other plugins are available.", "warning")
        if first is None:
            self.messages.add("No pipeline can run here; open one from a file.", "warning")
            self._check()
        else:
            self.open_pipeline(first)
        if self.psf.is_fetching:
            self._fetch_psf()

    def _load_failed(self, error: Exception) -> None:
        self.messages.add_error(error)
        if self.psf.is_fetching:
            self.psf.show_psf(None)

    def _show_draft(self, draft: Draft) -> None:
        assert self.registry is not None
        self.steps.show_draft(draft, self.registry)
        self.pipelines.show_choice(draft.source, draft.origin.summary, edited=False)
        self.psf.set_estimable(not draft.needs_psf)
        self._settings_changed()

    def _steps_changed(self) -> None:
        draft = self.steps.draft()
        if draft is not None:
            self.pipelines.show_choice(draft.source, draft.origin.summary, draft.is_edited)
            self.psf.set_estimable(not draft.needs_psf)
        self._settings_changed()

    def _layer_chosen(self) -> None:
        self.options.show_output_for(self.input.snapshot())
        self.psf.show_depth("Z" in self.input.chosen_roles())
        self.preview.remove()
        self._settings_changed()

    def _layers_changed(self, _event: object = None) -> None:
        self.input.refresh()
        self.psf.refresh()
        self.footer.compare.setEnabled(self.compare.is_possible)

    def _view_changed(self, _event: object = None) -> None:
        if not self.runner.is_active:
            self.preview.schedule()

    def _settings_changed(self) -> None:
        if not self._check() and not self.runner.is_active:
            self.preview.schedule()

    def _check(self) -> str:
        problem = self.problem()
        if self.runner.is_active:
            self.footer.run.setEnabled(False)
            self.footer.preview.setEnabled(False)
        elif self.queue.is_busy:
            self.footer.run.setEnabled(not problem)
        else:
            self.footer.set_ready(problem)
        return problem

    def _set_live(self, live: bool) -> None:
        self.preview.live = live
        self._settings_changed()

    def _collect(self, function: Callable[[Frame], T]) -> T | None:
        """Return data collected from the panels; show the error and return None on failure."""
        try:
            return function(self)
        except UnblurError as error:
            self.messages.add_error(error)
            return None

    def _preview_request(self) -> PreviewRequest | None:
        return self._collect(collect.preview_request)

    def _preview_started(self, region: PreviewRegion) -> None:
        rows, columns = region.shape
        partly = "the middle of the view, " if region.is_partial else ""
        self.footer.set_busy(f"Preview of {partly}{rows} × {columns} pixels…")

    def _preview_shown(self, result: JobResult) -> None:
        self.compare.layer = self.preview.layer
        self._keep_kernel(result)
        self._idle(f"Preview in {format_duration(result.report.seconds)}. Key B: before / after.")

    def _done(self, result: JobResult, layer: Any) -> None:
        self.preview.remove()
        self.compare.layer = layer
        self._keep_kernel(result)
        text = f"Done in {format_duration(result.report.seconds)}: {layer.name}."
        self.messages.add(f"{text} {result.confidence_text}".strip(), "done")
        for text in (*result.report.warnings, *result.report.failures):
            self.messages.add(text, "warning")
        self._idle("Key B: before / after.")

    def _stopped(self) -> None:
        snapshot = self.input.snapshot()
        can_resume = snapshot is not None and snapshot.is_large
        self._idle(
            "Stopped; Run continues from the finished tiles."
            if can_resume
            else "Stopped; nothing changed."
        )

    def _keep_kernel(self, result: JobResult) -> None:
        if result.kernel is not None:
            self._kernel = result.kernel
            self.psf.show_estimated(result.kernel, result.confidence_text)

    def _failed(self, error: Exception) -> None:
        self.messages.add_error(error)
        self._idle()

    def _idle(self, text: str = "") -> None:
        if self.queue.is_busy:
            return
        self.footer.set_idle()
        if not self._check():
            self.footer.status.setText(text)
        self.footer.compare.setEnabled(self.compare.is_possible)

    def _fetch_psf(self) -> None:
        request = self._collect(collect.psf_request)
        if request is None:
            if self.psf.is_fetching:
                self.psf.show_psf(None)
            return
        self.psf.set_fetching()
        if self.registry is None:
            return  # a new task would cancel the one that loads the methods; read the PSF after it
        task = Task(lambda _: fetch_psf(request), self.psf.show_psf, self._psf_failed)
        self.side_queue.submit(task)

    def _psf_failed(self, error: Exception) -> None:
        self.psf.show_psf(None)
        self.messages.add_error(error)

    def _show_field(self) -> None:
        field = self.psf.field() or self._kernel
        snapshot = self.input.snapshot()
        if field is not None and snapshot is not None:
            show_kernel(self.viewer, field, snapshot, (0,) * len(snapshot.shape), as_grid=True)

    def _restyle(self, _event: object = None) -> None:
        self.setStyleSheet(style_sheet(self.viewer.theme))
