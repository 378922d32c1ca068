"""Where the widget speaks: the last few messages, each with what to do."""

from __future__ import annotations

import logging
from typing import Literal

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from napari_unblur.panels.section import quiet_button, wrapped
from unblur.errors import UnblurError

Level = Literal["info", "done", "warning", "error"]

KEPT = 3

logger = logging.getLogger(__name__)


class Messages(QWidget):
    """The last messages, newest first; each can be dismissed."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        self.setVisible(False)
        self.items: list[MessageBox] = []

    def say(self, text: str, level: Level = "info") -> None:
        """Show a message on top; the same one again only moves there."""
        for item in [i for i in self.items if i.text == text]:
            self._drop(item)
        for item in self.items[KEPT - 1 :]:
            self._drop(item)
        box = MessageBox(text, level)
        box.button.clicked.connect(lambda: self._drop(box))
        self.items.insert(0, box)
        self._layout.insertWidget(0, box)
        self.setVisible(True)

    def say_error(self, error: Exception) -> None:
        """Show an error: its own sentence, or for a fault nobody foresaw what to do with it."""
        self.say(sentence(error), "error")
        if not isinstance(error, UnblurError):
            logger.error("unexpected error in a worker", exc_info=error)

    def clear(self) -> None:
        """Take all messages away."""
        for item in list(self.items):
            self._drop(item)

    @property
    def text(self) -> str:
        """All messages, newest first, one per line."""
        return "\n".join(item.text for item in self.items)

    def _drop(self, item: MessageBox) -> None:
        if item in self.items:
            self.items.remove(item)
            item.hide()
            self._layout.removeWidget(item)
            item.deleteLater()
        self.setVisible(bool(self.items))


class MessageBox(QFrame):
    """One message with a coloured edge for its level."""

    def __init__(self, text: str, level: Level) -> None:
        super().__init__()
        self.setObjectName("message")
        self.setProperty("level", level)
        self.text = text
        self.level = level
        label = wrapped(text, "messageText")
        self.button = quiet_button("✕", "Dismiss", lambda: None)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 4, 2, 4)
        layout.addWidget(label, 1)
        layout.addWidget(self.button, alignment=Qt.AlignmentFlag.AlignTop)


def sentence(error: Exception) -> str:
    """Return what to tell the user about an error."""
    if isinstance(error, UnblurError):
        text = str(error)
        return text[:1].upper() + text[1:]
    if isinstance(error, MemoryError):
        return (
            "There is not enough memory for this. Run on fewer planes or channels, or save the "
            "image as zarr and open that: it is then worked on tile by tile."
        )
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return (
        f"Something went wrong that unblur did not expect ({what}). The image is unchanged. "
        "If it happens again, please report it with the traceback from the terminal."
    )
