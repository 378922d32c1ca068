"""The part of the widget below the scroll area: preview, run, progress, cancel."""

from __future__ import annotations

import math

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_unblur.forms.controls import GAP
from unblur.model.context import Progress

COMPARE_KEY = "B"
"""Key over the canvas that switches between before and after."""


class Footer(QWidget):
    """Buttons, and the progress of the task that they started."""

    preview_requested = Signal()
    live_toggled = Signal(bool)
    compare_toggled = Signal()
    run_requested = Signal()
    cancel_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.preview = QPushButton("Preview")
        self.preview.setToolTip("Deblur the visible part; equals the result of Run there.")
        self.live = QCheckBox("live")
        self.live.setToolTip("Repeat the preview when a param, the slice or the view changes.")
        self.compare = QPushButton("Before / after")
        self.compare.setToolTip(f"Hide or show the result. Key {COMPARE_KEY} over the image.")
        self.compare.setEnabled(False)
        self.run = QPushButton("Run")
        self.run.setObjectName("runButton")
        self.run.setToolTip("Deblur the whole layer, or its ticked axes, in the background.")
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Stop the run or the preview after the current tile or iteration.")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.status = QLabel()
        self.status.setObjectName("hint")
        self.status.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        first = _line(self.preview, self.live, self.compare)
        second = _line(self.run, self.cancel)
        second.setStretch(0, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addLayout(first)
        layout.addLayout(second)
        layout.addWidget(self.bar)
        layout.addWidget(self.status)
        self.preview.clicked.connect(lambda _checked=False: self.preview_requested.emit())
        self.live.toggled.connect(self.live_toggled)
        self.compare.clicked.connect(lambda _checked=False: self.compare_toggled.emit())
        self.run.clicked.connect(lambda _checked=False: self.run_requested.emit())
        self.cancel.clicked.connect(lambda _checked=False: self.cancel_requested.emit())
        self.set_idle()

    def set_ready(self, problem: str) -> None:
        """Enable the buttons, or disable them and show the problem."""
        for button in (self.run, self.preview):
            button.setEnabled(not problem)
        self.status.setText(problem)
        self.status.setToolTip(problem)

    def set_busy(self, text: str) -> None:
        """Show that a task runs whose length is not known yet."""
        self.bar.setRange(0, 0)
        self._show_bar(True)
        self.cancel.setEnabled(True)
        self.status.setText(text)

    def set_progress(self, progress: Progress) -> None:
        """Show the progress of the task and the time left."""
        self.bar.setRange(0, max(progress.total, 1))
        self.bar.setValue(progress.done)
        self.status.setText(format_progress(progress))

    def set_stopping(self) -> None:
        """Show that the task is being stopped."""
        self.cancel.setEnabled(False)
        self.status.setText("Stopping…")

    def set_idle(self, text: str = "") -> None:
        """Show that no task runs."""
        self._show_bar(False)
        self.cancel.setEnabled(False)
        self.status.setText(text)

    def _show_bar(self, visible: bool) -> None:
        # The hidden bar keeps its space, so that the layout does not move when a task starts.
        policy = self.bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(policy)
        self.bar.setVisible(visible)


def format_progress(progress: Progress) -> str:
    """Return e.g. "map · 12 of 40 · 8 s left"."""
    parts = [progress.label, f"{progress.done} of {progress.total}"]
    if math.isfinite(progress.remaining) and progress.done < progress.total:
        parts.append(f"{format_duration(progress.remaining)} left")
    return " · ".join(parts)


def format_duration(seconds: float) -> str:
    """Return a time with the unit that fits its length."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _line(*widgets: QWidget) -> QHBoxLayout:
    line = QHBoxLayout()
    line.setSpacing(GAP)
    for widget in widgets:
        line.addWidget(widget, 0 if isinstance(widget, QCheckBox) else 1)
        if isinstance(widget, QCheckBox):
            line.setAlignment(widget, Qt.AlignmentFlag.AlignVCenter)
    return line
