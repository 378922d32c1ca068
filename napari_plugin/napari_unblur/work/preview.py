"""Trying the pipeline on what is in view, again and again while the user turns the knobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_unblur.model.draft import Draft
from napari_unblur.model.job import Control, Job, Outcome, run_preview
from napari_unblur.model.layers import MARK, Source, like, white_of
from napari_unblur.model.region import Region, View, preview_region
from napari_unblur.work.queue import Lane, Task
from unblur.model.kernel import KernelField

if TYPE_CHECKING:
    import napari

DELAY_MS = 200
"""How long the knobs must rest before a live preview starts."""


@dataclass(frozen=True, eq=False)
class Trial:
    """All that a preview depends on, gathered on the UI thread."""

    source: Source
    view: View
    roles: tuple[str, ...]
    draft: Draft
    psf: KernelField | None
    device: str
    seed: int

    def region(self) -> Region:
        """Return the part to compute."""
        kernel = None if self.psf is None else self.psf.kernels[0][0]
        volume = kernel is not None and kernel.ndim == 3 and "Z" in self.roles
        return preview_region(
            self.view,
            self.source.shape,
            () if kernel is None else kernel.half_width,
            self.roles.index("Z") if volume else None,
        )


class Preview(QObject):
    """Keeps one layer with the preview of what is in view."""

    shown = Signal(object)
    failed = Signal(Exception)
    began = Signal(object)
    progressed = Signal(object)
    stopped = Signal()

    def __init__(
        self, viewer: napari.viewer.Viewer, lane: Lane, gather: Callable[[], Trial | None]
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._lane = lane
        self._gather = gather
        self._kernels = KernelMemory()
        self._whites: dict[int, float] = {}
        self.layer: Any = None
        self.live = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self.start)

    def touch(self) -> None:
        """Something that the preview depends on changed; start again soon if it is live."""
        if self.live:
            self._timer.start()

    def start(self) -> None:
        """Compute the preview of the current view; one that is running is cancelled."""
        self._timer.stop()
        trial = self._gather()
        if trial is None:
            return
        region = trial.region()
        self.began.emit(region)
        self._lane.submit(
            Task(
                work=lambda control: self._work(trial, region, control),
                on_done=lambda outcome: self._show(trial, region, outcome),
                on_failed=self.failed.emit,
                on_cancelled=self.stopped.emit,
                on_progress=self.progressed.emit,
            )
        )

    def hold(self) -> None:
        """Forget a preview that is about to start."""
        self._timer.stop()

    def remove(self) -> None:
        """Take the preview layer away."""
        self.hold()
        if self.layer is not None and self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)
        self.layer = None

    def _work(self, trial: Trial, region: Region, control: Control) -> Outcome:
        # Values within [0, 1] and larger ones are scaled differently: what counts is the
        # whole layer, not the part in view, so that the preview equals the result.
        key = id(trial.source.data)
        if key not in self._whites:
            self._whites = {key: white_of(trial.source)}
        remembered = self._kernels.recall(trial, region)
        job = Job(
            trial.source,
            region.cut(trial.roles),
            trial.draft.pipeline(),
            trial.psf if remembered is None else remembered,
            trial.device,
            trial.seed,
            self._whites[key],
        )
        outcome = run_preview(job, region, control)
        self._kernels.keep(trial, region, outcome.kernel)
        return outcome

    def _show(self, trial: Trial, region: Region, outcome: Outcome) -> None:
        style = like(
            trial.source,
            f"{trial.source.name} (preview)",
            region.offset(),
            metadata={MARK: True, "unblur": outcome.report.model_dump(mode="json")},
        )
        layer = self.layer
        fits = (
            layer is not None
            and layer in self._viewer.layers
            and layer.ndim == len(trial.source.shape)
            and layer.rgb == trial.source.rgb
        )
        if fits:
            layer.data = outcome.data
            layer.translate = style.get("translate")
            layer.scale = style["scale"]
            layer.contrast_limits = style["contrast_limits"]
            layer.name = style["name"]
            layer.metadata = style["metadata"]
        else:
            self.remove()
            active = self._viewer.layers.selection.active
            self.layer = self._viewer.add_image(outcome.data, **style)
            # The user goes on working with the layer that was chosen.
            self._viewer.layers.selection.active = active
        self.layer.visible = True
        self.shown.emit(outcome)


class KernelMemory:
    """The last kernel that a preview estimated, so that later steps can be tuned quickly."""

    def __init__(self) -> None:
        self._key: Any = None
        self._kernel: KernelField | None = None

    def keep(self, trial: Trial, region: Region, kernel: KernelField | None) -> None:
        """Remember the kernel that the pipeline estimated."""
        if trial.psf is None and _can_reuse(trial.draft):
            self._key, self._kernel = _key(trial, region), kernel

    def recall(self, trial: Trial, region: Region) -> KernelField | None:
        """Return the kernel if nothing that it depends on has changed."""
        if trial.psf is not None or self._kernel is None or self._key != _key(trial, region):
            return None
        return self._kernel


def _can_reuse(draft: Draft) -> bool:
    kinds = [step.kind for step in draft.steps]
    return "kernel" in kinds and "deconvolve" in kinds


def _key(trial: Trial, region: Region) -> Any:
    kinds = [step.kind for step in trial.draft.steps]
    until = trial.draft.steps[: kinds.index("kernel") + 1] if "kernel" in kinds else ()
    settings = [(step.kind, step.name, repr(dict(step.params))) for step in until]
    return (id(trial.source.data), trial.roles, region, settings, trial.device, trial.seed)
