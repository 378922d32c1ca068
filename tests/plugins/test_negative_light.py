"""Negative light of a restored image counts against its kernel."""

from __future__ import annotations

from dataclasses import replace
from math import exp, inf

import numpy as np
import pytest
import torch

from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.testing import synthetic_scene
from unblur_classic.map.preprocessing import preprocess
from unblur_classic.map.scoring import (
    DARK_ALLOWANCE,
    NEGATIVE_ALLOWANCE,
    NEGATIVE_WEIGHT,
    dark_share,
    negative_light,
    sparsity_of,
    sparsity_score,
)
from unblur_classic.map.search.candidates import measure_restored
from unblur_classic.map.search.hypotheses import HYPOTHESES
from unblur_classic.map.search.kernel_confidence import (
    TYPICAL_NEGATIVE,
    confidence_of,
    measure_evidence,
)
from unblur_classic.map.search.kernel_search import FoundKernel

DOUBLE = torch.zeros(21, 21)
DOUBLE[10, 0] = DOUBLE[10, 20] = 0.5
"""A kernel of two points: to explain other blur, its images need echoes of both signs."""


@pytest.fixture(scope="module")
def shaken():
    """Return an input blurred by a line of 9 pixels, and that line."""
    line = np.zeros((9, 9))
    line[4] = 1 / 9
    scene = synthetic_scene((128, 128), Kernel(line))
    return preprocess(scene.blurred, Context()), torch.from_numpy(line).float()


def test_the_mean_of_what_is_below_black_counts_less_the_border():
    image = torch.ones(40, 40)
    image[20, 20], image[0, 0] = -2.0, -500.0
    inner = 36 * 36
    assert negative_light(image, torch.ones(5, 5)) == pytest.approx(2 / inner)
    assert negative_light(image, torch.ones(5, 5), 1.5) == pytest.approx(
        (3.5 + 0.5 * (inner - 1)) / inner
    )
    assert negative_light(image, torch.ones(5, 5), -inf) == 0.0


def test_in_a_dark_scene_some_negative_light_does_not_count():
    blurred = torch.tensor([0.0, 0.09, 0.11, 2.0]).reshape(2, 2)
    assert dark_share(blurred) == 0.5
    assert dark_share(blurred - 1, -1.0) == 0.5
    assert dark_share(blurred, -inf) == 0.0
    image = torch.full((40, 40), -0.2)
    kernel = torch.ones(5, 5)
    light = negative_light(image, kernel, dark=0.5)
    assert light == pytest.approx(0.2 - 0.5 * DARK_ALLOWANCE)
    assert negative_light(image, kernel, dark=0.9) == 0.0
    image[::2] = 1.0
    assert sparsity_score(image, kernel) > sparsity_score(image, kernel, dark=0.5)
    assert sparsity_score(image, kernel, dark=0.5) == sparsity_of(image, kernel)


def test_the_score_is_the_sparsity_raised_by_much_negative_light():
    image = torch.rand(40, 40, generator=torch.Generator().manual_seed(1)) - 0.2
    kernel = torch.ones(5, 5)
    for shift, excess in ((0.0, False), (-0.3, True)):
        shifted = image + shift
        negative = negative_light(shifted, kernel)
        assert (negative > NEGATIVE_ALLOWANCE) is excess
        raised = exp(NEGATIVE_WEIGHT * max(negative - NEGATIVE_ALLOWANCE, 0.0))
        assert sparsity_score(shifted, kernel) == pytest.approx(
            raised * sparsity_of(shifted, kernel)
        )
        assert sparsity_score(shifted, kernel, -inf) == sparsity_of(shifted, kernel)
    assert sparsity_score(1e6 * image, kernel) < inf


def test_a_wrong_kernel_needs_more_negative_light_than_the_true_one(shaken):
    given, line = shaken
    true, double = (measure_restored(given, kernel)[1] for kernel in (line, DOUBLE))
    assert double > 5 * true + 0.002


@pytest.mark.parametrize("kernel", [DOUBLE, torch.ones(3, 3) / 9])
def test_without_a_black_level_a_pedestal_changes_no_score(shaken, kernel):
    given, _ = shaken
    unknown = replace(given, black=-inf)
    lower = replace(unknown, y=given.y - 3 * given.y.mean())
    expected = measure_restored(unknown, kernel)
    assert measure_restored(lower, kernel) == pytest.approx(expected, abs=2e-3)
    assert expected[1] == TYPICAL_NEGATIVE


def test_an_image_with_negative_values_has_no_black_level():
    image = torch.rand(1, 32, 32, generator=torch.Generator().manual_seed(2))
    assert preprocess(image, Context()).black == 0.0
    assert preprocess(image - 0.5, Context()).black == -inf
    # The engine maps the least value of such an image to 0, and says that there were lower ones.
    assert preprocess(image, Context(value_range=(-inf, inf))).black == -inf


def test_negative_light_lowers_the_confidence(shaken):
    given, line = shaken
    found = FoundKernel(line, 1.0, HYPOTHESES[0], sparsity=-0.5, agreement=1.0)
    none, some = (
        confidence_of(measure_evidence(given, found, line, negative=value)) for value in (0.0, 0.1)
    )
    assert some < none - 0.05
