"""The confidence of a blind result: its mean over parts of an image, its grade, its warnings.

The confidence is the probability that the result gains at least 0.5 dB in PSNR over the blurred
image, in [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from unblur.errors import KernelError

Grade = Literal["low", "medium", "high"]

LOW_CONFIDENCE = 0.5
"""Confidence below which a run warns that its blur was probably not found, dimensionless."""

HIGH_CONFIDENCE = 0.8
"""Smallest confidence that is called high, dimensionless."""

MAX_PLANES = 5
"""Largest number of planes that a warning names, dimensionless."""

DECIMALS = 3
"""Number of decimals of a confidence in a report, dimensionless."""


def valid_confidence(value: Any) -> float:
    """Return a confidence as a float.

    Raises
    ------
    KernelError
        If it is no number in [0, 1].

    Example
    -------
    >>> valid_confidence(1)
    1.0
    """
    try:
        confidence = float(value)
    except (TypeError, ValueError):
        confidence = float("nan")
    if not 0 <= confidence <= 1:
        raise KernelError(
            f"the confidence of a kernel is a probability in [0, 1] or None, got {value!r}."
        )
    return confidence


def mean_confidence(values: Iterable[float | None]) -> float | None:
    """Return the mean of the confidences of parts of an image.

    It is None where one of them is None, and where there are none.

    Example
    -------
    >>> mean_confidence([0.25, 0.75])
    0.5
    >>> mean_confidence([0.25, None]) is None
    True
    """
    stated = list(values)
    known = [value for value in stated if value is not None]
    return sum(known) / len(known) if known and len(known) == len(stated) else None


def is_low(confidence: float) -> bool:
    """Return whether a confidence in [0, 1], rounded as in a report, is below the limit."""
    return round(confidence, DECIMALS) < LOW_CONFIDENCE


def confidence_grade(confidence: float) -> Grade:
    """Return the grade of a confidence in [0, 1]: low, medium from 0.5, high from 0.8.

    Example
    -------
    >>> [confidence_grade(value) for value in (0.21, 0.5, 0.8)]
    ['low', 'medium', 'high']
    """
    if is_low(confidence):
        return "low"
    return "high" if confidence >= HIGH_CONFIDENCE else "medium"


def confidence_number(confidence: float) -> str:
    """Return a confidence in [0, 1] with two decimals.

    It is rounded down: a value below the limit of a grade is not written as the limit.

    Example
    -------
    >>> confidence_number(0.499)
    '0.49'
    """
    return f"{round(confidence * 10**DECIMALS) // 10 / 100:.2f}"


def describe_confidence(confidence: float) -> str:
    """Return a confidence in [0, 1] with its grade.

    Example
    -------
    >>> describe_confidence(0.93)
    '0.93 (high)'
    """
    return f"{confidence_number(confidence)} ({confidence_grade(confidence)})"


def low_confidence_warning(confidence: float, advice: Sequence[str]) -> str:
    """Return the sentence for a low confidence in [0, 1], with what to try.

    Example
    -------
    >>> low_confidence_warning(0.2, ["a crop"]).partition("; ")[2]
    'try a crop.'
    """
    sentence = (
        f"confidence {confidence_number(confidence)}: the blur was probably not found, and the "
        "result may be no better than the image"
    )
    if advice:
        *others, last = advice
        joined = f"{', '.join(others)}, or {last}" if len(others) > 1 else " or ".join(advice)
        sentence += f"; try {joined}"
    return f"{sentence}."


def plane_warnings(confidences: Mapping[str, float | None]) -> list[str]:
    """Return one sentence that names the planes of a low confidence, none if there are none.

    Parameters
    ----------
    confidences : dict of name to float
        Confidence of each plane that has a kernel of its own, in [0, 1].

    Example
    -------
    >>> plane_warnings({"time 0": 0.9, "time 1": 0.2, "time 2": None})
    ['confidence below 0.5 for 1 of 3 planes, whose blur was probably not found: time 1.']
    """
    low = [name for name, value in confidences.items() if value is not None and is_low(value)]
    if not low:
        return []
    named = ", ".join(low[:MAX_PLANES]) + (" ..." if len(low) > MAX_PLANES else "")
    return [
        f"confidence below {LOW_CONFIDENCE} for {len(low)} of {len(confidences)} planes, whose "
        f"blur was probably not found: {named}."
    ]
