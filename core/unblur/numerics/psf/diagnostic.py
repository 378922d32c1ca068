"""One sentence of the PSF doctor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "warning", "error"]
"""Nothing to do; good to know; the result suffers; cannot be used as it is."""


@dataclass(frozen=True)
class Finding:
    """What was found about one property of a PSF.

    Attributes
    ----------
    level : Level
        How much it matters.
    what : str
        The property: "values", "background", "centre", ...
    detail : str
        What was measured, in one sentence.
    repair : str
        What `repair` does about it, or what the user can do; empty where nothing is needed.
    """

    level: Level
    what: str
    detail: str
    repair: str = ""
