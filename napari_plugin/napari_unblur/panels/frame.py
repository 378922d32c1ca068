"""Layout of all panels: those that scroll, and the footer below them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_unblur.forms.controls import GAP
from napari_unblur.model.layers import IN_MEMORY
from napari_unblur.panels.footer import Footer
from napari_unblur.panels.input_panel import InputPanel
from napari_unblur.panels.messages import Messages
from napari_unblur.panels.options_panel import OptionsPanel
from napari_unblur.panels.pipeline_panel import PipelinePanel
from napari_unblur.panels.psf_panel import PsfPanel
from napari_unblur.panels.section import Section
from napari_unblur.panels.steps_panel import StepsPanel

if TYPE_CHECKING:
    import napari

WIDTH = 340
"""Smallest width at which no control is cut off, in pixels of the screen."""


class Frame(QWidget):
    """All panels of the widget, without what their buttons start.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Provides the layers.
    in_memory : int
        Largest size of a lazy layer that is loaded into memory as a whole, in bytes.

    Attributes
    ----------
    input, pipelines, psf, steps, options, footer, messages
        The panels, from top to bottom.
    sections : dict of str to Section
        The sections that can be folded, by title.
    """

    def __init__(self, viewer: napari.viewer.Viewer, in_memory: int = IN_MEMORY) -> None:
        super().__init__()
        self.input = InputPanel(viewer, in_memory)
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
        layout.addWidget(self._scrolled_part(), 1)
        layout.addWidget(line)
        layout.addWidget(self._fixed_part())

    def problem(self) -> str:
        """Return what prevents a run, "" if nothing does."""
        if not self.pipelines.is_loaded:
            return "Loading the methods…"
        snapshot = self.input.snapshot()
        if snapshot is None:
            return "Open an image to begin."
        return self.steps.problem() or self.psf.problem() or self.options.problem(snapshot)

    def _scrolled_part(self) -> QWidget:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(6, 4, 8, 4)
        column.setSpacing(2)
        for title, panel, tooltip in (
            ("Input", self.input, "The layer, and the role of each of its axes."),
            ("Pipeline", self.pipelines, "The sequence of steps: a shipped one or your own."),
            ("PSF", self.psf, "The image of a point source, if it is known."),
            ("Parameters", self.steps, "The steps of the pipeline and their params."),
            ("Options", self.options, "Device, seed, output of large results."),
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

    def _fixed_part(self) -> QWidget:
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.setSpacing(GAP)
        layout.addWidget(self.footer)
        layout.addWidget(self.messages)
        return body
