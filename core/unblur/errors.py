"""Exceptions of the package, and the messages that users read.

Every error that a user can cause derives from `UnblurError`. Its message is one sentence
that states what was expected, what was given, and what to do; the command prints it without a
traceback.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable


def printable(text: str) -> str:
    r"""Return `text` with control characters as escapes, so that a terminal does not obey them.

    Names of files may contain any characters: sequences that a terminal obeys, marks that reverse
    the order of the following text, and bytes that are not UTF-8. Line breaks and tabs stay.

    Example
    -------
    >>> printable("a\x1b[31mb\n")
    'a\\x1b[31mb\n'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if _is_harmless(c) else _escaped(c) for c in text)


def _is_harmless(character: str) -> bool:
    if character in "\n\t" or character.isprintable():
        return True
    return unicodedata.category(character) in ("Zs", "Cf", "Co", "Cn") and not (
        "\u202a" <= character <= "\u202e" or "\u2066" <= character <= "\u2069"
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


LONGEST_VALUE = 80
"""Longest text of a value that a message quotes whole, in characters."""


def shorten(text: str) -> str:
    """Return `text`, or its beginning and an ellipsis if it is longer than `LONGEST_VALUE`."""
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


class UnblurError(Exception):
    """An error that the user can correct; the message states how."""

    def __str__(self) -> str:
        """Return the message in one line, control characters of names as escapes."""
        return printable(super().__str__().replace("\n", " "))


class UsageError(UnblurError):
    """An invalid request: an unknown name, a bad value, a bad pipeline file."""


class ParamsError(UsageError):
    """A param that the stage does not have, or a value out of bounds."""


class PipelineError(UsageError):
    """A pipeline file that cannot be read or is not a valid pipeline."""


class ImageError(UnblurError):
    """An image that cannot be read or deblurred."""


class KernelError(UnblurError):
    """A blur kernel that is not a non-negative finite array with a positive sum."""


class OutputError(UnblurError):
    """A result that cannot be written to its destination."""


class PluginError(UnblurError):
    """A plugin that cannot be loaded or does not follow the specification of a hook."""


class WeightsError(UnblurError):
    """Trained weights that are missing, altered, or in a format that may run code."""


class Cancelled(Exception):
    """Cancellation by the user. Not an `UnblurError`, since it is no error."""


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


SIMILAR = 0.7
"""Smallest similarity of a known name that is suggested for an unknown one, by
`difflib.SequenceMatcher.ratio`, dimensionless."""


def suggestion(unknown: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known name nearest to `unknown`, else `""`."""
    near = difflib.get_close_matches(unknown, list(known), n=1, cutoff=SIMILAR)
    return f"; did you mean '{near[0]}'?" if near else ""


def unknown_name(what: str, unknown: str, known: Iterable[str]) -> str:
    """Return the sentence for a name that nobody registered, with the nearest known one."""
    names = sorted(known)
    return (
        f"there is no {what} '{unknown}'{suggestion(unknown, names) or '.'} "
        f"Known: {', '.join(names) or 'none'}."
    )
