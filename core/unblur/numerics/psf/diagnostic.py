"""One sentence of the PSF doctor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["ok", "note", "warning", "error"]
"""Nothing to do; good to know; the result suffers; cannot be used as it is."""


@dataclass(frozen=True)
class Diagnostic:
    """What was found about one property of a PSF.

    Attributes
    ----------
    level : Severity
        How much it matters.
    what : str
        The property: "values", "background", "centre", ...
    detail : str
        What was measured, in one sentence.
    repair : str
        What `repair` does about it, or what the user can do; empty where nothing is needed.
    """

    level: Severity
    what: str
    detail: str
    repair: str = ""
