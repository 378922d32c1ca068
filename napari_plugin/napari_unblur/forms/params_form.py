"""Form of the params of a stage, built from its pydantic model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_unblur.forms.controls import GAP, Menu, clear_layout, flat_button, form_layout
from napari_unblur.forms.editors import (
    CheckBoxEditor,
    ChoiceEditor,
    DataEditor,
    Editor,
    NumberEditor,
    TextEditor,
)
from napari_unblur.forms.field_schema import Bounds, FormField, Shape, changed_values, form_fields
from unblur.plugins.manager import Registry

_SIMPLE: dict[Shape, type[Any]] = {
    "switch": CheckBoxEditor,
    "integer": NumberEditor,
    "number": NumberEditor,
    "choice": ChoiceEditor,
    "text": TextEditor,
    "data": DataEditor,
}


class ParamsForm(QWidget):
    """Rows of label and editor for the fields of a model; advanced fields are folded."""

    changed = Signal()

    def __init__(
        self, fields: tuple[FormField, ...], values: Mapping[str, Any], registry: Registry
    ) -> None:
        super().__init__()
        self._fields = fields
        self._explicit = dict(values)
        self.editors: dict[str, Editor] = {}
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(GAP)
        outer.addWidget(self._rows([f for f in fields if f.basic], values, registry))
        rest = [f for f in fields if not f.basic]
        if rest:
            self.more = self._rows(rest, values, registry)
            self.toggle = flat_button(
                "", "Params that rarely need to be changed.", self._toggle_advanced
            )
            outer.addWidget(self.toggle)
            outer.addWidget(self.more)
            self.more.setVisible(any(f.name in values for f in rest))
            self._update_toggle()

    def values(self) -> dict[str, Any]:
        """Return the params that differ from their defaults or were set explicitly before."""
        values = {name: editor.value() for name, editor in self.editors.items()}
        return changed_values(self._fields, values, self._explicit)

    def _rows(
        self, fields: list[FormField], values: Mapping[str, Any], registry: Registry
    ) -> QWidget:
        body = QWidget()
        layout = form_layout(body)
        for field in fields:
            editor = editor_for(field, registry)
            if field.name in values:
                editor.set_value(values[field.name])
            editor.changed.connect(self.changed)
            editor.setToolTip(field.tooltip)
            self.editors[field.name] = editor
            label = QLabel(field.label)
            label.setToolTip(field.tooltip)
            if field.shape in ("group", "priors"):
                layout.addRow(label)
                layout.addRow(editor)
            else:
                layout.addRow(label, editor)
        return body

    def _toggle_advanced(self) -> None:
        self.more.setVisible(self.more.isHidden())
        self._update_toggle()

    def _update_toggle(self) -> None:
        count = sum(not field.basic for field in self._fields)
        self.toggle.setText(f"{count} more…" if self.more.isHidden() else "Fewer")


class GroupEditor(Editor):
    """Editor of a nested model: a form within the form."""

    def __init__(self, field: FormField, registry: Registry) -> None:
        super().__init__()
        self._field = field
        self._registry = registry
        self.row.setContentsMargins(12, 0, 0, 0)
        self.form: ParamsForm | None = None
        self.set_value(field.default or {})

    def value(self) -> dict[str, Any]:
        """Return all values of the group."""
        assert self.form is not None
        return {name: editor.value() for name, editor in self.form.editors.items()}

    def set_value(self, value: Any) -> None:
        """Show a mapping of values."""
        clear_layout(self.row)
        self.form = ParamsForm(self._field.inner, value or {}, self._registry)
        self.form.changed.connect(self.changed)
        self.row.addWidget(self.form)


class PriorsEditor(Editor):
    """Editor of a list of priors, each with its weight and its own params."""

    def __init__(self, field: FormField, registry: Registry) -> None:
        super().__init__()
        self._registry = registry
        self._weight = _weight_field()
        self.rows: list[PriorRow] = []
        body = QWidget()
        self._list = QVBoxLayout(body)
        self._list.setContentsMargins(12, 0, 0, 0)
        self._list.setSpacing(GAP)
        self.row.addWidget(body)
        self._items = QVBoxLayout()
        self._items.setSpacing(GAP)
        self._list.addLayout(self._items)
        self.add = flat_button("+ Add a prior", "Add a prior to these.", self._add)
        self._list.addWidget(self.add)
        self.set_value(field.default or [])

    def value(self) -> list[dict[str, Any]]:
        """Return the priors as in a pipeline file."""
        return [row.value() for row in self.rows]

    def set_value(self, value: Any) -> None:
        """Show a list of priors."""
        clear_layout(self._items)
        self.rows = []
        for choice in value or []:
            self._append(choice)

    def _append(self, choice: Mapping[str, Any]) -> None:
        row = PriorRow(choice, self._registry, self._weight)
        row.changed.connect(self.changed)
        row.removed.connect(lambda: self._remove(row))
        self.rows.append(row)
        self._items.addWidget(row)

    def _add(self) -> None:
        names = list(self._registry.stages_of("prior"))
        used = [row.value()["prior"] for row in self.rows]
        free = next((name for name in names if name not in used), names[0] if names else None)
        if free is not None:
            self._append({"prior": free, "weight": 1e-3})
            self.changed.emit()

    def _remove(self, row: PriorRow) -> None:
        self.rows.remove(row)
        row.hide()
        row.deleteLater()
        self.changed.emit()


class PriorRow(QWidget):
    """One prior: a menu, its weight, and the form of its params."""

    changed = Signal()
    removed = Signal()

    def __init__(self, choice: Mapping[str, Any], registry: Registry, weight: FormField) -> None:
        super().__init__()
        self._registry = registry
        self.menu = stage_menu(registry, "prior", choice["prior"])
        self.menu.setMinimumContentsLength(5)
        self.weight = NumberEditor(weight)
        self.weight.setToolTip(weight.tooltip)
        self.weight.setMinimumWidth(92)
        self.weight.set_value(choice.get("weight", weight.default))
        line = QHBoxLayout()
        line.setSpacing(GAP)
        line.addWidget(self.menu, 1)
        line.addWidget(self.weight)
        line.addWidget(flat_button("✕", "Remove this prior.", self.removed.emit))
        self._body = QVBoxLayout()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addLayout(line)
        outer.addLayout(self._body)
        self._build(choice.get("params") or {})
        self.menu.activated.connect(self._replace_prior)
        self.weight.changed.connect(self.changed)

    def value(self) -> dict[str, Any]:
        """Return the prior as in a pipeline file."""
        value = {"prior": self.menu.currentData(), "weight": self.weight.value()}
        params = self.form.values() if self.form is not None else {}
        return {**value, "params": params} if params else value

    def _build(self, params: Mapping[str, Any]) -> None:
        clear_layout(self._body)
        cls = self._registry.stages_of("prior").get(self.menu.currentData())
        fields = form_fields(cls.Params) if cls is not None else ()
        self.form = ParamsForm(fields, params, self._registry) if fields else None
        if self.form is not None:
            self.form.changed.connect(self.changed)
            self._body.addWidget(self.form)

    def _replace_prior(self, _index: int) -> None:
        self._build({})
        self.changed.emit()


def editor_for(field: FormField, registry: Registry) -> Editor:
    """Return the editor for a field."""
    if field.shape == "group":
        return GroupEditor(field, registry)
    if field.shape == "priors":
        return PriorsEditor(field, registry)
    editor: Editor = _SIMPLE[field.shape](field)
    return editor


def stage_menu(registry: Registry, kind: Any, current: str) -> Menu:
    """Return a menu of the stages of one kind, with broken plugins disabled at its end."""
    menu = Menu()
    names = registry.stages_of(kind)
    for name, cls in names.items():
        origin = registry.origins.get(cls, "")
        menu.add_entry(name, name, f"{cls.summary}" + (f"\nFrom: {origin}" if origin else ""))
    if current not in names:
        menu.add_entry(current, current, problem=f"no installed plugin provides '{current}'")
    for broken in registry.broken:
        menu.add_entry(f"{broken.name} (broken)", None, problem=str(broken))
    menu.choose(current)
    return menu


def _weight_field() -> FormField:
    return FormField(
        name="weight",
        label="Weight",
        description="Weight of the prior against the data term.",
        unit="",
        shape="number",
        default=1e-3,
        bounds=Bounds(low=0, low_open=True),
    )
