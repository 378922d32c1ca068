"""One editor for each shape of param; their values are plain, as in pipeline files."""

from __future__ import annotations

import math
from typing import Any

import yaml
from qtpy.QtCore import Signal
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QSpinBox,
    QWidget,
)

from napari_unblur.forms.controls import GAP, Menu, guard_wheel
from napari_unblur.forms.field_schema import Bounds, FormField, format_value

_INT_LIMIT = 2**31 - 1
"""Largest integer of a Qt spin box."""


class Editor(QWidget):
    """Base of editors of one value; `changed` is emitted on user input, not on `set_value`."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(0, 0, 0, 0)
        self.row.setSpacing(GAP)

    def value(self) -> Any:
        """Return the value in plain form."""
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        """Show `value`."""
        raise NotImplementedError


class CheckBoxEditor(Editor):
    """A check box."""

    def __init__(self, field: FormField) -> None:
        super().__init__()
        self.box = QCheckBox()
        self.row.addWidget(self.box)
        self.row.addStretch()
        self.set_value(field.default)
        self.box.clicked.connect(lambda _checked: self.changed.emit())

    def value(self) -> bool:
        """Return whether the box is checked."""
        return self.box.isChecked()

    def set_value(self, value: Any) -> None:
        """Check or uncheck the box."""
        self.box.setChecked(bool(value))


class ChoiceEditor(Editor):
    """A menu of the allowed values."""

    def __init__(self, field: FormField) -> None:
        super().__init__()
        self.menu = Menu()
        for choice in field.choices:
            self.menu.add_entry(format_value(choice), choice)
        self.row.addWidget(self.menu)
        self.set_value(field.default)
        self.menu.activated.connect(lambda _index: self.changed.emit())

    def value(self) -> Any:
        """Return the chosen value."""
        return self.menu.currentData()

    def set_value(self, value: Any) -> None:
        """Choose `value`."""
        self.menu.choose(value)


class NumberEditor(Editor):
    """A spin box, after a menu of the words that are allowed in place of the number."""

    def __init__(self, field: FormField) -> None:
        super().__init__()
        self.box = IntegerBox(field) if field.shape == "integer" else RealBox(field)
        self.box.setAccessibleName(field.label)
        self.menu: Menu | None = None
        if field.words:
            self.menu = Menu()
            for word in field.words:
                self.menu.add_entry(format_value(word), word)
            self.menu.add_entry("set to", _NUMBER)
            self.row.addWidget(self.menu, 1)
            self.menu.activated.connect(self._pick)
        self.row.addWidget(self.box, 1)
        if field.unit:
            unit = QLabel(field.unit)
            unit.setObjectName("unit")
            self.row.addWidget(unit)
        self.set_value(field.default)
        self.box.valueChanged.connect(lambda _value: self.changed.emit())

    def value(self) -> Any:
        """Return the number, or the word in its place."""
        if self.menu is not None and self.menu.currentData() is not _NUMBER:
            return self.menu.currentData()
        return self.box.number()

    def set_value(self, value: Any) -> None:
        """Show a number or a word."""
        is_word = self.menu is not None and self.menu.choose(value)
        if self.menu is not None and not is_word:
            self.menu.choose(_NUMBER)
        if not is_word and value is not None:
            before = self.box.blockSignals(True)
            self.box.set_number(value)
            self.box.blockSignals(before)
        self.box.setVisible(not is_word)

    def _pick(self, _index: int) -> None:
        assert self.menu is not None
        self.box.setVisible(self.menu.currentData() is _NUMBER)
        self.changed.emit()


class TextEditor(Editor):
    """A line of text."""

    def __init__(self, field: FormField) -> None:
        super().__init__()
        self.line = QLineEdit()
        self.row.addWidget(self.line)
        self.set_value(field.default)
        self.line.textEdited.connect(lambda _text: self.changed.emit())

    def value(self) -> str:
        """Return the text."""
        return self.line.text()

    def set_value(self, value: Any) -> None:
        """Show the text."""
        self.line.setText("" if value is None else str(value))


class DataEditor(Editor):
    """A text field for any other value, as YAML."""

    def __init__(self, field: FormField) -> None:
        super().__init__()
        self.box = QPlainTextEdit()
        self.box.setMaximumHeight(64)
        self.box.setPlaceholderText("as in a pipeline file, e.g. [1, 2]")
        self.row.addWidget(self.box)
        self._setting_value = False
        self.set_value(field.default)
        self.box.textChanged.connect(self._text_changed)

    def value(self) -> Any:
        """Return the parsed YAML, or the text itself where it is not YAML."""
        try:
            return yaml.safe_load(self.box.toPlainText())
        except yaml.YAMLError:
            return self.box.toPlainText()

    def set_value(self, value: Any) -> None:
        """Show the value as YAML."""
        self._setting_value = True
        text = yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n")
        self.box.setPlainText(text.strip())
        self._setting_value = False

    def _text_changed(self) -> None:
        if not self._setting_value:
            self.changed.emit()


class IntegerBox(QSpinBox):
    """A spin box for integers within the bounds of a field."""

    def __init__(self, field: FormField) -> None:
        super().__init__()
        bounds = field.bounds
        low = bounds.low + 1 if bounds.low_open else bounds.low
        high = bounds.high - 1 if bounds.high_open else bounds.high
        self.setRange(int(max(low, -_INT_LIMIT)), int(min(high, _INT_LIMIT)))
        self.setSingleStep(1)
        guard_wheel(self)

    def number(self) -> int:
        """Return the integer."""
        return int(self.value())

    def set_number(self, value: float) -> None:
        """Show the integer."""
        self.setValue(int(value))


class RealBox(QDoubleSpinBox):
    """A spin box for reals of any magnitude, with 6 significant digits and relative steps."""

    def __init__(self, field: FormField) -> None:
        super().__init__()
        self._bounds: Bounds = field.bounds
        self.setDecimals(12)
        self.setRange(max(self._bounds.low, -1e12), min(self._bounds.high, 1e12))
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        guard_wheel(self)

    def number(self) -> float:
        """Return the real."""
        return float(f"{self.value():.9g}")

    def set_number(self, value: float) -> None:
        """Show the real."""
        self.setValue(float(value))

    def stepBy(self, steps: int) -> None:
        """Step by a tenth of the power of ten below the value."""
        value = self.value()
        size = 10.0 ** (math.floor(math.log10(abs(value))) - 1) if value else 0.01
        self.setValue(float(f"{value + steps * size:.3g}"))

    def textFromValue(self, value: float) -> str:
        """Return the value with 6 significant digits."""
        return f"{value:.6g}"

    def valueFromText(self, text: str) -> float:
        """Return the value of the text."""
        return float(text)

    def validate(self, text: str, position: int) -> Any:
        """Accept numbers within the bounds, and text that can become a number."""
        try:
            value = float(text)
        except ValueError:
            partial = all(c in "0123456789.eE+-" for c in text)
            state = QValidator.State.Intermediate if partial else QValidator.State.Invalid
            return state, text, position
        inside = self.minimum() <= value <= self.maximum()
        state = QValidator.State.Acceptable if inside else QValidator.State.Intermediate
        return state, text, position


_NUMBER = object()
"""Data of the menu entry that stands for the number."""
