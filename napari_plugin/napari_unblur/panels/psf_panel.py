"""Choice of the PSF: from the pipeline, a layer, a file, or marked points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image as ImageLayer
from napari.layers import Points as PointsLayer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_unblur.forms.controls import GAP, Menu, guard_wheel, row_of
from napari_unblur.model.layers import PREVIEW_KEY
from napari_unblur.model.psf_request import PsfCandidate, PsfOrigin
from napari_unblur.panels.doctor_panel import DoctorPanel
from unblur.model.kernel import KernelField

if TYPE_CHECKING:
    import napari

_ORIGINS: dict[PsfOrigin, str] = {
    "estimated": "Estimated by the pipeline",
    "layer": "From a layer",
    "file": "From a file",
    "points": "From points on beads or stars",
}


class PsfPanel(QWidget):
    """The choice of the PSF.

    `requested` is emitted when a PSF has to be read, `changed` when the PSF in use changes.

    Attributes
    ----------
    is_fetching : bool
        Whether a PSF is being read.
    """

    requested = Signal()
    changed = Signal()
    field_requested = Signal()

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._psf: PsfCandidate | None = None
        self._use_repaired = False
        self.is_fetching = False
        self.menu = Menu()
        self.menu.setAccessibleName("PSF")
        for origin, text in _ORIGINS.items():
            self.menu.add_entry(text, origin)
        self.menu.activated.connect(lambda _index: self._switch())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addWidget(self.menu)
        self.details: dict[PsfOrigin, QWidget] = {
            "layer": self._layer_row(),
            "file": self._file_row(),
            "points": self._points_row(),
        }
        for detail in self.details.values():
            layout.addWidget(detail)
        self.doctor = DoctorPanel()
        self.doctor.repair_requested.connect(self._repair)
        self.doctor.field_requested.connect(self.field_requested)
        layout.addWidget(self.doctor)
        self.refresh()
        self._switch()

    @property
    def origin(self) -> PsfOrigin:
        """The chosen origin."""
        origin: PsfOrigin = self.menu.currentData()
        return origin

    def choose(self, origin: PsfOrigin) -> None:
        """Choose an origin, as with the menu."""
        self.menu.choose(origin)
        self._switch()

    def set_estimable(self, estimable: bool) -> None:
        """Set whether the pipeline estimates the PSF; if not, the user must provide one."""
        reason = "" if estimable else "This pipeline does not estimate the PSF; choose one."
        self.menu.set_enabled(0, estimable, reason)
        if not estimable and self.origin == "estimated":
            self.choose("layer")
        has_psf = self._psf is not None or self.is_fetching
        if estimable and not has_psf and self.origin in ("layer", "points"):
            self.choose("estimated")

    def refresh(self) -> None:
        """Update the menus of layers; keep each choice if its layer still exists."""
        images = [x for x in reversed(self._viewer.layers) if _may_be_psf(x)]
        marks = [x for x in reversed(self._viewer.layers) if isinstance(x, PointsLayer)]
        for menu, layers, empty in (
            (self.layers, images, "no image layer"),
            (self.points, marks, "no Points layer"),
        ):
            kept = menu.currentData()
            menu.clear()
            if menu is self.layers:
                menu.add_entry("choose…", None)
            elif not layers:
                menu.add_entry(empty, None, problem=empty)
            for layer in layers:
                menu.add_entry(layer.name, layer)
            menu.choose(kept)
        if self.origin == "layer" and self._psf is not None and self.layers.currentData() is None:
            self._switch()

    def field(self) -> KernelField | None:
        """Return the PSF to use, None if the pipeline estimates it or there is none yet."""
        if self.origin == "estimated" or self._psf is None:
            return None
        if self._use_repaired and self._psf.repaired is not None:
            return KernelField.single(self._psf.repaired)
        return self._psf.kernels

    def problem(self) -> str:
        """Return why there is no PSF although one is needed, "" if there is no problem."""
        if self.origin == "estimated" or self.field() is not None:
            return ""
        if self.is_fetching:
            return "Reading the PSF…"
        if self._psf is not None:
            return "The PSF cannot be used as it is; press Repair, or choose another."
        return {
            "layer": "Choose the layer that holds the PSF.",
            "file": "Choose the file that holds the PSF.",
            "points": "Mark beads or stars in a Points layer, then press Estimate.",
        }[self.origin]

    def show_depth(self, is_volume: bool) -> None:
        """Show the depth of the window if the image is a volume."""
        self.window_depth.setVisible(is_volume)
        if not is_volume:
            self.window_depth.setValue(1)

    def set_fetching(self) -> None:
        """Show that the PSF is being read."""
        self._psf = None
        self.is_fetching = True
        self.doctor.show_waiting()
        self.changed.emit()

    def show_psf(self, psf: PsfCandidate | None) -> None:
        """Use a PSF and show it with its diagnostics."""
        self.is_fetching = False
        self._psf = psf
        self._use_repaired = False
        self.doctor.show_psf(psf, is_repaired=False)
        self.changed.emit()

    def show_estimated(self, field: KernelField, confidence: str = "") -> None:
        """Show the kernel that the pipeline estimated, and a sentence on its confidence."""
        if self.origin == "estimated":
            self.doctor.show_estimated(field, confidence)

    def _repair(self) -> None:
        self._use_repaired = True
        self.doctor.show_psf(self._psf, is_repaired=True)
        self.changed.emit()

    def _switch(self) -> None:
        for origin, detail in self.details.items():
            detail.setVisible(origin == self.origin)
        self.show_psf(None)
        if (self.origin == "layer" and self.layers.currentData() is not None) or (
            self.origin == "file" and self.path.text()
        ):
            self.requested.emit()

    def _layer_row(self) -> QWidget:
        self.layers = Menu()
        self.layers.setToolTip("A layer that holds one PSF, 2-D or 3-D, at the image's pixel size.")
        self.layers.activated.connect(lambda _index: self._switch())
        return self.layers

    def _file_row(self) -> QWidget:
        self.path = QLineEdit()
        self.path.setPlaceholderText("PSF file: TIFF, FITS, .npy …")
        self.path.editingFinished.connect(self._typed)
        self._fetched = ""
        browse = QPushButton("Browse…")
        browse.clicked.connect(lambda _checked=False: self._browse())
        return row_of(self.path, browse)

    def _points_row(self) -> QWidget:
        self.points = Menu()
        self.points.setToolTip("A Points layer with a point on each bead or star.")
        self.window_width = _odd_box(
            5, 25, " px", "Width of the window around each point; larger than the blur."
        )
        self.window_depth = _odd_box(
            1, 1, " planes deep", "Depth of the window: 1 gives a 2-D PSF, more a 3-D PSF."
        )
        self.estimate = QPushButton("Estimate")
        self.estimate.clicked.connect(lambda _checked=False: self.requested.emit())
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addWidget(self.points)
        layout.addWidget(row_of(QLabel("Window"), self.window_width, self.estimate))
        layout.addWidget(self.window_depth)
        return body

    def _typed(self) -> None:
        if self.path.text() != self._fetched:
            self._fetched = self.path.text()
            self._switch()

    def _browse(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "PSF file")
        if path:
            self.path.setText(path)
            self._typed()


def _may_be_psf(layer: object) -> bool:
    return isinstance(layer, ImageLayer) and not layer.rgb and PREVIEW_KEY not in layer.metadata


def _odd_box(low: int, value: int, suffix: str, tooltip: str) -> QSpinBox:
    box = QSpinBox()
    box.setRange(low, 255)
    box.setSingleStep(2)
    box.setValue(value)
    box.setSuffix(suffix)
    box.setToolTip(tooltip)
    guard_wheel(box)
    return box
