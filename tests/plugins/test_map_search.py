"""Which kernel `map` keeps: the judge of restored images, and the search from several starts."""

import numpy as np
import pytest
import torch

from unblur.errors import Cancelled
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.pyramid import pyramid_levels
from unblur.testing import synthetic_scene
from unblur_classic.map.alternating import WAYS, first_kernel
from unblur_classic.map.multi_start import depths_of, searched
from unblur_classic.map.scoring import Judge
from unblur_classic.priors.gradient_priors import L0Gradient

BENT = np.zeros((9, 9), np.float32)
BENT[[1, 2, 3, 4, 5, 5, 5, 5], [2, 2, 3, 3, 3, 4, 5, 6]] = [1, 1, 2, 3, 2, 1, 1, 2]


@pytest.fixture(scope="module")
def shaken():
    return synthetic_scene((110, 120), Kernel(BENT), noise=0.002, seed=4)


def test_wrong_kernels_are_less_plausible_than_the_true_one(shaken):
    y, trusted = shaken.blurred[0], torch.ones(110, 120)
    point = torch.zeros(9, 9)
    point[4, 4] = 1
    ghost = torch.tensor(BENT)
    ghost[1:6, 7] += 1.5
    box = torch.ones(9, 9)
    true, *wrong = (
        Judge(y, trusted, Context())(k / k.sum())
        for k in (torch.tensor(BENT), point, ghost, box, torch.tensor(BENT).rot90(2))
    )
    assert min(wrong) > true
    louder = Judge(7 * y, trusted, Context())
    assert louder(torch.tensor(BENT)) == pytest.approx(true, rel=1e-3)


def test_what_is_known_of_the_image_in_other_units_does_not_matter(shaken):
    y, trusted, kernel = shaken.blurred[0], torch.ones(110, 120), torch.tensor(BENT)
    trusted[40:44, 30:60] = 0
    told = Context(noise=0.3, contrast=0.01, saturation_level=0.0)
    assert Judge(y, trusted, told)(kernel) == Judge(y, trusted, Context())(kernel)


def test_what_lies_under_the_mask_makes_no_kernel_less_plausible(shaken):
    mask = torch.ones(110, 120)
    mask[40:52, 30:60] = 0
    values = [
        Judge(torch.where(mask > 0, shaken.blurred[0], fill), mask, Context())(torch.tensor(BENT))
        for fill in (0.0, 9.0)
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-3)


def test_the_first_prior_that_tells_is_the_judge(shaken):
    class Silent(L0Gradient):
        pass

    class Dark(L0Gradient):
        stop_score = 0.5

        def blur_score(self, x):
            return float(x.mean())

    y, trusted, kernel = shaken.blurred[0], torch.ones(110, 120), torch.tensor(BENT) / BENT.sum()

    class Wrong(Dark):
        stop_score = 0.7

        def blur_score(self, x):
            raise AssertionError

    priors = [Silent(), Dark(), Wrong()]
    judge = Judge(y, trusted, Context(), priors)
    assert judge(kernel) == pytest.approx(float(y.mean() / y.std()), rel=0.02)
    assert judge.enough == 0.5
    plain = Judge(y, trusted, Context(), priors[:1])
    assert plain(kernel) == Judge(y, trusted, Context())(kernel)
    assert plain.enough == -np.inf


def test_judging_stops_when_told(shaken):
    stopped = Context(is_cancelled=lambda: True)
    with pytest.raises(Cancelled):
        Judge(shaken.blurred[0], torch.ones(110, 120), stopped)(torch.rand(9, 9))


# The search, by kernels that are numbers.


LEVELS = pyramid_levels(21)
OPEN = Judge(torch.rand(40, 40), torch.ones(40, 40), Context())


class Verdicts(Judge):
    """Verdicts by the number that a kernel holds."""

    enough = 2.0

    def __call__(self, kernel):
        return float(kernel.sum())


def recorded(results):
    calls = []

    def descend(factor, first, levels):
        calls.append((factor, first, levels))
        return torch.full((1, 1), float(next(results)))

    return descend, calls


def search(results, firsts=(0.0,), factors=(1.0, 2.0), rounds=0):
    descend, calls = recorded(iter(results))
    firsts = [torch.full((5, 5), first) for first in firsts]
    judge = Verdicts(OPEN.y, OPEN.trusted, OPEN.context)
    return float(searched(descend, judge, firsts, factors, LEVELS, rounds)), calls


def test_every_start_is_tried_with_every_factor_and_the_best_is_kept():
    best, calls = search([9, 5, 7, 8], firsts=(0.0, 1.0))
    assert best == 5
    assert [(factor, float(first[0, 0])) for factor, first, _ in calls] == [
        (1, 0),
        (2, 0),
        (1, 1),
        (2, 1),
    ]


def test_the_search_ends_with_a_kernel_that_is_good_enough():
    best, calls = search([9, 1.5, 1], firsts=(0.0, 1.0), rounds=3)
    assert best == 1.5
    assert len(calls) == 2


def test_a_round_begins_at_the_best_kernel_at_finer_scales():
    best, calls = search([9, 8, 7, 6, 7, 9, 5.99] + 3 * [7], rounds=3)
    assert best == pytest.approx(5.99)
    assert len(calls) == 2 + 4 + 4  # the second round gained too little for a third
    starts = {levels[0] for _, _, levels in calls[2:6]}
    assert starts == {LEVELS[-2], LEVELS[-4]}
    for _, first, levels in calls[2:]:
        assert first.shape == (levels[0].size,) * 2
        assert float(first.sum()) == pytest.approx(1)


def test_a_round_without_gain_is_the_last_and_keeps_what_was_found():
    best, calls = search([9, 8] + 4 * [8.5], rounds=5)
    assert best == 8
    assert len(calls) == 6


def test_a_verdict_below_0_that_gains_nothing_ends_the_search_too():
    class Odds(Verdicts):
        enough = -np.inf

    descend, calls = recorded(iter([-5] + 99 * [-4]))
    judge = Odds(OPEN.y, OPEN.trusted, OPEN.context)
    assert float(searched(descend, judge, [torch.zeros(5, 5)], [1.0], LEVELS, 5)) == -5
    assert len(calls) == 1 + 2


def test_a_round_over_few_scales_tries_no_descent_twice():
    assert depths_of(5) == [2, 4]
    assert depths_of(3) == [2, 3]
    assert depths_of(2) == [2]
    assert depths_of(1) == [1]


def test_a_single_descent_is_not_judged():
    def judge(kernel):
        raise AssertionError

    descend, _ = recorded(iter([3]))
    assert float(searched(descend, judge, [torch.zeros(5, 5)], [1.0], LEVELS, 0)) == 3


def test_first_kernels_lead_in_four_directions():
    firsts = [first_kernel(5, torch.zeros(1), way) for way in WAYS]
    for first in firsts:
        assert sorted(first.unique().tolist()) == [0, 0.5]
        assert first.sum() == 1
        assert first[2, 2] == 0.5
    assert len({tuple(first.flatten().tolist()) for first in firsts}) == 4
