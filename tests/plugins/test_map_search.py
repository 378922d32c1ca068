"""Scores of kernels, and multi-start estimation."""

import numpy as np
import pytest
import torch

from unblur.errors import Cancelled
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.pyramid import pyramid_levels
from unblur.testing import synthetic_scene
from unblur_classic.map.alternating import INITIAL_DIRECTIONS, initial_kernel
from unblur_classic.map.multi_start import multi_start, restart_levels
from unblur_classic.map.scoring import KernelScorer
from unblur_classic.priors.gradient_priors import L0Gradient

CURVED = np.zeros((9, 9), np.float32)
CURVED[[1, 2, 3, 4, 5, 5, 5, 5], [2, 2, 3, 3, 3, 4, 5, 6]] = [1, 1, 2, 3, 2, 1, 1, 2]


@pytest.fixture(scope="module")
def shaken():
    return synthetic_scene((110, 120), Kernel(CURVED), noise=0.002, seed=4)


def test_wrong_kernels_have_a_higher_score_than_the_true_one(shaken):
    y, valid = shaken.blurred[0], torch.ones(110, 120)
    point = torch.zeros(9, 9)
    point[4, 4] = 1
    ghost = torch.tensor(CURVED)
    ghost[1:6, 7] += 1.5
    box = torch.ones(9, 9)
    true, *wrong = (
        KernelScorer(y, valid, Context())(k / k.sum())
        for k in (torch.tensor(CURVED), point, ghost, box, torch.tensor(CURVED).rot90(2))
    )
    assert min(wrong) > true
    brighter = KernelScorer(7 * y, valid, Context())
    assert brighter(torch.tensor(CURVED)) == pytest.approx(true, rel=1e-3)


def test_settings_of_the_context_in_other_units_are_ignored(shaken):
    y, valid, kernel = shaken.blurred[0], torch.ones(110, 120), torch.tensor(CURVED)
    valid[40:44, 30:60] = 0
    context = Context(noise=0.3, contrast=0.01, saturation_level=0.0)
    assert KernelScorer(y, valid, context)(kernel) == KernelScorer(y, valid, Context())(kernel)


def test_the_values_of_masked_pixels_do_not_matter(shaken):
    mask, kernel = torch.ones(110, 120), torch.tensor(CURVED)
    mask[40:52, 30:60] = 0
    values = [
        KernelScorer(torch.where(mask > 0, shaken.blurred[0], fill), mask, Context())(kernel)
        for fill in (0.0, 9.0)
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-3)


def test_the_first_prior_with_a_blur_score_is_used(shaken):
    class Undefined(L0Gradient):
        pass

    class MeanScore(L0Gradient):
        stop_score = 0.5

        def blur_score(self, x):
            return float(x.mean())

    y, valid, kernel = shaken.blurred[0], torch.ones(110, 120), torch.tensor(CURVED) / CURVED.sum()

    class Unused(MeanScore):
        stop_score = 0.7

        def blur_score(self, x):
            raise AssertionError

    priors = [Undefined(), MeanScore(), Unused()]
    scorer = KernelScorer(y, valid, Context(), priors)
    assert scorer(kernel) == pytest.approx(float(y.mean() / y.std()), rel=0.02)
    assert scorer.stop_score == 0.5
    plain = KernelScorer(y, valid, Context(), priors[:1])
    assert plain(kernel) == KernelScorer(y, valid, Context())(kernel)
    assert plain.stop_score == -np.inf


def test_scoring_stops_when_cancelled(shaken):
    stopped = Context(is_cancelled=lambda: True)
    with pytest.raises(Cancelled):
        KernelScorer(shaken.blurred[0], torch.ones(110, 120), stopped)(torch.rand(9, 9))


# Multi-start estimation, with kernels of one sample.


LEVELS = pyramid_levels(21)
SCORER = KernelScorer(torch.rand(40, 40), torch.ones(40, 40), Context())


class SumScorer(KernelScorer):
    """The sum of a kernel as its score."""

    stop_score = 2.0

    def __call__(self, kernel):
        return float(kernel.sum())


def recorded(results):
    calls = []

    def estimate(factor, initial, levels):
        calls.append((factor, initial, levels))
        return torch.full((1, 1), float(next(results)))

    return estimate, calls


def search(results, initial_kernels=(0.0,), factors=(1.0, 2.0), restarts=0):
    estimate, calls = recorded(iter(results))
    initial_kernels = [torch.full((5, 5), initial) for initial in initial_kernels]
    scorer = SumScorer(SCORER.y, SCORER.valid, SCORER.context)
    return float(multi_start(estimate, scorer, initial_kernels, factors, LEVELS, restarts)), calls


def test_every_start_is_tried_with_every_factor_and_the_best_is_kept():
    best, calls = search([9, 5, 7, 8], initial_kernels=(0.0, 1.0))
    assert best == 5
    assert [(factor, float(initial[0, 0])) for factor, initial, _ in calls] == [
        (1, 0),
        (2, 0),
        (1, 1),
        (2, 1),
    ]


def test_it_ends_at_a_score_at_or_below_the_stop_score():
    best, calls = search([9, 1.5, 1], initial_kernels=(0.0, 1.0), restarts=3)
    assert best == 1.5
    assert len(calls) == 2


def test_a_restart_begins_at_the_best_kernel_at_finer_levels():
    best, calls = search([9, 8, 7, 6, 7, 9, 5.99] + 3 * [7], restarts=3)
    assert best == pytest.approx(5.99)
    assert len(calls) == 2 + 4 + 4  # the second round gained too little for a third
    starts = {levels[0] for _, _, levels in calls[2:6]}
    assert starts == {LEVELS[-2], LEVELS[-4]}
    for _, initial, levels in calls[2:]:
        assert initial.shape == (levels[0].size,) * 2
        assert float(initial.sum()) == pytest.approx(1)


def test_a_round_without_gain_is_the_last_and_keeps_the_best_kernel():
    best, calls = search([9, 8] + 4 * [8.5], restarts=5)
    assert best == 8
    assert len(calls) == 6


def test_a_negative_score_without_gain_ends_it_too():
    class NegativeScorer(SumScorer):
        stop_score = -np.inf

    estimate, calls = recorded(iter([-5] + 99 * [-4]))
    scorer = NegativeScorer(SCORER.y, SCORER.valid, SCORER.context)
    assert float(multi_start(estimate, scorer, [torch.zeros(5, 5)], [1.0], LEVELS, 5)) == -5
    assert len(calls) == 1 + 2


def test_restarts_over_few_levels_repeat_none():
    assert restart_levels(5) == [2, 4]
    assert restart_levels(3) == [2, 3]
    assert restart_levels(2) == [2]
    assert restart_levels(1) == [1]


def test_a_single_estimate_is_not_scored():
    def scorer(kernel):
        raise AssertionError

    estimate, _ = recorded(iter([3]))
    assert float(multi_start(estimate, scorer, [torch.zeros(5, 5)], [1.0], LEVELS, 0)) == 3


def test_initial_kernels_have_four_directions():
    initial_kernels = [
        initial_kernel(5, torch.zeros(1), direction) for direction in INITIAL_DIRECTIONS
    ]
    for initial in initial_kernels:
        assert sorted(initial.unique().tolist()) == [0, 0.5]
        assert initial.sum() == 1
        assert initial[2, 2] == 0.5
    assert len({tuple(initial.flatten().tolist()) for initial in initial_kernels}) == 4
