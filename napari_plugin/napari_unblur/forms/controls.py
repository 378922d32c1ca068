"""Basic controls of the widget: menus, labels, buttons and layouts."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QWidget,
)

GAP = 6
"""Space between neighbouring controls, in pixels of the screen."""


class Menu(QComboBox):
    """A combo box that shrinks with the panel, ignores the wheel, and can disable entries."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        guard_wheel(self)

    def add_entry(self, text: str, data: object, tooltip: str = "", problem: str = "") -> None:
        """Add an entry; one with a `problem` is disabled, and its tooltip is the problem."""
        self.addItem(text, data)
        self.setItemData(self.count() - 1, problem or tooltip, Qt.ItemDataRole.ToolTipRole)
        model = self.model()
        if problem and isinstance(model, QStandardItemModel):
            model.item(self.count() - 1).setEnabled(False)

    def add_heading(self, text: str) -> None:
        """Add a heading, which cannot be chosen."""
        self.insertSeparator(self.count())
        self.add_entry(text, None, problem=text)

    def set_enabled(self, index: int, enabled: bool, reason: str) -> None:
        """Enable or disable an entry; `reason` becomes its tooltip."""
        model = self.model()
        if isinstance(model, QStandardItemModel):
            model.item(index).setEnabled(enabled)
        self.setItemData(index, reason, Qt.ItemDataRole.ToolTipRole)

    def is_enabled(self, index: int) -> bool:
        """Whether an entry can be chosen."""
        return bool(self.model().flags(self.model().index(index, 0)) & Qt.ItemFlag.ItemIsEnabled)

    def choose(self, data: object) -> bool:
        """Select the entry that holds `data`; return whether there is one."""
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


def guard_wheel(widget: QWidget) -> None:
    """Let the wheel scroll the panel, not change `widget`, unless `widget` has the focus."""
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    guard = _WheelGuard(widget)
    widget.installEventFilter(guard)


def wrapped_label(text: str = "", name: str = "hint") -> QLabel:
    """Return a label with line breaks and selectable text."""
    label = QLabel(text)
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def form_layout(parent: QWidget) -> QFormLayout:
    """Return a layout for rows of a label and an editor."""
    layout = QFormLayout(parent)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setHorizontalSpacing(GAP + 2)
    layout.setVerticalSpacing(GAP)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
    layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return layout


def flat_button(text: str, tooltip: str, clicked: Callable[[], object]) -> QToolButton:
    """Return a small flat button."""
    button = QToolButton()
    button.setObjectName("flat")
    button.setText(text)
    button.setToolTip(tooltip)
    button.clicked.connect(lambda _checked=False: clicked())
    return button


def row_of(*widgets: QWidget) -> QWidget:
    """Return widgets side by side; text and number fields are stretched."""
    body = QWidget()
    layout = QHBoxLayout(body)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(GAP)
    stretched = [isinstance(widget, QLineEdit | QSpinBox) for widget in widgets]
    for widget, stretch in zip(widgets, stretched, strict=True):
        layout.addWidget(widget, int(stretch))
    if not any(stretched):
        layout.addStretch()
    return body


def clear_layout(layout: QLayout) -> None:
    """Remove and delete all items of a layout."""
    while (item := layout.takeAt(0)) is not None:
        if (widget := item.widget()) is not None:
            widget.hide()
            widget.deleteLater()
        elif (inner := item.layout()) is not None:
            clear_layout(inner)
