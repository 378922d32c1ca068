"""The latest messages of the widget."""

from __future__ import annotations

import logging
from typing import Literal

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from napari_unblur.forms.controls import flat_button, wrapped_label
from unblur.errors import UnblurError
from unblur.plugins.faults import fault_in

Severity = Literal["info", "done", "warning", "error"]

MAX_MESSAGES = 3
"""Largest number of messages shown, dimensionless."""

logger = logging.getLogger(__name__)


class Messages(QWidget):
    """The latest messages, newest first, each with a button that dismisses it."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        self.setVisible(False)
        self.items: list[MessageBox] = []

    def add(self, text: str, severity: Severity = "info") -> None:
        """Show a message on top; a message with the same text is moved there."""
        for item in [i for i in self.items if i.text == text]:
            self._drop(item)
        for item in self.items[MAX_MESSAGES - 1 :]:
            self._drop(item)
        box = MessageBox(text, severity)
        box.button.clicked.connect(lambda: self._drop(box))
        self.items.insert(0, box)
        self._layout.insertWidget(0, box)
        self.setVisible(True)

    def add_error(self, error: Exception) -> None:
        """Show an error; log its traceback if it is not an `UnblurError`."""
        self.add(error_text(error), "error")
        if not isinstance(error, UnblurError):
            logger.error("unexpected error in a worker", exc_info=error)

    def clear(self) -> None:
        """Remove all messages."""
        for item in list(self.items):
            self._drop(item)

    @property
    def text(self) -> str:
        """All messages, newest first, one on each line."""
        return "\n".join(item.text for item in self.items)

    def _drop(self, item: MessageBox) -> None:
        if item in self.items:
            self.items.remove(item)
            item.hide()
            self._layout.removeWidget(item)
            item.deleteLater()
        self.setVisible(bool(self.items))


class MessageBox(QFrame):
    """One message, with an edge coloured by its severity."""

    def __init__(self, text: str, severity: Severity) -> None:
        super().__init__()
        self.setObjectName("message")
        self.setProperty("severity", severity)
        self.text = text
        self.severity = severity
        label = wrapped_label(text, "messageText")
        self.button = flat_button("✕", "Dismiss", lambda: None)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 4, 2, 4)
        layout.addWidget(label, 1)
        layout.addWidget(self.button, alignment=Qt.AlignmentFlag.AlignTop)


def error_text(error: Exception) -> str:
    """Return the sentences that are shown for an error."""
    if isinstance(error, UnblurError):
        text = str(error)
        return text[:1].upper() + text[1:]
    if isinstance(error, MemoryError):
        return (
            "The image does not fit in memory. Run on fewer planes or channels, or save it as "
            "zarr and open that: it is then deblurred tile by tile."
        )
    cause = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    fault = fault_in(error)
    if fault is not None:
        plugin, function = fault
        return (
            f"{plugin[:1].upper()}{plugin[1:]} failed in {function}: {cause}. The image is "
            "unchanged. Please report it to its authors with the traceback from the terminal."
        )
    return (
        f"Unexpected error: {cause}. The image is unchanged. "
        "Please report it with the traceback from the terminal."
    )
