"""Preview of the visible part of a layer, repeated when a setting or the view changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_unblur.model.draft import Draft
from napari_unblur.model.layer_job import JobResult, LayerJob, WorkerCallbacks
from napari_unblur.model.layers import PREVIEW_KEY, REPORT_KEY, layer_style, layer_white
from napari_unblur.model.preview_region import PreviewRegion
from napari_unblur.model.preview_request import PreviewRequest
from napari_unblur.work.queue import Task, TaskQueue
from napari_unblur.work.worker import run_preview
from unblur.model.kernel import KernelField

if TYPE_CHECKING:
    import napari

DELAY_MS = 200
"""Time without a change after which a live preview starts, in milliseconds."""


class Preview(QObject):
    """Computes the preview of the visible part and shows it as one layer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Receives the layer.
    queue : TaskQueue
        Runs the computation.
    make_request : callable
        Returns the request for the present state of the widget, or None if there is none.
    """

    shown = Signal(object)
    failed = Signal(Exception)
    started = Signal(object)
    progressed = Signal(object)
    stopped = Signal()

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        queue: TaskQueue,
        make_request: Callable[[], PreviewRequest | None],
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._queue = queue
        self._make_request = make_request
        self._kernels = KernelCache()
        self._whites: dict[int, float] = {}
        self.layer: Any = None
        self.live = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self.start)

    def schedule(self) -> None:
        """Start a live preview after `DELAY_MS`; called when the settings or the view change."""
        if self.live:
            self._timer.start()

    def unschedule(self) -> None:
        """Drop a preview that is scheduled."""
        self._timer.stop()

    def start(self) -> None:
        """Compute the preview of the visible part; cancel one that is running."""
        self._timer.stop()
        request = self._make_request()
        if request is None:
            return
        region = request.region()
        self.started.emit(region)
        self._queue.submit(
            Task(
                function=lambda callbacks: self._compute(request, region, callbacks),
                on_done=lambda result: self._show(request, region, result),
                on_failed=self.failed.emit,
                on_cancelled=self.stopped.emit,
                on_progress=self.progressed.emit,
            )
        )

    def remove(self) -> None:
        """Remove the preview layer, and drop a preview that is scheduled."""
        self.unschedule()
        if self.layer is not None and self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)
        self.layer = None

    def _compute(
        self, request: PreviewRequest, region: PreviewRegion, callbacks: WorkerCallbacks
    ) -> JobResult:
        # Values within [0, 1] and larger ones are scaled differently. The scale is derived from
        # the whole layer, not from the visible part, so that the preview equals the result.
        key = id(request.snapshot.data)
        if key not in self._whites:
            self._whites = {key: layer_white(request.snapshot)}
        cached = self._kernels.get(request, region)
        job = LayerJob(
            request.snapshot,
            region.crop(request.roles),
            request.draft.pipeline(),
            request.psf if cached is None else cached[0],
            request.device,
            request.seed,
            self._whites[key],
        )
        result = run_preview(job, region, callbacks)
        if cached is not None:
            result = replace(result, confidence=cached[1])
        self._kernels.put(request, region, result)
        return result

    def _show(self, request: PreviewRequest, region: PreviewRegion, result: JobResult) -> None:
        snapshot, layer = request.snapshot, self.layer
        style = layer_style(
            snapshot,
            f"{snapshot.name} (preview)",
            region.offset(),
            metadata={PREVIEW_KEY: True, REPORT_KEY: result.report.model_dump(mode="json")},
        )
        can_update = (
            layer is not None
            and layer in self._viewer.layers
            and layer.ndim == len(snapshot.shape)
            and layer.rgb == snapshot.rgb
        )
        if can_update:
            layer.data = result.data
            layer.translate = style.get("translate")
            layer.scale = style["scale"]
            layer.contrast_limits = style["contrast_limits"]
            layer.name = style["name"]
            layer.metadata = style["metadata"]
        else:
            self.remove()
            active = self._viewer.layers.selection.active
            self.layer = self._viewer.add_image(result.data, **style)
            # The layer that the user selected stays selected.
            self._viewer.layers.selection.active = active
        self.layer.visible = True
        self.shown.emit(result)


class KernelCache:
    """The last kernel that a preview estimated, reused while later steps are tuned."""

    def __init__(self) -> None:
        self._key: Any = None
        self._kernel: KernelField | None = None
        self._confidence: float | None = None

    def put(self, request: PreviewRequest, region: PreviewRegion, result: JobResult) -> None:
        """Keep the kernel that the pipeline estimated, and its confidence."""
        if request.psf is None and _can_reuse(request.draft):
            self._key = _key(request, region)
            self._kernel, self._confidence = result.kernel, result.confidence

    def get(
        self, request: PreviewRequest, region: PreviewRegion
    ) -> tuple[KernelField, float | None] | None:
        """Return kernel and confidence if all their inputs are unchanged, else None."""
        if request.psf is not None or self._kernel is None or self._key != _key(request, region):
            return None
        return self._kernel, self._confidence


def _can_reuse(draft: Draft) -> bool:
    kinds = [step.kind for step in draft.steps]
    return "kernel" in kinds and "deconvolve" in kinds


def _key(request: PreviewRequest, region: PreviewRegion) -> Any:
    kinds = [step.kind for step in request.draft.steps]
    until = request.draft.steps[: kinds.index("kernel") + 1] if "kernel" in kinds else ()
    settings = [(step.kind, step.name, repr(dict(step.params))) for step in until]
    data = id(request.snapshot.data)
    return (data, request.roles, region, settings, request.device, request.seed)
