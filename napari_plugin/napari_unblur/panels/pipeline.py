"""Choosing a pipeline, opening one from a file, saving the edited one, copying the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QSettings, Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_unblur.model.catalogue import (
    Entry,
    broken_entries,
    recent_entries,
    registered_entries,
    with_recent,
)
from napari_unblur.panels.section import Menu, wrapped
from napari_unblur.panels.style import GAP
from unblur.plugins.manager import Registry

FILTER = "Pipelines (*.yaml *.yml)"


class PipelinePanel(QWidget):
    """The pipeline menu. `chosen` carries a name or a path; the buttons ask the session."""

    chosen = Signal(str)
    save_wanted = Signal(str)
    copy_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._known: Registry | None = None
        self._registered: list[Entry] = []
        self.menu = Menu()
        self.menu.setAccessibleName("Pipeline")
        self.menu.setEnabled(False)
        self.menu.setPlaceholderText("choose…")
        self.menu.add_entry("loading the methods…", None)
        self.summary = wrapped()
        self.open = _button("Open…", "Open a pipeline file.", self._browse)
        self.save = _button("Save…", "Save the pipeline with its params as YAML.", self._ask)
        self.copy = _button(
            "Copy command", "Copy the `unblur run` line that does the same.", self.copy_wanted.emit
        )
        self.menu.activated.connect(lambda _index: self._activate())
        buttons = QHBoxLayout()
        buttons.setSpacing(GAP)
        for button in (self.open, self.save, self.copy):
            button.setEnabled(False)
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addWidget(self.menu)
        layout.addWidget(self.summary)
        layout.addLayout(buttons)

    def load(self, known: Registry) -> None:
        """Fill the menu from what the installed plugins registered."""
        self._known = known
        self._registered = registered_entries(known)
        for widget in (self.menu, self.open, self.save, self.copy):
            widget.setEnabled(True)
        self._fill()

    def entry(self) -> Entry | None:
        """Return the chosen line."""
        entry: Entry | None = self.menu.currentData()
        return entry

    def first_usable(self) -> str | None:
        """Return what to begin with: the first pipeline that needs no PSF, else the first."""
        usable = [e for e in self._entries() if not e.problem]
        blind = [e for e in usable if not e.needs_psf]
        return next((e.key for e in (*blind, *usable)), None)

    def show_choice(self, key: str, summary: str, edited: bool) -> None:
        """Show which pipeline is loaded and whether it was edited since."""
        if self._select(key) is False:
            self._remember(key)
            self._select(key)
        self.summary.setText(f"{summary} Edited." if edited else summary)

    def remember(self, path: str) -> None:
        """Put a file at the head of the recent ones."""
        self._remember(path)
        self._select(path)

    def _select(self, key: str) -> bool:
        for index in range(self.menu.count()):
            entry = self.menu.itemData(index)
            if isinstance(entry, Entry) and entry.key == key and self.menu.is_enabled(index):
                self.menu.setCurrentIndex(index)
                return True
        return False

    def _remember(self, path: str) -> None:
        settings = user_settings()
        settings.setValue("recent", with_recent(_recent(settings), path))
        self._fill()

    def _entries(self) -> list[Entry]:
        if self._known is None:
            return []
        recent = recent_entries(self._known, _recent(user_settings()))
        return [*self._registered, *recent, *broken_entries(self._known)]

    def _fill(self) -> None:
        self.menu.clear()
        group = "Pipelines"
        for entry in self._entries():
            if entry.group != group:
                group = entry.group
                self.menu.add_heading(group)
            tip = entry.summary + ("\nNeeds a PSF." if entry.needs_psf else "")
            self.menu.add_entry(entry.title, entry, tip, entry.problem)
        self.menu.setCurrentIndex(-1)

    def _activate(self) -> None:
        entry = self.entry()
        if entry is not None and not entry.problem:
            self.chosen.emit(entry.key)

    def _browse(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a pipeline", filter=FILTER)
        if path:
            self.chosen.emit(path)

    def _ask(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, "Save the pipeline", "pipeline.yaml", filter=FILTER
        )
        if path:
            target = Path(path)
            known = target.suffix.lower() in (".yaml", ".yml")
            self.save_wanted.emit(str(target if known else target.with_name(f"{target.name}.yaml")))


def user_settings() -> QSettings:
    """Return where the widget remembers things between sessions."""
    scope = QSettings.Scope.UserScope
    return QSettings(QSettings.Format.IniFormat, scope, "unblur", "napari-unblur")


def _recent(settings: QSettings) -> list[str]:
    kept: Any = settings.value("recent", [])
    return [kept] if isinstance(kept, str) else [str(path) for path in kept or []]


def _button(text: str, tooltip: str, clicked: Any) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.clicked.connect(lambda _checked=False: clicked())
    return button
