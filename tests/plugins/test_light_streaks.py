"""Light streaks as evidence for a kernel: found, not mistaken, and used by the search."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unblur.model.context import Context
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.synthesis import blur_image, motion_kernel, shake_kernel
from unblur.testing import synthetic_scene
from unblur_classic.map.preprocessing import preprocess
from unblur_classic.map.search import kernel_search as search_module
from unblur_classic.map.search.hypotheses import HYPOTHESES
from unblur_classic.map.search.kernel_search import search_kernel, similarity_across_scales
from unblur_classic.map.search.light_streaks import MIN_REPEATS, find_light_streaks

PLACES = ((40, 40), (45, 120), (48, 190), (120, 45), (125, 130), (130, 200))


@pytest.fixture(scope="module")
def path():
    return shake_kernel(25, torch.Generator().manual_seed(3))


def night_of(kernels):
    """Return dim noise, and in it a light blurred by each of the kernels."""
    image = 0.1 + 0.005 * torch.randn(180, 250, generator=torch.Generator().manual_seed(5))
    for kernel, (row, column) in zip(kernels, PLACES, strict=False):
        light = torch.zeros(1, 60, 60)
        light[0, 30, 30] = 0.8 / float(kernel.weights.max())
        streak = blur_image(light, kernel)[0]
        rows, columns = (
            slice(c - n // 2, c - n // 2 + n)
            for c, n in zip((row, column), streak.shape, strict=True)
        )
        image[rows, columns] += streak
    return image.clamp(0, 1)


def test_the_common_shape_of_lights_is_the_kernel(path):
    found = find_light_streaks(night_of([path] * len(PLACES)), 61)
    assert found is not None
    assert found.sum() == pytest.approx(1)
    assert found.shape[0] == found.shape[1]
    assert found.shape[0] % 2 == 1
    assert kernel_similarity(found, path) > 0.9


def test_the_scale_of_the_image_does_not_matter(path):
    image = night_of([path] * len(PLACES))
    pair = [find_light_streaks(x, 61) for x in (image, 0.02 * image + 3)]
    np.testing.assert_allclose(*pair, atol=1e-3)


def test_too_few_lights_and_lights_of_different_shapes_are_no_streaks(path):
    assert find_light_streaks(night_of([path] * (MIN_REPEATS - 1)), 61) is None
    different = [motion_kernel(15, angle) for angle in (0, 30, 60, 90, 120, 150)]
    assert find_light_streaks(night_of(different), 61) is None


def test_larger_shapes_than_the_largest_kernel_are_no_streaks(path):
    assert find_light_streaks(night_of([path] * len(PLACES)), 9) is None


def test_edges_and_texture_are_no_streaks(path):
    assert find_light_streaks(synthetic_scene((200, 240), path, seed=6).blurred[0], 61) is None
    assert find_light_streaks(torch.rand(90, 90), 41) is None
    assert find_light_streaks(torch.zeros(40, 40), 19) is None


def test_a_search_finds_the_kernel_by_the_streaks(path):
    given = preprocess(night_of([path] * len(PLACES))[None], Context())
    found = search_kernel(given, Context(), hypotheses=HYPOTHESES[:1])
    assert found.is_streak
    assert not found.alternatives
    true = torch.from_numpy(np.array(path.weights))
    assert similarity_across_scales(found.kernel, found.ratio, true, 1.0) > 0.95


def test_streaks_that_restore_a_less_sharp_image_are_not_used(monkeypatch, path):
    wrong = motion_kernel(31, 0).weights
    given = preprocess(synthetic_scene((120, 140), path, seed=6).blurred, Context())
    monkeypatch.setattr(search_module, "find_light_streaks", lambda *_: torch.tensor(wrong))
    assert not search_kernel(given, Context(), size=25, hypotheses=HYPOTHESES[:1]).is_streak
