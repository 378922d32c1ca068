"""Search for a kernel of unknown extent: size, hypotheses, threads, confidence."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

from unblur.accel.parallel import map_on_threads
from unblur.model.context import Context
from unblur.numerics.pyramid import odd
from unblur.numerics.synthesis import motion_kernel, shake_kernel
from unblur.testing import synthetic_scene
from unblur_classic.map import estimator
from unblur_classic.map.estimator import MapEstimator
from unblur_classic.map.preprocessing import preprocess
from unblur_classic.map.search import candidates, kernel_refinement
from unblur_classic.map.search import kernel_search as search_module
from unblur_classic.map.search.candidates import (
    Candidate,
    Restored,
    best_candidate,
    measure_together,
)
from unblur_classic.map.search.hypotheses import HYPOTHESES, STRONG_HYPOTHESES
from unblur_classic.map.search.kernel_confidence import confidence_of, measure_evidence
from unblur_classic.map.search.kernel_refinement import refine_kernel
from unblur_classic.map.search.kernel_search import (
    DOUBTFUL_AGREEMENT,
    DOUBTFUL_SPARSITY,
    search_kernel,
    similarity_across_scales,
)
from unblur_classic.map.search.search_track import support_extent, textured_window
from unblur_classic.map.search.spectrum_agreement import spectrum_agreement


def with_others(found, *differences):
    """Return what a search found, with alternatives that are less sparse by some differences."""
    others = (replace(found, sparsity=found.sparsity + d, alternatives=()) for d in differences)
    return replace(found, alternatives=tuple(others))


def restored(sparsity, gain=2.0):
    return Restored(sparsity, negative=0.0, gain=gain)


def given_of(kernel):
    return preprocess(synthetic_scene((200, 240), kernel, seed=6).blurred, Context())


@pytest.fixture(scope="module")
def shaken():
    kernel = shake_kernel(25, torch.Generator().manual_seed(3))
    given = given_of(kernel)
    return kernel, given, search_kernel(given, Context())


@pytest.fixture
def threads():
    own = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(own)


def test_the_kernel_of_the_search_is_the_true_one_at_its_level(shaken):
    kernel, _, found = shaken
    true = torch.from_numpy(np.array(kernel.weights))
    assert similarity_across_scales(found.kernel, found.ratio, true, 1.0) > 0.85
    assert found.agreement > 0.5
    assert found.sparsity < 0


def test_a_stated_size_bounds_the_kernel(shaken):
    _, given, _ = shaken
    found = search_kernel(given, Context(), size=9)
    assert found.kernel.shape[-1] * 1.0 <= 9 * found.ratio + 4


@pytest.fixture
def counts(monkeypatch):
    """Return a list of the numbers of alternations, all and unlike ones, after each level."""
    found = []

    def recorded(tracks):
        kept = unrecorded(tracks)
        found.append((sum(t.count for t in kept), len(kept)))
        return kept

    unrecorded = search_module._without_duplicates
    monkeypatch.setattr(search_module, "_without_duplicates", recorded)
    return found


def test_every_hypothesis_starts_at_several_levels_and_equal_tracks_become_one(counts, shaken):
    _, given, _ = shaken
    found = search_kernel(given, Context())
    assert found.sparsity < DOUBTFUL_SPARSITY
    assert found.agreement > DOUBTFUL_AGREEMENT
    assert {total for total, _ in counts} == {2 * len(HYPOTHESES)}
    assert counts[-1][1] < 2 * len(HYPOTHESES)


def test_a_doubtful_search_is_continued_from_one_more_level_and_by_strong_hypotheses(counts):
    noise = torch.rand(1, 160, 160, generator=torch.Generator().manual_seed(1))
    found = search_kernel(preprocess(noise, Context()), Context(), hypotheses=HYPOTHESES[:1])
    assert found.sparsity > DOUBTFUL_SPARSITY
    # Two levels, one more, all three, and the strong ones by themselves.
    totals = list(dict.fromkeys(total for total, _ in counts))
    assert totals == [2, 1, 3]
    assert counts[-1][0] == len(STRONG_HYPOTHESES)


@pytest.mark.parametrize(
    ("sparsity", "strong_sparsity", "is_strong"),
    [(-0.1, -0.25, True), (-0.1, -0.15, False), (-0.25, -0.5, False)],
)
def test_a_strong_hypothesis_wins_only_by_a_clearly_sparser_image_where_others_leave_it_blurred(
    monkeypatch, shaken, sparsity, strong_sparsity, is_strong
):
    _, given, found = shaken
    usual = replace(found, sparsity=sparsity, agreement=1.0)
    strong = replace(found, sparsity=strong_sparsity)
    monkeypatch.setattr(search_module, "_run_tracks", lambda starts, given, context, h, size: [*h])
    monkeypatch.setattr(search_module, "_without_duplicates", lambda tracks: tracks)
    monkeypatch.setattr(
        search_module, "_best_of", lambda t, context: strong if t[0] in STRONG_HYPOTHESES else usual
    )
    assert search_kernel(given, Context()) is (strong if is_strong else usual)


def test_no_alternation_is_repeated_from_a_level_where_it_has_started(counts, monkeypatch):
    monkeypatch.setattr(search_module, "FURTHER_SIDE", search_module.COARSEST_SIDES[1])
    noise = torch.rand(1, 160, 160, generator=torch.Generator().manual_seed(1))
    search_kernel(preprocess(noise, Context()), Context(), hypotheses=HYPOTHESES[:1])
    assert {total for total, _ in counts} == {2, len(STRONG_HYPOTHESES)}


@pytest.mark.parametrize("shape", [(72, 80), (160, 210)])
def test_the_number_of_threads_changes_no_bit_of_the_kernel(threads, shape):
    blurred = synthetic_scene(shape, motion_kernel(11, 40), seed=2).blurred
    kernels = []
    for count in (1, 2):
        threads(count)
        kernels.append(MapEstimator(size=11).estimate(blurred, Context()).kernel.weights)
    np.testing.assert_array_equal(*kernels)


def test_results_on_threads_are_in_order_and_the_number_of_threads_is_restored(threads):
    threads(2)
    assert map_on_threads(lambda n: (n, torch.get_num_threads()), range(5)) == [
        (n, 1) for n in range(5)
    ]
    assert torch.get_num_threads() == 2
    with pytest.raises(ZeroDivisionError):
        map_on_threads(lambda n: 1 // n, [1, 0, 2])
    assert torch.get_num_threads() == 2


def test_similarity_across_scales_is_that_at_the_coarser_level(shaken):
    kernel, _, _ = shaken
    fine = torch.from_numpy(np.array(kernel.weights))
    assert similarity_across_scales(fine, 1.0, fine, 1.0) == pytest.approx(1)
    # The same samples at half the scale are a kernel of twice the extent.
    assert similarity_across_scales(fine, 1.0, fine, 0.5) < 0.9


def test_the_support_is_what_lies_above_a_fraction_of_the_peak():
    kernel = torch.zeros(15, 15)
    kernel[7, 3:9], kernel[1, 7] = 1.0, 0.05
    assert support_extent(kernel) == 6
    kernel[1, 7] = 0.1
    assert support_extent(kernel) == 7


def test_the_window_is_the_most_textured_one_and_valid():
    image = torch.zeros(60, 80)
    image[40:, 50:] = torch.rand(20, 30, generator=torch.Generator().manual_seed(0))
    valid = torch.ones(60, 80)
    window, inside = textured_window(image, valid, 20)
    assert window.shape == inside.shape == (20, 20)
    assert float(window.std()) > 0.2
    assert textured_window(image, valid, 100)[0] is image
    assert textured_window(image, valid, 20, 30.5)[0].shape == (31, 31)


def test_the_evidence_for_a_true_kernel_is_better_than_for_a_wrong_one(shaken):
    kernel, given, found = shaken
    true = torch.from_numpy(np.array(kernel.weights))
    right, wrong = (Candidate.of(found, k, given) for k in (true, true.flip(0)))
    assert right.sparsity < wrong.sparsity
    assert right.evidence.stability > wrong.evidence.stability
    assert right.evidence.spectrum > wrong.evidence.spectrum
    assert right.confidence > wrong.confidence
    assert replace(right, sparsity=float("inf")).confidence == 0


def test_the_spectrum_of_a_blurred_image_agrees_with_its_kernel_alone(shaken):
    kernel, given, _ = shaken
    true = torch.from_numpy(np.array(kernel.weights))
    right = spectrum_agreement(given.y, true, given.noise)
    assert right > 0.5
    assert spectrum_agreement(given.y, true.flip(0), given.noise) < right - 0.25
    moved = torch.nn.functional.pad(true, (4, 0, 0, 2))
    for image, same, noise in ((given.y, moved, given.noise), (3 * given.y, true, 3 * given.noise)):
        assert spectrum_agreement(image, same, noise) == pytest.approx(right, abs=2e-3)
    assert spectrum_agreement(given.y, true, 1e3) == 0


def test_a_scattered_kernel_has_less_support_per_extent_and_a_predicted_loss_less_confidence(
    shaken,
):
    kernel, given, found = shaken
    true = torch.nn.functional.pad(torch.from_numpy(np.array(kernel.weights)), [4] * 4)
    dots = torch.zeros_like(true)
    dots[::8, ::8] = 1 / 25
    whole, scattered = (measure_evidence(given, found, k) for k in (true, dots))
    assert scattered.area < whole.area
    losing = measure_evidence(given, found, true, gain=-3.0)
    assert losing == replace(whole, gain=-3.0)
    assert confidence_of(losing) < confidence_of(whole)


def test_the_alternatives_of_a_search_are_unlike_its_kernel_and_each_other(monkeypatch, shaken):
    _, given, _ = shaken
    monkeypatch.setattr(search_module, "UNLIKE_KERNEL", 0.99)
    found = search_kernel(given, Context())
    kernels = [found, *found.alternatives]
    assert 1 < len(kernels) <= 1 + search_module.MAX_ALTERNATIVES
    assert all(not f.alternatives for f in kernels[1:])
    sparsities = [f.sparsity for f in kernels]
    assert sparsities == sorted(sparsities)
    for one, other in combinations(kernels, 2):
        pair = (one.kernel, one.ratio, other.kernel, other.ratio)
        assert similarity_across_scales(*pair) < search_module.UNLIKE_KERNEL


@pytest.mark.parametrize(("further", "is_close"), [(0.09, True), (0.11, False)])
def test_a_search_has_a_rival_where_another_kernel_is_nearly_as_good(shaken, further, is_close):
    found = replace(shaken[2], alternatives=())
    assert not found.has_rival
    assert is_close == with_others(found, further).has_rival


@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_refined_kernels_the_one_of_the_sharper_image_is_chosen(shaken, is_first):
    kernel, given, found = shaken
    true = torch.from_numpy(np.array(kernel.weights))
    wrong = true.flip(0)
    both = with_others(found, 0.0)
    best = best_candidate(both, given, lambda f: true if (f is both) == is_first else wrong)
    assert torch.equal(best.kernel, true)
    assert best.found is (both if is_first else both.alternatives[0])


def test_alternatives_are_refined_where_the_confidence_is_not_high(shaken):
    kernel, given, found = shaken
    true = torch.from_numpy(np.array(kernel.weights))
    dots = torch.zeros(49, 49)
    dots[::8, ::8] = 1 / 49
    several = with_others(found, 1.0, 2.0)
    refined = []

    def refine(each):
        refined.append(each)
        return true if each is several.alternatives[0] else dots

    best = best_candidate(several, given, refine)
    assert {id(f) for f in refined} == {id(f) for f in (several, *several.alternatives)}
    assert torch.equal(best.kernel, true)


def test_no_alternative_follows_a_confident_kernel(shaken):
    kernel, given, found = shaken
    true = torch.from_numpy(np.array(kernel.weights))
    refined = []
    best_candidate(with_others(found, 1.0), given, lambda f: refined.append(f) or true)
    assert len(refined) == 1


def test_kernels_are_compared_on_the_same_pixels_whatever_their_arrays(shaken):
    kernel, given, found = shaken
    true = torch.from_numpy(np.array(kernel.weights))
    padded = torch.nn.functional.pad(true, [10] * 4)
    alone = Candidate.of(found, true, given)
    wide, same, other = measure_together([(found, k) for k in (padded, true, true.flip(0))], given)
    assert (same.sparsity, same.evidence) == (wide.sparsity, wide.evidence)
    assert same.sparsity == pytest.approx(alone.sparsity, abs=0.1)
    assert same.sparsity != alone.sparsity
    assert same.score < other.score
    assert torch.equal(same.kernel, true)


@pytest.mark.parametrize(("extents", "measured"), [((9, 21), (21, 21)), ((9, 95), (67, 95))])
def test_the_arrays_in_which_kernels_are_compared_leave_enough_of_the_image(
    monkeypatch, shaken, extents, measured
):
    _, given, found = shaken
    assert odd(min(given.y.shape) // candidates.MIN_ARRAYS) == 67
    seen = []
    monkeypatch.setattr(
        candidates, "measure_restored", lambda _, k: seen.append(k.shape[-1]) or restored(-0.5)
    )
    measure_together([(found, torch.ones(n, n)) for n in extents], given)
    assert tuple(seen) == measured


def test_a_kernel_is_measured_again_only_on_other_pixels(monkeypatch, shaken):
    _, given, found = shaken
    seen = []
    monkeypatch.setattr(
        candidates, "measure_restored", lambda _, k: seen.append(k.shape[-1]) or restored(-0.5)
    )
    small, large = ((found, torch.ones(n, n)) for n in (9, 21))
    first = measure_together([small], given)
    again = measure_together([small], given, known=first)
    assert again[0] is first[0]
    assert seen == [9]
    both = measure_together([small, large], given, known=first)
    assert seen == [9, 21, 21]
    assert [c.extent for c in both] == [21, 21]


@pytest.mark.parametrize(
    ("confidence", "sparsity", "chosen"), [(0.79, -0.5, 2), (0.8, -0.4, 0), (0.8, -0.39, 2)]
)
def test_the_predicted_gain_decides_where_the_first_kernel_is_in_doubt(
    monkeypatch, shaken, confidence, sparsity, chosen
):
    _, given, found = shaken
    several = with_others(found, 0.05, 1.0)
    assert 2 * candidates.GAIN_WEIGHT > 0.04
    gains = {9: 1.0, 11: 0.5, 13: 3.0}
    monkeypatch.setattr(Candidate, "confidence", property(lambda _: confidence))
    monkeypatch.setattr(
        candidates,
        "measure_restored",
        lambda given, kernel: restored(
            sparsity + 0.01 * (support_extent(kernel) - 9), gains[support_extent(kernel)]
        ),
    )
    kernels = [several, *several.alternatives]

    def refine(each):
        number = next(i for i, kernel in enumerate(kernels) if kernel is each)
        return torch.eye(9 + 2 * number).flip(number % 2)

    assert best_candidate(several, given, refine).kernel.shape[-1] == (9, 11, 13)[chosen]


def test_the_refined_kernel_is_the_true_one_in_an_array_that_follows_its_support(shaken):
    kernel, given, found = shaken
    params = MapEstimator(refinements=2).params
    refined = refine_kernel(found, given, 45, params, lambda _: None)
    true = torch.from_numpy(np.array(kernel.weights))
    assert similarity_across_scales(refined, 1.0, true, 1.0) > 0.9
    assert support_extent(refined) <= refined.shape[-1] < 45


def test_the_array_of_a_result_follows_its_support_and_not_the_size_of_the_search(shaken):
    kernel, given, found = shaken
    frame = torch.nn.functional.pad(found.kernel, [40] * 4)
    frame[0, 0] = frame[-1, -1] = 0.2 * frame.max()
    wide = replace(found, kernel=frame)
    assert wide.size > 90
    best = MapEstimator(refinements=1, iterations=1).find_kernel(wide, given, Context())
    support = support_extent(torch.from_numpy(np.array(kernel.weights)))
    assert best.confidence > 0.5
    assert support <= best.kernel.shape[-1] <= 1.6 * support


def test_the_array_of_a_doubtful_result_is_not_smaller_than_its_mass(monkeypatch, shaken):
    _, given, found = shaken
    monkeypatch.setattr(Candidate, "confidence", property(lambda _: 0.4))
    kernel = torch.nn.functional.pad(torch.ones(9, 9) / 81, [8] * 4)
    candidate = Candidate.of(found, kernel, given)
    for size, extent in ((5, 9), (15, 15)):
        kept = estimator._cut(candidate, size)
        assert kept.shape == (extent, extent)
        assert support_extent(kept) == 9
        torch.testing.assert_close(float(kept.sum()), 1.0)


@pytest.mark.parametrize(("size", "side", "largest"), [(25, 200, 31), (61, 130, 65), (65, 130, 65)])
def test_a_refined_kernel_is_at_most_half_the_image(size, side, largest):
    assert kernel_refinement._largest_extent(size, side) == largest


def test_the_confidence_is_between_0_and_1_for_any_measures(shaken):
    _, given, found = shaken
    evidence = measure_evidence(given, found, found.kernel)
    for value in (-1e6, 0.0, 1e6):
        assert 0 <= confidence_of(replace(evidence, stability=value)) <= 1
    assert confidence_of(replace(evidence, spectrum=float("nan"))) == 0


def test_a_found_blur_has_a_high_confidence_and_noise_alone_a_low_one(shaken):
    kernel, given, found = shaken
    true = torch.from_numpy(np.array(kernel.weights))
    assert confidence_of(measure_evidence(given, found, true)) > 0.5
    noise = torch.rand(1, 64, 72, generator=torch.Generator().manual_seed(1))
    guess = MapEstimator().estimate(noise, Context()).confidence
    assert guess is not None
    assert guess < 0.5
