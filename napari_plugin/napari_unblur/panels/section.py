"""The bricks of the window: sections that fold, labels that wrap, menus with greyed entries."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_unblur.panels.style import GAP


class Section(QWidget):
    """A titled part of the panel that folds away with a click on its title."""

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
        """Put `widget` below what is there."""
        self.body_layout.addWidget(widget)

    def _fold(self, is_open: bool) -> None:
        self.body.setVisible(is_open)
        self.header.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)


class Menu(QComboBox):
    """A combo box that shrinks with the panel, ignores the wheel, and greys out entries."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        calm_wheel(self)

    def add_entry(self, text: str, data: object, tooltip: str = "", problem: str = "") -> None:
        """Add a line; one with a `problem` is grey, and its tooltip says why."""
        self.addItem(text, data)
        self.setItemData(self.count() - 1, problem or tooltip, Qt.ItemDataRole.ToolTipRole)
        model = self.model()
        if problem and isinstance(model, QStandardItemModel):
            model.item(self.count() - 1).setEnabled(False)

    def add_heading(self, text: str) -> None:
        """Add a grey line that cannot be chosen."""
        self.insertSeparator(self.count())
        self.add_entry(text, None, problem=text)

    def set_enabled(self, index: int, enabled: bool, reason: str) -> None:
        """Let a line be chosen or not; `reason` becomes its tooltip."""
        model = self.model()
        if isinstance(model, QStandardItemModel):
            model.item(index).setEnabled(enabled)
        self.setItemData(index, reason, Qt.ItemDataRole.ToolTipRole)

    def is_enabled(self, index: int) -> bool:
        """Whether the line can be chosen."""
        return bool(self.model().flags(self.model().index(index, 0)) & Qt.ItemFlag.ItemIsEnabled)

    def choose(self, data: object) -> bool:
        """Select the line that holds `data`; return whether there is one."""
        index = next((i for i in range(self.count()) if self.itemData(i) == data), -1)
        if index >= 0:
            self.setCurrentIndex(index)
        return index >= 0


class _WheelGuard(QObject):
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and not watched.hasFocus():  # type: ignore[attr-defined]
            event.ignore()
            return True
        return False


def calm_wheel(widget: QWidget) -> None:
    """Keep the wheel for scrolling the panel unless `widget` has the focus."""
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    guard = _WheelGuard(widget)
    widget.installEventFilter(guard)


def wrapped(text: str = "", name: str = "hint") -> QLabel:
    """Return a label that breaks its lines and lets its text be selected."""
    label = QLabel(text)
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def form_layout(parent: QWidget) -> QFormLayout:
    """Return the layout for label-and-editor rows."""
    layout = QFormLayout(parent)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setHorizontalSpacing(GAP + 2)
    layout.setVerticalSpacing(GAP)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
    layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return layout


def quiet_button(text: str, tooltip: str, clicked: Callable[[], object]) -> QToolButton:
    """Return a small flat button."""
    button = QToolButton()
    button.setObjectName("quiet")
    button.setText(text)
    button.setToolTip(tooltip)
    button.clicked.connect(lambda _checked=False: clicked())
    return button


def row_of(*widgets: QWidget) -> QWidget:
    """Return widgets side by side; lines of text and numbers take the room that is left."""
    body = QWidget()
    layout = QHBoxLayout(body)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(GAP)
    greedy = [isinstance(widget, QLineEdit | QSpinBox) for widget in widgets]
    for widget, takes_room in zip(widgets, greedy, strict=True):
        layout.addWidget(widget, int(takes_room))
    if not any(greedy):
        layout.addStretch()
    return body


def clear_layout(layout: QLayout) -> None:
    """Take everything out of a layout and delete it."""
    while (item := layout.takeAt(0)) is not None:
        if (widget := item.widget()) is not None:
            widget.hide()
            widget.deleteLater()
        elif (inner := item.layout()) is not None:
            clear_layout(inner)
