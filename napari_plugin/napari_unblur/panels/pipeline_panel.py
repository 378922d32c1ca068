"""Choice of a pipeline; buttons to open, to save and to copy the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QSettings, Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_unblur.forms.controls import GAP, Menu, wrapped_label
from napari_unblur.model.catalogue import (
    PipelineEntry,
    broken_entries,
    recent_entries,
    registered_entries,
    with_recent,
)
from unblur.plugins.manager import Registry

FILTER = "Pipelines (*.yaml *.yml)"
"""Filter of file dialogs."""


class PipelinePanel(QWidget):
    """The pipeline menu and its buttons; `chosen` is emitted with a name or a path."""

    chosen = Signal(str)
    save_requested = Signal(str)
    copy_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._registry: Registry | None = None
        self._registered: list[PipelineEntry] = []
        self.menu = Menu()
        self.menu.setAccessibleName("Pipeline")
        self.menu.setEnabled(False)
        self.menu.setPlaceholderText("choose…")
        self.menu.add_entry("loading the methods…", None)
        self.summary = wrapped_label()
        self.open = _button("Open…", "Open a pipeline file.", self._browse_input)
        self.save = _button(
            "Save…", "Save the pipeline with its params as YAML.", self._browse_output
        )
        self.copy = _button(
            "Copy command", "Copy the equivalent `unblur run` command.", self.copy_requested.emit
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

    def load(self, registry: Registry) -> None:
        """Fill the menu with the pipelines of the installed plugins."""
        self._registry = registry
        self._registered = registered_entries(registry)
        for widget in (self.menu, self.open, self.save, self.copy):
            widget.setEnabled(True)
        self._fill()

    @property
    def is_loaded(self) -> bool:
        """Whether the menu was filled."""
        return self._registry is not None

    def entry(self) -> PipelineEntry | None:
        """Return the chosen entry."""
        entry: PipelineEntry | None = self.menu.currentData()
        return entry

    def first_usable(self) -> str | None:
        """Return the pipeline to start with: the first without a PSF, else the first."""
        usable = [e for e in self._entries() if not e.problem]
        blind = [e for e in usable if not e.needs_psf]
        return next((e.key for e in (*blind, *usable)), None)

    def show_choice(self, key: str, summary: str, edited: bool) -> None:
        """Show the loaded pipeline, and whether it was edited."""
        if self._select(key) is False:
            self._remember(key)
            self._select(key)
        self.summary.setText(f"{summary} Edited." if edited else summary)

    def remember(self, path: str) -> None:
        """Add a file to the recent ones and choose it."""
        self._remember(path)
        self._select(path)

    def _select(self, key: str) -> bool:
        for index in range(self.menu.count()):
            entry = self.menu.itemData(index)
            if (
                isinstance(entry, PipelineEntry)
                and entry.key == key
                and self.menu.is_enabled(index)
            ):
                self.menu.setCurrentIndex(index)
                return True
        return False

    def _remember(self, path: str) -> None:
        settings = user_settings()
        settings.setValue("recent", with_recent(_recent(settings), path))
        self._fill()

    def _entries(self) -> list[PipelineEntry]:
        if self._registry is None:
            return []
        recent = recent_entries(self._registry, _recent(user_settings()))
        return [*self._registered, *recent, *broken_entries(self._registry)]

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

    def _browse_input(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a pipeline", filter=FILTER)
        if path:
            self.chosen.emit(path)

    def _browse_output(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, "Save the pipeline", "pipeline.yaml", filter=FILTER
        )
        if path:
            target = Path(path)
            if target.suffix.lower() not in (".yaml", ".yml"):
                target = target.with_name(f"{target.name}.yaml")
            self.save_requested.emit(str(target))


def user_settings() -> QSettings:
    """Return the settings that the widget keeps between sessions."""
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
