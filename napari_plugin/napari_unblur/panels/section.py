"""A section of the widget that can be folded."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_unblur.forms.controls import GAP


class Section(QWidget):
    """A titled part of the widget that is folded by a click on its title."""

    def __init__(self, title: str, tooltip: str = "", folded: bool = False) -> None:
        super().__init__()
        self.header = QToolButton()
        self.header.setObjectName("sectionHeader")
        self.header.setText(title)
        self.header.setToolTip(tooltip)
        self.header.setCheckable(True)
        self.header.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.header.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.body = QWidget()
        self.body_layout = QVBoxLayout(self.body)
        self.body_layout.setContentsMargins(4, 0, 2, 4)
        self.body_layout.setSpacing(GAP)
        line = QFrame()
        line.setObjectName("sectionLine")
        line.setFixedHeight(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.header)
        layout.addWidget(self.body)
        layout.addWidget(line)
        self.header.toggled.connect(self._fold)
        self.header.setChecked(not folded)
        self._fold(not folded)

    def add(self, widget: QWidget) -> None:
        """Add `widget` at the bottom."""
        self.body_layout.addWidget(widget)

    def _fold(self, is_open: bool) -> None:
        self.body.setVisible(is_open)
        self.header.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
