"""Where to compute, the seed, and the place on disk for results larger than memory."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_unblur.model.layers import Source
from napari_unblur.panels.section import Menu, calm_wheel, form_layout
from napari_unblur.panels.style import GAP


class OptionsPanel(QWidget):
    """Device, seed, destination."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.device = Menu()
        self.device.setToolTip("auto takes a GPU where there is one.")
        self.set_devices(["auto"])
        self.seed = QSpinBox()
        self.seed.setRange(0, 2**31 - 1)
        self.seed.setToolTip("Same seed, same result.")
        calm_wheel(self.seed)
        self.path = QLineEdit()
        self.path.setToolTip(
            "The layer is too large for memory: the result is written here piece by piece and "
            "shown from there."
        )
        browse = QPushButton("…")
        browse.setFixedWidth(30)
        browse.clicked.connect(lambda _checked=False: self._browse())
        self._place = QWidget()
        line = QHBoxLayout(self._place)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(GAP)
        line.addWidget(self.path, 1)
        line.addWidget(browse)
        self._label = QLabel("Result")
        layout = form_layout(self)
        layout.addRow("Device", self.device)
        layout.addRow("Seed", self.seed)
        layout.addRow(self._label, self._place)
        self.device.activated.connect(lambda _index: self.changed.emit())
        self.seed.valueChanged.connect(lambda _value: self.changed.emit())
        self.path.textChanged.connect(lambda _text: self.changed.emit())
        self.show_source(None)

    def set_devices(self, devices: list[str]) -> None:
        """List the devices of this machine."""
        self.device.clear()
        for device in devices:
            self.device.add_entry(device, device)

    def show_source(self, source: Source | None) -> None:
        """Ask for a place on disk if the layer's result will need one."""
        large = source is not None and source.is_large
        self._place.setVisible(large)
        self._label.setVisible(large)
        if source is not None and large:
            self.path.setText(str(proposed_path(source)))

    def destination(self, source: Source) -> Path | None:
        """Return where the result goes, `None` if it stays in memory."""
        return Path(self.path.text()).expanduser() if source.is_large else None

    def problem(self, source: Source) -> str:
        """Return what is wrong with the destination, "" if nothing is."""
        path = self.destination(source)
        if path is None:
            return ""
        if path.suffix != ".zarr":
            return "The result is larger than memory: give it a name that ends in .zarr."
        if path.exists():
            return f"{path.name} exists already; choose another name under Options."
        if not path.parent.is_dir():
            return f"There is no folder {path.parent}; choose another under Options."
        return ""

    def _browse(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, "Write the result to", self.path.text(), "OME-Zarr (*.zarr)"
        )
        if path:
            self.path.setText(path if path.endswith(".zarr") else f"{path}.ome.zarr")


def proposed_path(source: Source) -> Path:
    """Return a free name beside the layer's file, or in the home folder."""
    folder = Path(source.path).parent if source.path and "://" not in source.path else Path.home()
    if not folder.is_dir():
        folder = Path.home()
    stem = "".join(c if c.isalnum() or c in "-_. " else "_" for c in source.name) or "image"
    stem = stem.removesuffix(".zarr").removesuffix(".ome")
    names = (f"{stem}-deblurred{f'-{n}' if n > 1 else ''}.ome.zarr" for n in range(1, 1000))
    return next((folder / name for name in names if not (folder / name).exists()), folder / stem)
