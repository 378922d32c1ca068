"""Picture of the PSF, diagnostics of the PSF doctor, and repair."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_unblur.forms.controls import GAP, row_of, wrapped_label
from napari_unblur.model.kernel_layers import thumbnail
from napari_unblur.model.psf_request import PsfCandidate, is_repairable
from unblur.model.kernel import KernelField

if TYPE_CHECKING:
    from unblur.numerics.psf import Diagnostic

THUMBNAIL = 72
"""Edge of the picture of the PSF, in pixels of the screen."""


class DoctorPanel(QWidget):
    """Picture, origin and diagnostics of the PSF, with buttons to repair it and to show it."""

    repair_requested = Signal()
    field_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.picture = QLabel()
        self.picture.setObjectName("thumbnail")
        self.picture.setFixedSize(THUMBNAIL, THUMBNAIL)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.note = wrapped_label()
        self.diagnostics = wrapped_label(name="diagnostics")
        self.diagnostics.setTextFormat(Qt.TextFormat.RichText)
        self.repair = QPushButton("Repair")
        self.repair.setToolTip("Use the repaired PSF; the layer or file is unchanged.")
        self.repair.clicked.connect(lambda _checked=False: self.repair_requested.emit())
        self.view_field = QPushButton("Show over the image")
        self.view_field.setToolTip("Show the kernels as a grid over the image.")
        self.view_field.clicked.connect(lambda _checked=False: self.field_requested.emit())
        text = QVBoxLayout()
        text.setSpacing(GAP)
        text.addWidget(self.note)
        text.addWidget(self.diagnostics)
        text.addStretch()
        row = QHBoxLayout()
        row.setSpacing(GAP + 2)
        row.addWidget(self.picture, alignment=Qt.AlignmentFlag.AlignTop)
        row.addLayout(text, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addLayout(row)
        layout.addWidget(row_of(self.repair, self.view_field))

    def show_psf(self, psf: PsfCandidate | None, is_repaired: bool) -> None:
        """Show the PSF of the user; without one, hide the panel."""
        repaired = KernelField.single(psf.repaired) if psf and psf.repaired else None
        shown = repaired if psf is None or psf.kernels is None or is_repaired else psf.kernels
        note = psf.note if psf is not None else ""
        if shown is not None:
            note = f"{note} {format_size(shown)}." + (" Repaired." if is_repaired else "")
        self._draw(shown, note)
        self.diagnostics.setText(_summary(psf, is_repaired))
        self.diagnostics.setToolTip(_details(psf, is_repaired))
        self.diagnostics.setVisible(bool(self.diagnostics.text()))
        self.repair.setVisible(repaired is not None and not is_repaired)
        self.view_field.setVisible(psf is not None and (is_repaired or psf.kernels is not None))

    def show_estimated(self, field: KernelField, confidence: str = "") -> None:
        """Show the kernel that the pipeline estimated, and a sentence on its confidence."""
        self._draw(field, f"Estimated from the image: {format_size(field)}. {confidence}".strip())
        self.diagnostics.hide()
        self.repair.hide()
        self.view_field.show()

    def show_waiting(self) -> None:
        """Show that the PSF is being read."""
        self._draw(None, "Reading the PSF…")
        for part in (self.diagnostics, self.repair, self.view_field):
            part.hide()

    def _draw(self, field: KernelField | None, note: str) -> None:
        self.note.setText(note)
        self.setVisible(bool(note))
        self.picture.setVisible(field is not None)
        if field is not None:
            self.picture.setPixmap(_pixmap(thumbnail(field.mean)))


def format_size(field: KernelField) -> str:
    """Return the size and number of the kernels as text."""
    size = "\u00a0×\u00a0".join(str(n) for n in field.kernels[0][0].shape)
    rows, columns = field.shape
    return f"{size}\u00a0px" if field.is_uniform else f"{rows} × {columns} kernels of {size} px"


def _pixmap(grey: Any) -> QPixmap:
    values = np.ascontiguousarray(grey)
    height, width = values.shape
    picture = QImage(values.data, width, height, width, QImage.Format.Format_Grayscale8).copy()
    return QPixmap.fromImage(picture).scaled(
        THUMBNAIL - 4,
        THUMBNAIL - 4,
        Qt.AspectRatioMode.KeepAspectRatio,
        Qt.TransformationMode.FastTransformation,
    )


def _summary(psf: PsfCandidate | None, repaired: bool) -> str:
    """Return warnings and errors as rich text, one line each; notes are in the tooltip."""
    diagnostics = _open_diagnostics(psf, repaired)
    if psf is None or not psf.diagnostics:
        return ""
    lines = [
        f"<b>{_SYMBOLS[diagnostic.level]}</b>&nbsp;{escape(_diagnostic_text(diagnostic))}"
        for diagnostic in diagnostics
        if diagnostic.level in _SYMBOLS
    ]
    notes = len(diagnostics) - len(lines)
    if not lines:
        lines.append("✓&nbsp;The PSF doctor finds no problem.")
    if notes:
        lines.append(f"<i>{notes} note{'s' if notes > 1 else ''}: hover here.</i>")
    return "<br>".join(lines)


def _details(psf: PsfCandidate | None, repaired: bool) -> str:
    """Return all diagnostics as text, for the tooltip."""
    return "\n".join(f"{f.what}: {_diagnostic_text(f)}" for f in _open_diagnostics(psf, repaired))


def _open_diagnostics(psf: PsfCandidate | None, repaired: bool) -> list[Diagnostic]:
    return [
        diagnostic
        for diagnostic in (psf.diagnostics if psf is not None else ())
        if diagnostic.level != "ok" and not (repaired and is_repairable(diagnostic))
    ]


def _diagnostic_text(diagnostic: Diagnostic) -> str:
    if not is_repairable(diagnostic):
        return diagnostic.detail
    return f"{diagnostic.detail} Repair {diagnostic.repair[:1].lower()}{diagnostic.repair[1:]}"


_SYMBOLS = {"warning": "!", "error": "✕"}
