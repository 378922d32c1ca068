"""Device, seed, and output of results larger than memory."""

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

from napari_unblur.forms.controls import GAP, Menu, form_layout, guard_wheel
from napari_unblur.model.layers import LayerSnapshot


class OptionsPanel(QWidget):
    """Device, seed, and output on disk."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.device = Menu()
        self.device.setToolTip("auto uses a GPU if there is one.")
        self.set_devices(["auto"])
        self.seed = QSpinBox()
        self.seed.setRange(0, 2**31 - 1)
        self.seed.setToolTip("The same seed gives the same result.")
        guard_wheel(self.seed)
        self.path = QLineEdit()
        self.path.setToolTip(
            "The layer is too large for memory: the result is written here tile by tile and "
            "shown from there."
        )
        browse = QPushButton("…")
        browse.setFixedWidth(30)
        browse.clicked.connect(lambda _checked=False: self._browse())
        self._output_row = QWidget()
        line = QHBoxLayout(self._output_row)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(GAP)
        line.addWidget(self.path, 1)
        line.addWidget(browse)
        self._output_label = QLabel("Result")
        layout = form_layout(self)
        layout.addRow("Device", self.device)
        layout.addRow("Seed", self.seed)
        layout.addRow(self._output_label, self._output_row)
        self.device.activated.connect(lambda _index: self.changed.emit())
        self.seed.valueChanged.connect(lambda _value: self.changed.emit())
        self.path.textChanged.connect(lambda _text: self.changed.emit())
        self.show_output_for(None)

    def set_devices(self, devices: list[str]) -> None:
        """List the devices of this machine."""
        self.device.clear()
        for device in devices:
            self.device.add_entry(device, device)

    def show_output_for(self, snapshot: LayerSnapshot | None) -> None:
        """Show the output, with a proposed path, if the result is larger than memory."""
        large = snapshot is not None and snapshot.is_large
        self._output_row.setVisible(large)
        self._output_label.setVisible(large)
        if snapshot is not None and large:
            self.path.setText(str(proposed_path(snapshot)))

    def output(self, snapshot: LayerSnapshot) -> Path | None:
        """Return the path of the result, None if it is kept in memory."""
        return Path(self.path.text()).expanduser() if snapshot.is_large else None

    def problem(self, snapshot: LayerSnapshot) -> str:
        """Return what prevents the use of the output, "" if nothing does."""
        path = self.output(snapshot)
        if path is None:
            return ""
        if path.suffix != ".zarr":
            return "The result is larger than memory: choose an output that ends in .zarr."
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


def proposed_path(snapshot: LayerSnapshot) -> Path:
    """Return an unused path beside the file of the layer, or in the home folder."""
    folder = (
        Path(snapshot.path).parent if snapshot.path and "://" not in snapshot.path else Path.home()
    )
    if not folder.is_dir():
        folder = Path.home()
    stem = "".join(c if c.isalnum() or c in "-_. " else "_" for c in snapshot.name) or "image"
    stem = stem.removesuffix(".zarr").removesuffix(".ome")
    names = (f"{stem}-deblurred{f'-{n}' if n > 1 else ''}.ome.zarr" for n in range(1, 1000))
    return next((folder / name for name in names if not (folder / name).exists()), folder / stem)
