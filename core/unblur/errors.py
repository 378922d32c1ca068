"""What goes wrong, in words for the person at the keyboard.

Every error that a user can cause derives from `UnblurError`. Its message is one sentence
that states what was expected, what came, and what to do; the command prints it without a
traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UnblurError(Exception):
    """Something the user can mend; the message says how."""


class UsageError(UnblurError):
    """The request itself is wrong: an unknown name, a bad value, a bad pipeline file."""


class ParamsError(UsageError):
    """A stage was given a parameter that it lacks or a value out of bounds."""


class PipelineError(UsageError):
    """A pipeline file cannot be read or does not make sense."""


class ImageError(UnblurError):
    """An image cannot be read, or cannot be deblurred as it is."""


class KernelError(UnblurError):
    """A blur kernel breaks a rule that every kernel obeys."""


class OutputError(UnblurError):
    """A result cannot be written where it was asked for."""


class PluginError(UnblurError):
    """A plugin cannot be loaded or breaks the contract of a hook."""


class WeightsError(UnblurError):
    """Trained weights are missing, altered, or of a format that may run code."""


class Cancelled(Exception):
    """The user asked to stop. Not an `UnblurError`: nothing is wrong."""


def describe_exception(error: BaseException) -> str:
    """Return the message of an `UnblurError`, or type and message of any other exception.

    Example
    -------
    >>> describe_exception(UsageError("there is no stage 'x'."))
    "there is no stage 'x'."
    >>> describe_exception(ValueError("negative"))
    'ValueError: negative'
    """
    return str(error) if isinstance(error, UnblurError) else f"{type(error).__name__}: {error}"


def suggestion(unknown: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known name nearest to `unknown`, else `""`."""
    near = difflib.get_close_matches(unknown, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""


def unknown_name(what: str, unknown: str, known: Iterable[str]) -> str:
    """Return the sentence for a name that nobody registered, with the nearest known one."""
    names = sorted(known)
    return (
        f"there is no {what} '{unknown}'{suggestion(unknown, names) or '.'} "
        f"Known: {', '.join(names) or 'none'}."
    )
