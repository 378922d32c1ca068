"""The steps of a pipeline as cards: the stage, its params, and problems with them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_unblur.forms.controls import GAP, clear_layout, flat_button, wrapped_label
from napari_unblur.forms.field_schema import form_fields
from napari_unblur.forms.params_form import ParamsForm, stage_menu
from napari_unblur.model.draft import Draft, DraftStep
from unblur.errors import UnblurError
from unblur.model.params import describe_errors
from unblur.pipeline import STEP_KINDS, Pipeline
from unblur.plugins.manager import Registry

TITLES = {"kernel": "FIND THE KERNEL", "deconvolve": "DECONVOLVE", "postprocess": "FINISH"}
_ADDING = {
    "kernel": "Find the kernel",
    "deconvolve": "Deconvolve",
    "postprocess": "Finish",
}


class StepCard(QFrame):
    """One step: a menu of the stages of its kind, and the form of the chosen stage."""

    changed = Signal()
    replaced = Signal(str)
    removed = Signal()

    def __init__(self, step: DraftStep, registry: Registry) -> None:
        super().__init__()
        self.setObjectName("stepCard")
        self.step = step
        self.menu = stage_menu(registry, step.kind, step.name)
        self.menu.activated.connect(self._replace_stage)
        kind = QLabel(TITLES[step.kind])
        kind.setObjectName("kind")
        head = QHBoxLayout()
        head.addWidget(kind, 1)
        head.addWidget(flat_button("✕", "Remove this step.", self.removed.emit))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        layout.setSpacing(GAP)
        layout.addLayout(head)
        layout.addWidget(self.menu)
        cls = registry.stages.get((step.kind, step.name))
        self._stage = cls
        self.form: ParamsForm | None = None
        if cls is not None:
            layout.addWidget(wrapped_label(cls.summary))
            fields = form_fields(cls.Params)
            if fields:
                self.form = ParamsForm(fields, step.params, registry)
                self.form.changed.connect(self._edited)
                layout.addWidget(self.form)
        self.problem_label = wrapped_label(name="problem_label")
        self.problem_label.hide()
        layout.addWidget(self.problem_label)
        self.check()

    def values(self) -> dict[str, Any]:
        """Return the params as in a pipeline file."""
        return dict(self.step.params) if self.form is None else self.form.values()

    def check(self) -> str:
        """Show and return the problem with the params, "" if there is none."""
        problem = ""
        if self._stage is None:
            problem = (
                f"No installed plugin provides '{self.step.name}'; choose another stage above."
            )
        else:
            try:
                self._stage(self.values())
            except UnblurError as error:
                problem = str(error).partition(": ")[2] or str(error)
        self.problem_label.setText(problem)
        self.problem_label.setVisible(bool(problem))
        return problem

    def _edited(self) -> None:
        self.check()
        self.changed.emit()

    def _replace_stage(self, _index: int) -> None:
        name = self.menu.currentData()
        if name != self.step.name:
            self.replaced.emit(name)


class StepsPanel(QWidget):
    """The cards of all steps of the draft, and a menu to add a step."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._registry: Registry | None = None
        self._draft: Draft | None = None
        self.cards: list[StepCard] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        self._list = QVBoxLayout()
        self._list.setSpacing(GAP)
        layout.addLayout(self._list)
        self.problem_label = wrapped_label(name="problem_label")
        self.problem_label.hide()
        layout.addWidget(self.problem_label)
        self.adding = QToolButton()
        self.adding.setObjectName("flat")
        self.adding.setText("+ Add a step")
        self.adding.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.adding.setMenu(QMenu(self.adding))
        layout.addWidget(self.adding, alignment=Qt.AlignmentFlag.AlignLeft)

    def show_draft(self, draft: Draft, registry: Registry) -> None:
        """Show the cards of `draft`."""
        if self._registry is not registry:
            self._registry = registry
            self._fill_menu(registry)
        self._draft = draft
        clear_layout(self._list)
        self.cards = []
        for index, step in enumerate(draft.steps):
            card = StepCard(step, registry)
            card.changed.connect(self._edited)
            card.replaced.connect(lambda name, i=index: self._replace_stage(i, name))
            card.removed.connect(lambda i=index: self._remove(i))
            self.cards.append(card)
            self._list.addWidget(card)
        self.problem()

    def draft(self) -> Draft | None:
        """Return the draft with the params of the forms."""
        if self._draft is None:
            return None
        steps = tuple(replace(card.step, params=card.values()) for card in self.cards)
        return replace(self._draft, steps=steps)

    def problem(self) -> str:
        """Return what prevents the pipeline from running, "" if nothing does."""
        draft = self.draft()
        if draft is None:
            return "Choose a pipeline."
        order = ""
        try:
            draft.pipeline()
        except ValidationError as error:
            order = "Add a step." if not draft.steps else describe_errors(error, Pipeline)
        self.problem_label.setText(order)
        self.problem_label.setVisible(bool(order))
        failing = next((card for card in self.cards if card.check()), None)
        if failing is not None:
            return f"'{failing.step.name}': {failing.problem_label.text()}"
        return order

    def _fill_menu(self, registry: Registry) -> None:
        menu = self.adding.menu()
        menu.clear()
        for kind in STEP_KINDS:
            part = menu.addMenu(_ADDING[kind])
            part.setToolTipsVisible(True)
            for name, cls in registry.stages_of(kind).items():
                action = part.addAction(name)
                action.setToolTip(cls.summary)
                action.triggered.connect(lambda _checked=False, k=kind, n=name: self.add(k, n))
        for broken in registry.broken:
            menu.setToolTipsVisible(True)
            action = menu.addAction(f"{broken.name} (broken)")
            action.setEnabled(False)
            action.setToolTip(str(broken))

    def add(self, kind: Any, name: str) -> None:
        """Add a step at the position of its kind."""
        draft = self.draft()
        if draft is not None and self._registry is not None:
            self.show_draft(draft.with_added(kind, name), self._registry)
            self._edited()

    def _replace_stage(self, index: int, name: str) -> None:
        draft = self.draft()
        if draft is not None and self._registry is not None:
            step = DraftStep(draft.steps[index].kind, name)
            self.show_draft(draft.with_step(index, step), self._registry)
            self._edited()

    def _remove(self, index: int) -> None:
        draft = self.draft()
        if draft is not None and self._registry is not None:
            self.show_draft(draft.without_step(index), self._registry)
            self._edited()

    def _edited(self) -> None:
        self.problem()
        self.changed.emit()
