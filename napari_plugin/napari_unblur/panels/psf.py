"""Where the PSF comes from: the pipeline, a layer, a file, or marked points."""

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

from napari_unblur.model.layers import MARK
from napari_unblur.model.psf_request import Origin, Psf
from napari_unblur.panels.doctor import DoctorPanel
from napari_unblur.panels.section import Menu, calm_wheel, row_of
from napari_unblur.panels.style import GAP
from unblur.model.kernel import KernelField

if TYPE_CHECKING:
    import napari

THUMBNAIL = 72

_ORIGINS: dict[Origin, str] = {
    "estimated": "Estimated by the pipeline",
    "layer": "From a layer",
    "file": "From a file",
    "points": "From points on beads or stars",
}


class PsfPanel(QWidget):
    """The choice of a PSF. `wanted` asks the session to fetch it; `changed` tells of a new one."""

    wanted = Signal()
    changed = Signal()
    field_wanted = Signal()

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._psf: Psf | None = None
        self._use_repaired = False
        self._fetching = False
        self.menu = Menu()
        self.menu.setAccessibleName("PSF")
        for origin, text in _ORIGINS.items():
            self.menu.add_entry(text, origin)
        self.menu.activated.connect(lambda _index: self._switch())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addWidget(self.menu)
        self.details: dict[Origin, QWidget] = {
            "layer": self._layer_row(),
            "file": self._file_row(),
            "points": self._points_row(),
        }
        for detail in self.details.values():
            layout.addWidget(detail)
        self.doctor = DoctorPanel()
        self.doctor.repair_wanted.connect(self._repair)
        self.doctor.field_wanted.connect(self.field_wanted)
        layout.addWidget(self.doctor)
        self.refresh()
        self._switch()

    @property
    def origin(self) -> Origin:
        """Where the PSF comes from."""
        origin: Origin = self.menu.currentData()
        return origin

    def choose(self, origin: Origin) -> None:
        """Choose an origin, as a click on the menu would."""
        self.menu.choose(origin)
        self._switch()

    def set_estimable(self, estimable: bool) -> None:
        """Say whether the pipeline can estimate the PSF; if not, the user must bring one."""
        reason = "" if estimable else "This pipeline does not estimate the PSF: bring one."
        self.menu.set_enabled(0, estimable, reason)
        if not estimable and self.origin == "estimated":
            self.choose("layer")
        elif estimable and self._psf is None and self.origin in ("layer", "points"):
            self.choose("estimated")

    def refresh(self) -> None:
        """List the layers anew, keeping choices whose layer is still there."""
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
        """Return the PSF to use, `None` where the pipeline estimates it or there is none yet."""
        if self.origin == "estimated" or self._psf is None:
            return None
        if self._use_repaired and self._psf.repaired is not None:
            return KernelField.single(self._psf.repaired)
        return self._psf.kernels

    def problem(self) -> str:
        """Return why there is no PSF though one is wanted, "" if all is well."""
        if self.origin == "estimated" or self.field() is not None:
            return ""
        if self._fetching:
            return "Reading the PSF…"
        if self._psf is not None:
            return "The PSF cannot be used as it is; press Repair, or choose another."
        return {
            "layer": "Choose the layer that holds the PSF.",
            "file": "Choose the file that holds the PSF.",
            "points": "Mark beads or stars in a Points layer, then press Estimate.",
        }[self.origin]

    def show_depth(self, deep: bool) -> None:
        """Offer a depth for the window if the image has planes."""
        self.window_depth.setVisible(deep)
        if not deep:
            self.window_depth.setValue(1)

    def set_fetching(self) -> None:
        """Show that the PSF is on its way."""
        self._psf = None
        self._fetching = True
        self.doctor.show_waiting()
        self.changed.emit()

    def show_psf(self, psf: Psf | None) -> None:
        """Take a PSF and show it with the doctor's findings."""
        self._fetching = False
        self._psf = psf
        self._use_repaired = False
        self.doctor.show_psf(psf, is_repaired=False)
        self.changed.emit()

    def show_estimated(self, field: KernelField) -> None:
        """Show the kernel that the pipeline has found."""
        if self.origin == "estimated":
            self.doctor.show_estimated(field)

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
            self.wanted.emit()

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
            5, 25, " px", "Width of the window around each point: wider than the blur."
        )
        self.window_depth = _odd_box(
            1, 1, " planes deep", "Depth of the window: 1 gives a 2-D PSF, more a 3-D one."
        )
        self.estimate = QPushButton("Estimate")
        self.estimate.clicked.connect(lambda _checked=False: self.wanted.emit())
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
    return isinstance(layer, ImageLayer) and not layer.rgb and MARK not in layer.metadata


def _odd_box(low: int, value: int, suffix: str, tooltip: str) -> QSpinBox:
    box = QSpinBox()
    box.setRange(low, 255)
    box.setSingleStep(2)
    box.setValue(value)
    box.setSuffix(suffix)
    box.setToolTip(tooltip)
    calm_wheel(box)
    return box
