"""Choice of the layer, and of the roles of its axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image as ImageLayer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_unblur.forms.controls import GAP, Menu, clear_layout, wrapped_label
from napari_unblur.model.layers import IN_MEMORY, PREVIEW_KEY, ROLES, LayerCrop, LayerSnapshot
from napari_unblur.model.preview_region import Viewport

if TYPE_CHECKING:
    import napari


class InputPanel(QWidget):
    """A menu of image layers, and a row for each leading axis of the chosen layer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Provides the layers.
    in_memory : int
        Largest size of a lazy layer that is loaded into memory as a whole, in bytes.
    """

    changed = Signal()

    def __init__(self, viewer: napari.viewer.Viewer, in_memory: int = IN_MEMORY) -> None:
        super().__init__()
        self._viewer = viewer
        self._in_memory = in_memory
        self.menu = Menu()
        self.menu.setAccessibleName("Layer")
        self.hint = wrapped_label()
        self.roles: list[Menu] = []
        self.ticks: list[QCheckBox] = []
        self._axes = QWidget()
        self._grid = QGridLayout(self._axes)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(GAP)
        self._grid.setColumnStretch(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        for widget in (self.menu, self.hint, self._axes):
            layout.addWidget(widget)
        self._shown: ImageLayer | None = None
        self._previous_choices: dict[int, tuple[tuple[str, ...], tuple[bool, ...]]] = {}
        self.menu.activated.connect(lambda _index: self._switch())
        self.refresh(prefer=viewer.layers.selection.active)

    @property
    def layer(self) -> ImageLayer | None:
        """The chosen layer, None if there is none."""
        layer: ImageLayer | None = self.menu.currentData()
        return layer

    def choose(self, layer: ImageLayer) -> None:
        """Choose a layer, as with the menu."""
        if self.menu.choose(layer):
            self._switch()

    def refresh(self, prefer: object = None) -> None:
        """Update the menu of layers; keep the choice if its layer still exists."""
        kept = self.layer
        self.menu.blockSignals(True)
        self.menu.clear()
        candidates = [layer for layer in reversed(self._viewer.layers) if is_input(layer)]
        for layer in candidates:
            self.menu.add_entry(layer.name, layer, tooltip=layer.name)
        target = next((x for x in (kept, prefer) if x in candidates), None)
        if target is not None:
            self.menu.choose(target)
        self.menu.blockSignals(False)
        self.menu.setEnabled(bool(candidates))
        if self.layer is not self._shown or not candidates:
            self._switch()

    def snapshot(self) -> LayerSnapshot | None:
        """Return a snapshot of the chosen layer, None if there is none."""
        return None if self.layer is None else LayerSnapshot.of(self.layer, self._in_memory)

    def chosen_roles(self) -> tuple[str, ...]:
        """Return the role of each leading axis."""
        return tuple(menu.currentData() for menu in self.roles)

    def crop(self, snapshot: LayerSnapshot, position: tuple[int, ...]) -> LayerCrop:
        """Return the part to run on: all of each ticked axis, the current slice of the others."""
        index = [
            slice(0, n) if tick.isChecked() else slice(p, p + 1)
            for tick, n, p in zip(self.ticks, snapshot.leading, position, strict=True)
        ]
        rows, columns = snapshot.shape[-2:]
        return LayerCrop((*index, slice(0, rows), slice(0, columns)), self.chosen_roles())

    def position(self) -> tuple[int, ...]:
        """Return the index of the current slice along each leading axis of the layer."""
        if self.layer is None:
            return ()
        leading = LayerSnapshot.of(self.layer).leading
        point = self.layer.world_to_data(self._viewer.dims.point)
        return tuple(
            max(0, min(round(float(p)), n - 1))
            for p, n in zip(point[: len(leading)], leading, strict=True)
        )

    def viewport(self) -> Viewport | None:
        """Return the visible part of the layer, None unless rows and columns are displayed."""
        layer = self.layer
        if layer is None:
            return None
        displayed = self._viewer.dims.displayed
        ndim = self._viewer.dims.ndim
        if self._viewer.dims.ndisplay != 2 or set(displayed) != {ndim - 2, ndim - 1}:
            return None
        shape = LayerSnapshot.of(layer).shape
        level = layer.downsample_factors[layer.data_level] if layer.multiscale else [1] * len(shape)
        corners = tuple(
            tuple(int(c * f) for c, f in zip(corner[-2:], level[-2:], strict=True))
            for corner in (row[: len(shape)] for row in layer.corner_pixels)
        )
        return Viewport(corners, self.position())  # type: ignore[arg-type]

    def _switch(self) -> None:
        if self._shown is not None:
            self._previous_choices[id(self._shown)] = (self.chosen_roles(), self._ticked())
        self._shown = self.layer
        clear_layout(self._grid)
        self.roles, self.ticks = [], []
        snapshot = self.snapshot()
        if snapshot is None:
            self.hint.setText("Open an image first: File → Open, or File → Open Sample → unblur.")
        else:
            self.hint.setText(describe_layer(snapshot))
            self._show_axes(snapshot)
        self._axes.setVisible(bool(self.roles))
        self.changed.emit()

    def _ticked(self) -> tuple[bool, ...]:
        return tuple(tick.isChecked() for tick in self.ticks)

    def _show_axes(self, snapshot: LayerSnapshot) -> None:
        default = (snapshot.guessed_roles(), (True,) * len(snapshot.leading))
        roles, ticks = self._previous_choices.get(id(self._shown), default)
        if len(roles) != len(snapshot.leading):
            roles, ticks = default
        for row, extent in enumerate(snapshot.leading):
            label = QLabel(f"Axis {row}")
            label.setToolTip("The role of this axis of the layer.")
            menu = Menu()
            for letter, role in ROLES.items():
                menu.add_entry(role, letter)
            menu.choose(roles[row])
            menu.setToolTip(label.toolTip())
            tick = QCheckBox(f"all {extent}")
            tick.setToolTip("Run on every slice of this axis; otherwise only on the current one.")
            tick.setChecked(ticks[row])
            menu.activated.connect(lambda _index: self.changed.emit())
            tick.clicked.connect(lambda _checked: self.changed.emit())
            for column, widget in enumerate((label, menu, tick)):
                self._grid.addWidget(widget, row, column)
            self.roles.append(menu)
            self.ticks.append(tick)


def is_input(layer: object) -> bool:
    """Whether a layer can be deblurred: an image layer that is not a preview."""
    return isinstance(layer, ImageLayer) and PREVIEW_KEY not in layer.metadata


def describe_layer(snapshot: LayerSnapshot) -> str:
    """Return the size, type and pixel size of a layer in one line."""
    size = " × ".join(str(n) for n in snapshot.shape)
    parts = [size, "RGB" if snapshot.rgb else "", str(snapshot.data.dtype)]
    unit = snapshot.units[-1]
    if unit != "pixel":
        parts.append(f"{snapshot.scale[-1]:g} {unit} per pixel")
    if snapshot.is_large:
        parts.append("read in chunks")
    return " · ".join(part for part in parts if part)
