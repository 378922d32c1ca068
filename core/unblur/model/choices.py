"""What a kernel estimator chose by evidence: of one image, merged over regions, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

Choices = Mapping[str, str]
"""What was chosen, e.g. "text", each with the evidence for it in words."""


def describe_choices(choices: Choices) -> str:
    """Return choices in one line, "" where there are none.

    Example
    -------
    >>> describe_choices({"text": "65 % of paper", "one kernel": ""})
    'text (65 % of paper); one kernel'
    """
    parts = (f"{name} ({why})" if why else name for name, why in choices.items())
    return "; ".join(parts)


def merge_choices(of_regions: Iterable[Choices]) -> dict[str, str]:
    """Return the choices of several regions of one image.

    What was chosen more than once, or not in all regions, has the number of them as its evidence.

    Example
    -------
    >>> merge_choices([{"text": "65 % of paper"}])
    {'text': '65 % of paper'}
    >>> merge_choices([{"text": "65 % of paper"}, {"natural": ""}, {"text": "50 % of paper"}])
    {'text': '2 of 3 regions', 'natural': '1 of 3 regions'}
    """
    stated = list(of_regions)
    if len(stated) == 1:
        return dict(stated[0])
    counts = Counter(name for choices in stated for name in choices)
    return {name: f"{count} of {len(stated)} regions" for name, count in counts.items()}
