"""Grades and mean of confidences."""

import pytest

from unblur.model.confidence import (
    HIGH_CONFIDENCE,
    LOW_CONFIDENCE,
    confidence_grade,
    describe_confidence,
    mean_confidence,
)


@pytest.mark.parametrize(
    ("confidence", "text"),
    [
        (0.0, "0.00 (low)"),
        (0.29, "0.29 (low)"),
        (0.499, "0.49 (low)"),
        (LOW_CONFIDENCE, "0.50 (medium)"),
        (0.799, "0.79 (medium)"),
        (HIGH_CONFIDENCE, "0.80 (high)"),
        (1.0, "1.00 (high)"),
    ],
)
def test_a_confidence_in_words(confidence, text):
    assert describe_confidence(confidence) == text


def test_the_grade_is_that_of_the_rounded_value():
    assert confidence_grade(0.4996) == "medium"
    assert describe_confidence(0.4996) == "0.50 (medium)"
    assert confidence_grade(0.4994) == "low"


def test_a_mean_needs_all_parts():
    assert mean_confidence([0.2, 0.4]) == pytest.approx(0.3)
    assert mean_confidence([0.2, None]) is None
    assert mean_confidence([]) is None
