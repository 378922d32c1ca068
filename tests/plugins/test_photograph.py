"""The recommended estimator: what it measures on an image, and what it runs because of that."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from unblur.model.context import Context
from unblur.model.kernel import Kernel, KernelField
from unblur.model.stages import Estimate
from unblur.numerics.camera import CameraBasis, PoseGrid
from unblur.numerics.synthesis import blur_image
from unblur.numerics.tone_curve import decode_light
from unblur.pipeline import Pipeline
from unblur.testing import gaussian, synthetic_scene
from unblur_classic.map.estimator import MapEstimator
from unblur_classic.map.preprocessing import preprocess
from unblur_classic.map.search.hypotheses import HYPOTHESES
from unblur_classic.map.search.kernel_search import FoundKernel
from unblur_classic.photograph import estimator as photograph
from unblur_classic.photograph.estimator import TEXT_PARAMS, Photograph
from unblur_classic.photograph.image_content import measure_lights, measure_tones
from unblur_classic.photograph.variation import (
    MAX_ROTATION,
    MIN_SPREAD,
    Variation,
    gain_of_field,
    measure_variation,
    prediction_error,
    spread_of_kernels,
)

SCENE = synthetic_scene((96, 96), gaussian((9, 9), 1.5)).blurred


def page(rows=128, columns=160):
    """Return lines of words, ink 0.1 on paper 0.9: (H, W)."""
    draw = torch.Generator().manual_seed(0)
    image = torch.full((rows, columns), 0.9)
    for top in range(8, rows - 12, 14):
        ink = torch.rand(6, columns - 16, generator=draw) < 0.3
        image[top : top + 6, 8:-8][ink] = 0.1
    return image


def found(kernel, ratio=1.0):
    return FoundKernel(kernel, ratio, HYPOTHESES[0], sparsity=-0.1, agreement=1.0)


def test_the_params_for_text_are_those_of_the_pipeline():
    (step, *_) = Pipeline.load("text").steps
    assert MapEstimator(TEXT_PARAMS).params == MapEstimator(dict(step.params)).params


def test_lights_at_night_are_dark_with_clipped_parts():
    night = torch.full((1, 60, 80), 0.05)
    night[:, 10:13, 20:23] = 1.0
    assert measure_lights(night, Context()).is_night
    assert not measure_lights(night.clamp(max=0.5), Context()).is_night  # no light
    assert not measure_lights(night + 0.3, Context()).is_night  # clipped, by day
    assert measure_lights(night.clamp(max=0.7), Context(saturation_level=0.7)).is_night
    colour = torch.cat([night, night * 0.5, night * 0.2])
    lights = measure_lights(colour, Context(), torch.ones(60, 80))
    assert lights.clipped == pytest.approx(9 / 4800)
    assert str(lights) == "100% dark, 0.19% clipped"


def test_a_bright_sky_is_no_night_and_a_masked_image_is_measured():
    backlit = torch.full((1, 60, 80), 0.05)
    backlit[:, :30] = 1.0
    assert not measure_lights(backlit, Context()).is_night
    assert not measure_lights(backlit, Context(), torch.zeros(60, 80)).is_night
    assert measure_lights(backlit[:, 30:], Context(), torch.zeros(30, 80)).dark == 0


def test_a_page_has_paper_and_a_scene_has_none():
    kernel = gaussian((9, 9), 1.5)
    text = preprocess(blur_image(page(), kernel)[None], Context())
    tones = measure_tones(text, found(kernel.tensor()))
    assert tones.is_page
    assert tones.level > 0.7
    assert "of one tone" in str(tones)
    scene = torch.rand(1, 128, 160, generator=torch.Generator().manual_seed(1))
    scene = torch.nn.functional.avg_pool2d(scene, 9, 1)
    assert not measure_tones(preprocess(scene, Context()), found(kernel.tensor())).is_page


def test_the_confidence_and_choices_are_those_of_what_ran(monkeypatch):
    monkeypatch.setattr(photograph, "measure_variation", lambda *_: Variation(0.013, math.inf))
    estimate = Photograph(size=9).estimate(SCENE, Context())
    assert 0 <= estimate.confidence <= 1
    assert list(estimate.choices) == ["natural", "one kernel"]
    assert estimate.choices["one kernel"] == "the kernels of parts of the image differ by 1%"


def quick(monkeypatch, complete):
    """Replace search and estimates of `map` by `complete`, called with the estimator."""
    kernel = gaussian((9, 9), 1.5).tensor()
    monkeypatch.setattr(photograph, "search_kernel", lambda *_: found(kernel))
    monkeypatch.setattr(MapEstimator, "complete", lambda self, *_: complete(self))


def test_a_page_of_low_confidence_is_tried_from_several_starts(monkeypatch):
    true, ran = gaussian((9, 9), 1.5), []

    def complete(stage):
        ran.append(stage.params.n_starts)
        kernel = true if stage.params.n_starts > 1 else gaussian((9, 9), 0.5)
        return Estimate.of(kernel, confidence=0.6 if len(ran) > 1 else confidence)

    quick(monkeypatch, complete)
    blurred = blur_image(page(), true)[None]
    for confidence, expected in ((0.4, [1, 3]), (0.9, [1])):
        ran.clear()
        estimate = Photograph(motion="one-kernel").estimate(blurred, Context())
        assert ran == expected
        assert estimate.confidence == (0.6 if confidence < 0.5 else 0.9)
        assert list(estimate.choices) == ["text", "one kernel"]


def test_clipped_lights_are_left_out_of_the_estimate(monkeypatch):
    seen = []
    preprocess_ = photograph.preprocess
    monkeypatch.setattr(
        photograph, "preprocess", lambda *given: seen.append(given[2]) or preprocess_(*given)
    )
    quick(monkeypatch, lambda _: Estimate.of(gaussian((5, 5), 1.0), confidence=0.9))
    night = 0.05 * torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    night[1, 10:13, 20:23] = 1.0
    mask = torch.ones(64, 64)
    mask[0] = 0
    stage = Photograph(motion="one-kernel")
    assert "night" in stage.estimate(night, Context(), mask).choices
    assert "night" in stage.estimate(night, Context()).choices
    assert float((1 - seen[0]).sum()) == 64 + 9
    assert float((1 - seen[1]).sum()) == 9
    assert "natural" in Photograph(content="natural").estimate(night, Context()).choices
    assert torch.equal(seen[2], seen[1])


# Blur that varies.


def diagonal(flip):
    weights = np.eye(9, dtype=np.float32)
    return Kernel(np.flip(weights, 1) if flip else weights)


def test_kernels_that_differ_by_a_shift_do_not_differ():
    kernel = torch.nn.functional.pad(diagonal(False).tensor(), [3] * 4)
    shifted = torch.stack([kernel, kernel.roll(2, 0), kernel.roll(-1, 1), kernel])
    assert spread_of_kernels(shifted) < 0.01
    turned = torch.stack([kernel, kernel.flip(1), kernel, kernel.flip(1)])
    assert spread_of_kernels(turned) > 0.3


@pytest.fixture(scope="module")
def scene():
    """Return a scene of blocks (160, 160), blurred left and right by different kernels."""
    draw = torch.Generator().manual_seed(2)
    sharp = torch.rand(21, 21, generator=draw).kron(torch.ones(8, 8))
    left, right = (blur_image(sharp, diagonal(flip)) for flip in (False, True))
    return {True: torch.cat([left[:, :80], right[:, 80:]], 1), False: left}


def test_the_kernels_of_parts_show_that_a_blur_varies(scene):
    kernel = found(diagonal(False).tensor())
    spreads = {
        varies: measure_variation(preprocess(blurred[None], Context()), kernel, Context())
        for varies, blurred in scene.items()
    }
    assert spreads[True].spread > max(spreads[False].spread, MIN_SPREAD)
    assert not any(found.is_clear for found in spreads.values())  # halves are no rotation


def test_a_camera_predicts_kernels_that_it_made_and_not_their_errors():
    positions = [(r, c) for r in (0, 100, 200) for c in (0, 100, 200)]
    grid = PoseGrid.over((201, 201), 11, MAX_ROTATION)
    noise = 0.01 * torch.rand(9, 11, 11, generator=torch.Generator().manual_seed(0))
    for angles, predicts in ((slice(None), True), (len(grid.angles) // 2, False)):
        poses = torch.zeros(len(grid.angles), 11, 11)
        poses[angles, 5, 3:8] = 1.0
        kernels = CameraBasis.at(grid, positions, poses).forward(poses / poses.sum()) + noise
        kernels /= kernels.sum((-2, -1), keepdim=True)
        error = prediction_error(kernels, positions, (201, 201), Context())
        assert (error < 0.9) if predicts else (error > 1.0), angles


def test_a_small_image_or_no_blur_has_no_variation():
    given = preprocess(SCENE, Context())
    assert measure_variation(given, found(torch.ones(9, 9) / 81), Context()) is None
    assert measure_variation(given, found(torch.ones(3, 3) / 9), Context()) is None


def test_a_field_gains_where_its_kernels_are_right(scene):
    left, right = diagonal(False), diagonal(True)
    field = KernelField(((left, right),), (79.5,), (39.5, 119.5))
    given = {varies: preprocess(blurred[None], Context()) for varies, blurred in scene.items()}
    assert gain_of_field(given[True], field, left.tensor()) > photograph.MIN_GAIN
    assert gain_of_field(given[False], field, left.tensor()) < 0


@pytest.mark.parametrize("found", [Variation(0.05, 0.5), Variation(0.5, 1.1)])
def test_without_clear_evidence_no_camera_is_tried(monkeypatch, found):
    one = gaussian((5, 5), 1.0)
    quick(monkeypatch, lambda _: Estimate.of(one, confidence=0.9))
    monkeypatch.setattr(photograph, "measure_variation", lambda *_: found)
    monkeypatch.setattr(photograph.CameraShake, "estimate", None)
    assert "one kernel" in Photograph().estimate(SCENE, Context()).choices


def test_the_parts_of_an_image_are_not_compared_where_the_kernel_is_in_doubt(monkeypatch):
    too_low = 0.99 * photograph.MIN_MOTION_CONFIDENCE
    quick(monkeypatch, lambda _: Estimate.of(gaussian((5, 5), 1.0), confidence=too_low))
    monkeypatch.setattr(photograph, "measure_variation", None)
    estimate = Photograph(content="natural").estimate(SCENE, Context())
    assert "too low" in estimate.choices["one kernel"]


@pytest.mark.parametrize("motion", ["auto", "camera-shake", "one-kernel"])
@pytest.mark.parametrize("gain", [0.1, 0.0])
def test_a_moving_camera_replaces_the_one_kernel_only_with_a_gain(monkeypatch, motion, gain):
    one = gaussian((5, 5), 1.0)
    field = KernelField(((one, one),), (10.0,), (5.0, 15.0))
    quick(monkeypatch, lambda _: Estimate.of(one, confidence=0.9))
    monkeypatch.setattr(photograph, "measure_variation", lambda *_: Variation(0.2, 0.9))
    monkeypatch.setattr(photograph, "gain_of_field", lambda *_: gain)
    monkeypatch.setattr(photograph.CameraShake, "estimate", lambda self, *_: Estimate(field))
    estimate = Photograph(motion=motion).estimate(SCENE, Context())
    varies = motion == "camera-shake" or (motion == "auto" and gain > 0)
    assert estimate.field.is_uniform is not varies
    assert list(estimate.choices)[1] == ("camera shake" if varies else "one kernel")
    assert estimate.confidence == 0.9
    windowed = Photograph(motion=motion).prepare_for_windows().estimate(SCENE, Context())
    assert windowed.field.is_uniform


def test_lights_and_tones_are_those_of_the_stored_values():
    stored = torch.linspace(0, 1, 4096).reshape(1, 64, 64)
    light = torch.from_numpy(decode_light(stored.numpy()))
    as_light = measure_lights(light, Context(tone_curve="srgb"))
    expected = measure_lights(stored, Context())
    assert as_light.dark == pytest.approx(expected.dark, abs=1e-3)
    assert as_light.clipped == pytest.approx(expected.clipped, abs=1e-3)
