"""The dock widget: what each of its panels sets in motion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QApplication

from napari_unblur import gathering
from napari_unblur.compare import Compare
from napari_unblur.model.draft import Draft
from napari_unblur.model.psf_request import Psf, fetch_psf
from napari_unblur.panels.footer import duration
from napari_unblur.panels.frame import Frame
from napari_unblur.panels.style import style_sheet
from napari_unblur.work.preview import Preview, Trial
from napari_unblur.work.queue import Lane, Task
from napari_unblur.work.run import Run, show_kernel
from napari_unblur.work.store import save_text
from napari_unblur.work.warmup import load_methods
from unblur.errors import UnblurError
from unblur.pipeline import Pipeline

if TYPE_CHECKING:
    import napari
    from napari_unblur.model.job import Outcome
    from napari_unblur.model.region import Region
    from napari_unblur.work.warmup import Methods
    from unblur.model.kernel import KernelField
    from unblur.plugins.manager import Registry


class DeblurWidget(Frame):
    """Choose a layer and a pipeline, preview what is in view, run on everything.

    Attributes
    ----------
    preview, runner, compare
        What works behind them.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__(napari_viewer)
        self.viewer = napari_viewer
        self.known: Registry | None = None
        self._asked_for: str | None = None
        self._found: KernelField | None = None
        self.work = Lane(self)
        self.side = Lane(self)
        self.preview = Preview(napari_viewer, self.work, self._trial)
        self.runner = Run(napari_viewer, self.work)
        self.compare = Compare(napari_viewer)
        self._connect_panels()
        self._connect_viewer()
        self._restyle()
        self._source_changed()
        loading = Task(lambda _: load_methods(), self._loaded, self.messages.say_error)
        self.side.submit(loading)

    def open_pipeline(self, name_or_path: str) -> None:
        """Load a pipeline by name or from a file and show its steps."""
        if self.known is None:
            self._asked_for = name_or_path
            return
        try:
            pipeline = Pipeline.load(name_or_path, self.known)
        except UnblurError as error:
            self.messages.say_error(error)
            return
        self._show_draft(Draft.of(pipeline, name_or_path))

    def save_pipeline(self, path: str) -> None:
        """Write the pipeline as edited to a YAML file."""
        try:
            draft = gathering.sound_draft(self.steps)
            pipeline = draft.pipeline()
            save_text(Path(path), pipeline.dump())
        except UnblurError as error:
            self.messages.say_error(error)
            return
        self._show_draft(Draft.of(pipeline, path))
        self.messages.say(f"Saved the pipeline to {path}.", "done")

    def copy_command(self) -> None:
        """Put the equivalent `unblur run` line on the clipboard."""
        try:
            line = gathering.command(self)
        except UnblurError as error:
            self.messages.say_error(error)
            return
        QApplication.clipboard().setText(line)
        self.messages.say(f"Copied: {line}")

    def run(self) -> None:
        """Deblur the layer, or what is ticked of it, in the background."""
        try:
            job = gathering.job(self)
        except UnblurError as error:
            self.messages.say_error(error)
            return
        self.preview.hold()
        self.footer.set_busy(f"Deblurring {job.source.name}…")
        self.runner.start(job)
        self._check()

    def cancel(self) -> None:
        """Stop the run or the preview."""
        if self.work.is_busy:
            self.footer.set_stopping()
            self.work.cancel()

    def _connect_panels(self) -> None:
        self.input.changed.connect(self._source_changed)
        self.pipelines.chosen.connect(self.open_pipeline)
        self.pipelines.save_wanted.connect(self.save_pipeline)
        self.pipelines.copy_wanted.connect(self.copy_command)
        self.psf.wanted.connect(self._fetch_psf)
        self.psf.changed.connect(self._touched)
        self.psf.field_wanted.connect(self._show_field)
        self.steps.changed.connect(self._steps_changed)
        self.options.changed.connect(self._touched)
        self.footer.preview_wanted.connect(self.preview.start)
        self.footer.live_toggled.connect(self._set_live)
        self.footer.compare_toggled.connect(self.compare.toggle)
        self.footer.run_wanted.connect(self.run)
        self.footer.cancel_wanted.connect(self.cancel)
        self.preview.began.connect(self._preview_began)
        self.preview.progressed.connect(self.footer.set_progress)
        self.preview.shown.connect(self._preview_shown)
        self.preview.failed.connect(self._failed)
        self.preview.stopped.connect(lambda: self._idle("Preview stopped."))
        self.runner.progressed.connect(self.footer.set_progress)
        self.runner.said.connect(self.messages.say)
        self.runner.done.connect(self._done)
        self.runner.failed.connect(self._failed)
        self.runner.cancelled.connect(self._stopped)

    def _connect_viewer(self) -> None:
        layers = self.viewer.layers.events
        for event in (layers.inserted, layers.removed, layers.reordered):
            event.connect(self._layers_changed)
        layers.inserted.connect(self._watch)
        for layer in self.viewer.layers:
            layer.events.name.connect(self._layers_changed)
        camera = getattr(self.viewer, "scene", self.viewer).camera  # in the scene since napari 0.9
        for event in (
            camera.events.center,
            camera.events.zoom,
            self.viewer.dims.events.current_step,
        ):
            event.connect(self._view_changed)
        self.viewer.events.theme.connect(self._restyle)

    def _watch(self, event: Any) -> None:
        event.value.events.name.connect(self._layers_changed)

    def _loaded(self, methods: Methods) -> None:
        self.known = methods.registry
        self.options.set_devices(methods.devices)
        self.pipelines.load(methods.registry)
        first = self._asked_for or self.pipelines.first_usable()
        for broken in methods.registry.broken:
            self.messages.say(f"Left out: {broken}. The other plugins work on.", "warning")
        if first is None:
            self.messages.say("No pipeline can run here; open one from a file.", "warning")
            self._check()
        else:
            self.open_pipeline(first)

    def _show_draft(self, draft: Draft) -> None:
        assert self.known is not None
        self.steps.show_draft(draft, self.known)
        self.pipelines.show_choice(draft.source, draft.origin.summary, edited=False)
        self.psf.set_estimable(not draft.needs_psf)
        self._touched()

    def _steps_changed(self) -> None:
        draft = self.steps.draft()
        if draft is not None:
            self.pipelines.show_choice(draft.source, draft.origin.summary, draft.is_edited)
            self.psf.set_estimable(not draft.needs_psf)
        self._touched()

    def _source_changed(self) -> None:
        self.options.show_source(self.input.source())
        self.psf.show_depth("Z" in self.input.chosen_roles())
        self.preview.remove()
        self._touched()

    def _layers_changed(self, _event: object = None) -> None:
        self.input.refresh()
        self.psf.refresh()
        self.footer.compare.setEnabled(self.compare.is_possible)

    def _view_changed(self, _event: object = None) -> None:
        if not self.runner.is_active:
            self.preview.touch()

    def _touched(self) -> None:
        if not self._check() and not self.runner.is_active:
            self.preview.touch()

    def problem(self) -> str:
        """Return what keeps the widget from running, "" if nothing does."""
        if self.known is None:
            return "Loading the methods…"
        source = self.input.source()
        if source is None:
            return "Open an image to begin."
        return self.steps.problem() or self.psf.problem() or self.options.problem(source)

    def _check(self) -> str:
        problem = self.problem()
        if self.runner.is_active:
            self.footer.run.setEnabled(False)
            self.footer.preview.setEnabled(False)
        elif self.work.is_busy:
            self.footer.run.setEnabled(not problem)
        else:
            self.footer.set_ready(problem)
        return problem

    def _set_live(self, live: bool) -> None:
        self.preview.live = live
        self._touched()

    def _trial(self) -> Trial | None:
        try:
            return gathering.trial(self)
        except UnblurError as error:
            self.messages.say_error(error)
            return None

    def _preview_began(self, region: Region) -> None:
        rows, columns = region.shape
        partly = "the middle of the view, " if region.is_partial else ""
        self.footer.set_busy(f"Preview of {partly}{rows} × {columns} pixels…")

    def _preview_shown(self, outcome: Outcome) -> None:
        self.compare.layer = self.preview.layer
        self._kernel_found(outcome)
        self._idle(f"Preview in {duration(outcome.report.seconds)}. Key B: before / after.")

    def _done(self, outcome: Outcome, layer: Any) -> None:
        self.preview.remove()
        self.compare.layer = layer
        self._kernel_found(outcome)
        self.messages.say(f"Done in {duration(outcome.report.seconds)}: {layer.name}.", "done")
        for text in (*outcome.report.warnings, *outcome.report.failures):
            self.messages.say(text, "warning")
        self._idle("Key B: before / after.")

    def _stopped(self) -> None:
        source = self.input.source()
        kept = source is not None and source.is_large
        self._idle(
            "Stopped; Run goes on from the finished tiles." if kept else "Stopped; nothing changed."
        )

    def _kernel_found(self, outcome: Outcome) -> None:
        if outcome.kernel is not None:
            self._found = outcome.kernel
            self.psf.show_estimated(outcome.kernel)

    def _failed(self, error: Exception) -> None:
        self.messages.say_error(error)
        self._idle()

    def _idle(self, text: str = "") -> None:
        if self.work.is_busy:
            return
        self.footer.set_idle()
        if not self._check():
            self.footer.status.setText(text)
        self.footer.compare.setEnabled(self.compare.is_possible)

    def _fetch_psf(self) -> None:
        try:
            request = gathering.psf_request(self)
        except UnblurError as error:
            self.messages.say_error(error)
            return
        self.psf.set_fetching()
        self.side.submit(Task(lambda _: fetch_psf(request), self.psf.show_psf, self._psf_failed))

    def _psf_failed(self, error: Exception) -> None:
        nothing: Psf | None = None
        self.psf.show_psf(nothing)
        self.messages.say_error(error)

    def _show_field(self) -> None:
        field = self.psf.field() or self._found
        source = self.input.source()
        if field is not None and source is not None:
            show_kernel(self.viewer, field, source, (0,) * len(source.shape), as_grid=True)

    def _restyle(self, _event: object = None) -> None:
        self.setStyleSheet(style_sheet(self.viewer.theme))
