"""The warning that an old name gives."""

from __future__ import annotations

import warnings


class OldNameWarning(DeprecationWarning):
    """Use of a name that the next release no longer reads."""


def note(old: str, new: str) -> str:
    """Return the sentence that gives the new name beside the old one."""
    return f"'{old}' is now called '{new}'; the old name is read until the next release."


def warn_renamed(old: str, new: str, stacklevel: int = 3) -> None:
    """Warn that `old` is read for one more release, and that `new` is its name now."""
    warnings.warn(note(old, new), OldNameWarning, stacklevel=stacklevel)
