"""The panels put together: what scrolls above, what stays below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_unblur.panels.footer import Footer
from napari_unblur.panels.input import InputPanel
from napari_unblur.panels.messages import Messages
from napari_unblur.panels.options import OptionsPanel
from napari_unblur.panels.pipeline import PipelinePanel
from napari_unblur.panels.psf import PsfPanel
from napari_unblur.panels.section import Section
from napari_unblur.panels.steps import StepsPanel
from napari_unblur.panels.style import GAP

if TYPE_CHECKING:
    import napari

WIDTH = 340
"""Narrowest width in pixels at which nothing is cut off."""


class Frame(QWidget):
    """The dock widget as one sees it, without what it does.

    Attributes
    ----------
    input, pipelines, psf, steps, options, footer, messages
        The panels, from top to bottom.
    sections : dict of title to Section
        What folds.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.input = InputPanel(viewer)
        self.pipelines = PipelinePanel()
        self.psf = PsfPanel(viewer)
        self.steps = StepsPanel()
        self.options = OptionsPanel()
        self.footer = Footer()
        self.messages = Messages()
        self.sections: dict[str, Section] = {}
        self.scroll_area = QScrollArea()
        self.setObjectName("unblurPanel")
        self.setMinimumWidth(WIDTH)
        line = QFrame()
        line.setObjectName("footerLine")
        line.setFixedHeight(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._above(), 1)
        layout.addWidget(line)
        layout.addWidget(self._below())

    def _above(self) -> QWidget:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(6, 4, 8, 4)
        column.setSpacing(2)
        for title, panel, tooltip in (
            ("Input", self.input, "Which layer, and what its axes mean."),
            ("Pipeline", self.pipelines, "The chain of steps; a shipped one or your own."),
            ("PSF", self.psf, "The blur of one point of light, if you know it."),
            ("Parameters", self.steps, "The steps of the pipeline and their params."),
            ("Options", self.options, "Device, seed, place of large results."),
        ):
            section = Section(title, tooltip, folded=title == "Options")
            section.add(panel)
            self.sections[title] = section
            column.addWidget(section)
        column.addStretch()
        self.scroll_area.setWidgetResizable(True)
        self.scroll_area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.scroll_area.setWidget(content)
        return self.scroll_area

    def _below(self) -> QWidget:
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.setSpacing(GAP)
        layout.addWidget(self.footer)
        layout.addWidget(self.messages)
        return body
