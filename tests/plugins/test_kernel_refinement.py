"""Further refinement of a kernel at full size: its array, its limits, and when it ends."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unblur.model.context import Context
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.synthesis import shake_kernel
from unblur.testing import synthetic_scene
from unblur_classic.map.estimator import MapEstimator
from unblur_classic.map.preprocessing import preprocess
from unblur_classic.map.search import candidates
from unblur_classic.map.search.candidates import Candidate, Restored, refined_further
from unblur_classic.map.search.hypotheses import HYPOTHESES
from unblur_classic.map.search.kernel_refinement import count_iterations, refine_further
from unblur_classic.map.search.kernel_search import FoundKernel
from unblur_classic.map.search.search_track import support_extent


@pytest.fixture(scope="module")
def shaken():
    kernel = shake_kernel(25, torch.Generator().manual_seed(3))
    scene = synthetic_scene((200, 240), kernel, seed=6)
    return torch.from_numpy(np.array(kernel.weights)), preprocess(scene.blurred, Context())


def further(kernel, given, **params):
    return refine_further(kernel, given, MapEstimator(params).params, lambda _: None)


def cut(kernel):
    """Return the middle of a kernel, without the ends of its motion."""
    inside = kernel[6:-6, 6:-6]
    return inside / inside.sum()


def similarity(kernel, true):
    return kernel_similarity(kernel.numpy(), true.numpy())


def test_a_kernel_whose_array_was_too_small_regains_what_was_cut(shaken):
    true, given = shaken
    part = cut(true)
    before = similarity(part, true)
    once = further(part, given)
    twice = further(once, given)
    assert part.shape[-1] < once.shape[-1]
    assert before < similarity(once, true) <= similarity(twice, true) + 0.01
    assert similarity(twice, true) > before + 0.05
    torch.testing.assert_close(float(once.sum()), 1.0)


@pytest.mark.parametrize(("size", "extent", "largest"), [(15, 13, 15), ("auto", 97, 99)])
def test_a_stated_size_and_half_the_image_are_the_largest_extents(shaken, size, extent, largest):
    _, given = shaken
    wide = torch.ones(extent, extent) / extent**2
    found = further(wide, given, size=size, refinements=1)
    assert found.shape[-1] == largest


def test_without_refinements_the_kernel_stays(shaken):
    true, given = shaken
    assert further(true, given, refinements=0) is true


def test_its_iterations_are_those_that_are_counted(shaken):
    _, given = shaken
    params = MapEstimator(refinements=2, iterations=1).params
    ticks = []
    kernel = torch.ones(9, 9) / 81
    refine_further(kernel, given, params, ticks.append)
    assert len(ticks) == params.refinements
    without = MapEstimator(refinements=0, iterations=1).params
    assert count_iterations(9, params) - count_iterations(9, without) == 2 * len(ticks)


@pytest.mark.parametrize(
    ("sparsities", "gains", "n_refined", "chosen"),
    [
        ((-0.5, -0.6, -0.7), (2.0, 2.0, 2.0), 2, 2),
        ((-0.5, -0.6, -0.55), (2.0, 2.0, 2.0), 2, 1),
        ((-0.5, -0.5, -0.9), (2.0, 2.0, 2.0), 1, 0),
        # A decibel of predicted gain outweighs a little sparsity.
        ((-0.5, -0.48, -0.4), (2.0, 3.0, 3.0), 2, 1),
    ],
)
def test_it_is_repeated_as_long_as_the_restored_image_becomes_better(
    monkeypatch, shaken, sparsities, gains, n_refined, chosen
):
    _, given = shaken
    number = {9: 0, 11: 1, 13: 2}

    def measure(_, kernel):
        n = number[support_extent(kernel)]
        return Restored(sparsities[n], negative=0.0, gain=gains[n])

    monkeypatch.setattr(candidates, "measure_restored", measure)
    refined = []

    def refine(kernel):
        refined.append(kernel)
        extent = kernel.shape[-1] + 2
        return torch.ones(extent, extent) / extent**2

    kernel = torch.ones(9, 9) / 81
    found = FoundKernel(kernel, 1.0, HYPOTHESES[0], -0.5, 1.0)
    best = refined_further(Candidate.of(found, kernel, given), given, refine)
    assert len(refined) == n_refined
    assert number[best.kernel.shape[-1]] == chosen
