"""Choosing the layer, and what its axes mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image as ImageLayer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_unblur.model.layers import MARK, ROLES, Cut, Source
from napari_unblur.model.region import View
from napari_unblur.panels.section import Menu, clear_layout, wrapped
from napari_unblur.panels.style import GAP

if TYPE_CHECKING:
    import napari


class InputPanel(QWidget):
    """A menu of image layers and a row for each leading axis of the chosen one."""

    changed = Signal()

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.menu = Menu()
        self.menu.setAccessibleName("Layer")
        self.hint = wrapped()
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
        self._remembered: dict[int, tuple[tuple[str, ...], tuple[bool, ...]]] = {}
        self.menu.activated.connect(lambda _index: self._switch())
        self.refresh(prefer=viewer.layers.selection.active)

    @property
    def layer(self) -> ImageLayer | None:
        """The chosen layer, if there is one."""
        layer: ImageLayer | None = self.menu.currentData()
        return layer

    def choose(self, layer: ImageLayer) -> None:
        """Choose a layer, as a click on the menu would."""
        if self.menu.choose(layer):
            self._switch()

    def refresh(self, prefer: object = None) -> None:
        """List the layers anew, keeping the choice where its layer is still there."""
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

    def source(self) -> Source | None:
        """Return a copy of what a worker needs of the layer."""
        return None if self.layer is None else Source.of(self.layer)

    def chosen_roles(self) -> tuple[str, ...]:
        """Return what each leading axis is."""
        return tuple(menu.currentData() for menu in self.roles)

    def whole_cut(self, source: Source, position: tuple[int, ...]) -> Cut:
        """Return the part to run on: all of each ticked axis, the current place of the others."""
        index = [
            slice(0, n) if tick.isChecked() else slice(p, p + 1)
            for tick, n, p in zip(self.ticks, source.leading, position, strict=True)
        ]
        rows, columns = source.shape[-2:]
        return Cut((*index, slice(0, rows), slice(0, columns)), self.chosen_roles())

    def position(self) -> tuple[int, ...]:
        """Return the index of the viewer's slice along each leading axis of the layer."""
        if self.layer is None:
            return ()
        leading = Source.of(self.layer).leading
        point = self.layer.world_to_data(self._viewer.dims.point)
        return tuple(
            max(0, min(round(float(p)), n - 1))
            for p, n in zip(point[: len(leading)], leading, strict=True)
        )

    def view(self) -> View | None:
        """Return what of the layer is in view, `None` unless rows and columns are displayed."""
        layer = self.layer
        if layer is None:
            return None
        displayed = self._viewer.dims.displayed
        ndim = self._viewer.dims.ndim
        if self._viewer.dims.ndisplay != 2 or set(displayed) != {ndim - 2, ndim - 1}:
            return None
        shape = Source.of(layer).shape
        level = layer.downsample_factors[layer.data_level] if layer.multiscale else [1] * len(shape)
        corners = tuple(
            tuple(int(c * f) for c, f in zip(corner[-2:], level[-2:], strict=True))
            for corner in (row[: len(shape)] for row in layer.corner_pixels)
        )
        return View(corners, self.position())  # type: ignore[arg-type]

    def _switch(self) -> None:
        if self._shown is not None:
            self._remembered[id(self._shown)] = (self.chosen_roles(), self._ticked())
        self._shown = self.layer
        clear_layout(self._grid)
        self.roles, self.ticks = [], []
        source = self.source()
        if source is None:
            self.hint.setText("Open an image first: File → Open, or File → Open Sample → unblur.")
        else:
            self.hint.setText(describe(source))
            self._show_axes(source)
        self._axes.setVisible(bool(self.roles))
        self.changed.emit()

    def _ticked(self) -> tuple[bool, ...]:
        return tuple(tick.isChecked() for tick in self.ticks)

    def _show_axes(self, source: Source) -> None:
        guess = (source.guessed_roles(), (True,) * len(source.leading))
        roles, ticks = self._remembered.get(id(self._shown), guess)
        if len(roles) != len(source.leading):
            roles, ticks = guess
        for row, extent in enumerate(source.leading):
            label = QLabel(f"Axis {row}")
            label.setToolTip("What the steps of this axis of the layer are.")
            menu = Menu()
            for letter, word in ROLES.items():
                menu.add_entry(word, letter)
            menu.choose(roles[row])
            menu.setToolTip(label.toolTip())
            tick = QCheckBox(f"all {extent}")
            tick.setToolTip("Run on every step of this axis; otherwise only on the one in view.")
            tick.setChecked(ticks[row])
            menu.activated.connect(lambda _index: self.changed.emit())
            tick.clicked.connect(lambda _checked: self.changed.emit())
            for column, widget in enumerate((label, menu, tick)):
                self._grid.addWidget(widget, row, column)
            self.roles.append(menu)
            self.ticks.append(tick)


def is_input(layer: object) -> bool:
    """Whether a layer can be deblurred: an image that the widget did not show for a while."""
    return isinstance(layer, ImageLayer) and MARK not in layer.metadata


def describe(source: Source) -> str:
    """Return size, type and pixel size of a layer in one line."""
    size = " × ".join(str(n) for n in source.shape)
    words = [size, "RGB" if source.rgb else "", str(source.data.dtype)]
    unit = source.units[-1]
    if unit != "pixel":
        words.append(f"{source.scale[-1]:g} {unit} per pixel")
    if source.is_large:
        words.append("read in pieces")
    return " · ".join(word for word in words if word)
