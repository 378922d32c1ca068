"""The steps of a pipeline as cards: which stage, its params, and what is wrong with them."""

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

from napari_unblur.forms.fields import ParamsForm, stage_menu
from napari_unblur.forms.schema import form_fields
from napari_unblur.model.draft import Draft, DraftStep
from napari_unblur.panels.section import clear_layout, quiet_button, wrapped
from napari_unblur.panels.style import GAP
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
    """One step: a menu of stages of its kind and the form of the chosen one."""

    changed = Signal()
    swapped = Signal(str)
    removed = Signal()

    def __init__(self, step: DraftStep, known: Registry) -> None:
        super().__init__()
        self.setObjectName("stepCard")
        self.step = step
        self.menu = stage_menu(known, step.kind, step.name)
        self.menu.activated.connect(self._swap)
        kind = QLabel(TITLES[step.kind])
        kind.setObjectName("kind")
        head = QHBoxLayout()
        head.addWidget(kind, 1)
        head.addWidget(quiet_button("✕", "Remove this step.", self.removed.emit))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        layout.setSpacing(GAP)
        layout.addLayout(head)
        layout.addWidget(self.menu)
        cls = known.stages.get((step.kind, step.name))
        self._params = cls
        self.form: ParamsForm | None = None
        if cls is not None:
            layout.addWidget(wrapped(cls.summary))
            fields = form_fields(cls.Params)
            if fields:
                self.form = ParamsForm(fields, step.params, known)
                self.form.changed.connect(self._edited)
                layout.addWidget(self.form)
        self.trouble = wrapped(name="trouble")
        self.trouble.hide()
        layout.addWidget(self.trouble)
        self.check()

    def values(self) -> dict[str, Any]:
        """Return the params as a pipeline file would hold them."""
        return dict(self.step.params) if self.form is None else self.form.values()

    def check(self) -> str:
        """Show and return what is wrong with the params, "" if nothing is."""
        problem = ""
        if self._params is None:
            problem = (
                f"No installed plugin provides '{self.step.name}'; choose another stage above."
            )
        else:
            try:
                self._params(self.values())
            except UnblurError as error:
                problem = str(error).partition(": ")[2] or str(error)
        self.trouble.setText(problem)
        self.trouble.setVisible(bool(problem))
        return problem

    def _edited(self) -> None:
        self.check()
        self.changed.emit()

    def _swap(self, _index: int) -> None:
        name = self.menu.currentData()
        if name != self.step.name:
            self.swapped.emit(name)


class StepsPanel(QWidget):
    """All steps of the draft, and a menu to add one."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._known: Registry | None = None
        self._draft: Draft | None = None
        self.cards: list[StepCard] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        self._list = QVBoxLayout()
        self._list.setSpacing(GAP)
        layout.addLayout(self._list)
        self.trouble = wrapped(name="trouble")
        self.trouble.hide()
        layout.addWidget(self.trouble)
        self.adding = QToolButton()
        self.adding.setObjectName("quiet")
        self.adding.setText("+ Add a step")
        self.adding.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.adding.setMenu(QMenu(self.adding))
        layout.addWidget(self.adding, alignment=Qt.AlignmentFlag.AlignLeft)

    def show_draft(self, draft: Draft, known: Registry) -> None:
        """Build the cards of `draft`."""
        if self._known is not known:
            self._known = known
            self._fill_menu(known)
        self._draft = draft
        clear_layout(self._list)
        self.cards = []
        for index, step in enumerate(draft.steps):
            card = StepCard(step, known)
            card.changed.connect(self._edited)
            card.swapped.connect(lambda name, i=index: self._swap(i, name))
            card.removed.connect(lambda i=index: self._remove(i))
            self.cards.append(card)
            self._list.addWidget(card)
        self.problem()

    def draft(self) -> Draft | None:
        """Return the draft with the params as they stand in the forms."""
        if self._draft is None:
            return None
        steps = tuple(replace(card.step, params=card.values()) for card in self.cards)
        return replace(self._draft, steps=steps)

    def problem(self) -> str:
        """Return what keeps the pipeline from running, "" if nothing does."""
        draft = self.draft()
        if draft is None:
            return "Choose a pipeline."
        order = ""
        try:
            draft.pipeline()
        except ValidationError as error:
            order = "Add a step." if not draft.steps else describe_errors(error, Pipeline)
        self.trouble.setText(order)
        self.trouble.setVisible(bool(order))
        troubled = next((card for card in self.cards if card.check()), None)
        if troubled is not None:
            return f"'{troubled.step.name}': {troubled.trouble.text()}"
        return order

    def _fill_menu(self, known: Registry) -> None:
        menu = self.adding.menu()
        menu.clear()
        for kind in STEP_KINDS:
            part = menu.addMenu(_ADDING[kind])
            part.setToolTipsVisible(True)
            for name, cls in known.stages_of(kind).items():
                action = part.addAction(name)
                action.setToolTip(cls.summary)
                action.triggered.connect(lambda _checked=False, k=kind, n=name: self.add(k, n))
        for broken in known.broken:
            menu.setToolTipsVisible(True)
            action = menu.addAction(f"{broken.name} (broken)")
            action.setEnabled(False)
            action.setToolTip(str(broken))

    def add(self, kind: Any, name: str) -> None:
        """Add a step where its kind belongs."""
        draft = self.draft()
        if draft is not None and self._known is not None:
            self.show_draft(draft.adding(kind, name), self._known)
            self._edited()

    def _swap(self, index: int, name: str) -> None:
        draft = self.draft()
        if draft is not None and self._known is not None:
            step = DraftStep(draft.steps[index].kind, name)
            self.show_draft(draft.with_step(index, step), self._known)
            self._edited()

    def _remove(self, index: int) -> None:
        draft = self.draft()
        if draft is not None and self._known is not None:
            self.show_draft(draft.without_step(index), self._known)
            self._edited()

    def _edited(self) -> None:
        self.problem()
        self.changed.emit()
