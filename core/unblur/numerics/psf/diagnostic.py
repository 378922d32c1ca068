"""The result of one check of a PSF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["ok", "note", "warning", "error"]
"""Severity of a diagnostic: no defect; information; lower quality of the result; unusable PSF."""


@dataclass(frozen=True)
class Diagnostic:
    """The result of checking one property of a PSF.

    Attributes
    ----------
    level : Severity
        Severity of the defect, "ok" if there is none.
    what : str
        Name of the checked property: "values", "background", "centre", ...
    detail : str
        The measurement, in one sentence.
    repair : str
        The correction that `repair` makes, or "Nothing" with advice for the user; empty where no
        correction is needed.
    """

    level: Severity
    what: str
    detail: str
    repair: str = ""
