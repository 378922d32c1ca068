"""What a PSF looks like, and what the PSF doctor thinks of it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_unblur.model.kernels import thumbnail
from napari_unblur.model.psf_request import Psf, is_repairable
from napari_unblur.panels.section import row_of, wrapped
from napari_unblur.panels.style import GAP
from unblur.model.kernel import KernelField

if TYPE_CHECKING:
    from unblur.numerics.psf import Diagnostic

THUMBNAIL = 72
"""Edge of the picture of the PSF, in pixels of the screen."""


class DoctorPanel(QWidget):
    """A picture of the PSF, where it came from, the doctor's findings and what can be done."""

    repair_wanted = Signal()
    field_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.picture = QLabel()
        self.picture.setObjectName("thumbnail")
        self.picture.setFixedSize(THUMBNAIL, THUMBNAIL)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.note = wrapped()
        self.findings = wrapped(name="findings")
        self.findings.setTextFormat(Qt.TextFormat.RichText)
        self.repair = QPushButton("Repair")
        self.repair.setToolTip("Use the PSF as the doctor mends it; the layer or file stays.")
        self.repair.clicked.connect(lambda _checked=False: self.repair_wanted.emit())
        self.view_field = QPushButton("Show over the image")
        self.view_field.setToolTip("Lay the kernels out as a grid over the image.")
        self.view_field.clicked.connect(lambda _checked=False: self.field_wanted.emit())
        words = QVBoxLayout()
        words.setSpacing(GAP)
        words.addWidget(self.note)
        words.addWidget(self.findings)
        words.addStretch()
        beside = QHBoxLayout()
        beside.setSpacing(GAP + 2)
        beside.addWidget(self.picture, alignment=Qt.AlignmentFlag.AlignTop)
        beside.addLayout(words, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addLayout(beside)
        layout.addWidget(row_of(self.repair, self.view_field))

    def show_psf(self, psf: Psf | None, is_repaired: bool) -> None:
        """Show what the user brought; hide everything where there is nothing."""
        mended = KernelField.single(psf.repaired) if psf and psf.repaired else None
        shown = mended if psf is None or psf.kernels is None or is_repaired else psf.kernels
        note = psf.note if psf is not None else ""
        if shown is not None:
            note = f"{note} {extent(shown)}." + (" Repaired." if is_repaired else "")
        self._draw(shown, note)
        self.findings.setText(_listed(psf, is_repaired))
        self.findings.setToolTip(_in_full(psf, is_repaired))
        self.findings.setVisible(bool(self.findings.text()))
        self.repair.setVisible(mended is not None and not is_repaired)
        self.view_field.setVisible(psf is not None and (is_repaired or psf.kernels is not None))

    def show_estimated(self, field: KernelField) -> None:
        """Show the kernel that the pipeline has found."""
        self._draw(field, f"Found in the image: {extent(field)}.")
        self.findings.hide()
        self.repair.hide()
        self.view_field.show()

    def show_waiting(self) -> None:
        """Show that the PSF is on its way."""
        self._draw(None, "Reading the PSF…")
        for part in (self.findings, self.repair, self.view_field):
            part.hide()

    def _draw(self, field: KernelField | None, note: str) -> None:
        self.note.setText(note)
        self.setVisible(bool(note))
        self.picture.setVisible(field is not None)
        if field is not None:
            self.picture.setPixmap(_pixmap(thumbnail(field.mean)))


def extent(field: KernelField) -> str:
    """Return size and number of kernels in words."""
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


def _listed(psf: Psf | None, repaired: bool) -> str:
    """Return what the doctor warns of, one line each; notes wait in the tooltip."""
    findings = _open_findings(psf, repaired)
    if psf is None or not psf.findings:
        return ""
    lines = [
        f"<b>{_MARKS[finding.level]}</b>&nbsp;{escape(_remark(finding))}"
        for finding in findings
        if finding.level in _MARKS
    ]
    notes = len(findings) - len(lines)
    if not lines:
        lines.append("✓&nbsp;The PSF doctor finds nothing amiss.")
    if notes:
        lines.append(f"<i>{notes} note{'s' if notes > 1 else ''}: rest the pointer here.</i>")
    return "<br>".join(lines)


def _in_full(psf: Psf | None, repaired: bool) -> str:
    """Return all that is left to say, for the tooltip."""
    return "\n".join(f"{f.what}: {_remark(f)}" for f in _open_findings(psf, repaired))


def _open_findings(psf: Psf | None, repaired: bool) -> list[Diagnostic]:
    return [
        finding
        for finding in (psf.findings if psf is not None else ())
        if finding.level != "ok" and not (repaired and is_repairable(finding))
    ]


def _remark(finding: Diagnostic) -> str:
    if not is_repairable(finding):
        return finding.detail
    return f"{finding.detail} Repair {finding.repair[:1].lower()}{finding.repair[1:]}"


_MARKS = {"warning": "!", "error": "✕"}
