import numpy as np
import pytest
import torch

from scenes_for_tests import isolated
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.operators import Blur
from unblur.testing import gaussian, synthetic_scene
from unblur_classic.nonblind.richardson_lucy import RichardsonLucy, scene_estimation
from unblur_classic.nonblind.richardson_lucy.back_projectors import combined_back_projector
from unblur_classic.nonblind.richardson_lucy.iteration import RichardsonLucyIteration
from unblur_classic.nonblind.richardson_lucy.step_sizes import (
    PLAIN,
    accelerated_steps,
    combined_steps,
)

CONTEXT = Context(noise=0.005, contrast=0.2)


@pytest.mark.parametrize("shape", [(48, 48), (14, 24, 24)])
def test_few_accelerated_steps_equal_many_iterations_and_keep_the_flux(shape):
    kernel = gaussian((7,) * len(shape), 1.5)
    sharp, blurred = isolated(shape, kernel, noise=0.01)

    def result(**params):
        return RichardsonLucy(**params).deconvolve(blurred, kernel, CONTEXT)

    accelerated, plain = result(iterations=30), result(iterations=30, accelerate=False)
    assert float((accelerated - sharp).norm()) < 1.01 * float((plain - sharp).norm())
    assert float((accelerated - plain).norm()) < 0.05 * float((plain - blurred).norm())
    assert float(accelerated.min()) >= 0
    assert float(accelerated.sum()) == pytest.approx(float(plain.sum()), rel=2e-3)
    far = slice(0, 8)
    assert float(accelerated[..., far].std()) < 1.02 * float(plain[..., far].std())


def test_accelerated_steps_and_iterations_have_the_same_fixed_point():
    kernel = gaussian((5, 5), 1.0)
    scene = torch.rand(1, 36, 36, generator=torch.Generator().manual_seed(0)) + 0.5
    blur = Blur(kernel.tensor(), (24, 24))
    iteration = RichardsonLucyIteration(blur, blur.forward(scene_on(blur, scene)), 0.0)
    iteration.scene[:] = exact = scene_on(blur, scene)
    for step in accelerated_steps(30):
        assert iteration(step.momentum, step.relaxation)
    torch.testing.assert_close(iteration.scene, exact, atol=1e-5, rtol=0)


def test_a_combined_step_needs_a_kernel():
    blur = Blur(gaussian((5, 5), 1.0).tensor(), (24, 24))
    iteration = RichardsonLucyIteration(blur, torch.ones(1, 24, 24), 0.0)
    iteration.scene[:] = 1
    with pytest.raises(ValueError, match="needs a combined_kernel"):
        iteration(is_combined=True)


def scene_on(blur, scene):
    return scene[:, : blur.domain[0], : blur.domain[1]]


def test_a_step_that_lowers_the_likelihood_is_taken_back():
    kernel = gaussian((5, 5), 1.0)
    blurred = isolated((24, 24), kernel, noise=0.02)[1].clamp_min(0)
    blur = Blur(kernel.tensor(), (24, 24))
    iteration = RichardsonLucyIteration(blur, blurred, 0.0, is_guarded=True)
    iteration.scene[:] = blur.extend(blurred + 1e-3)
    assert iteration()
    before = iteration.scene.clone()
    assert iteration(0.0, 40.0)
    assert not iteration(0.0, 1.0)
    torch.testing.assert_close(iteration.scene, before, rtol=1e-4, atol=1e-6)
    assert iteration()


@pytest.mark.parametrize("iterations", [1, 2, 3, 4, 5, 10, 30, 31, 100, 1000])
def test_accelerated_steps_are_worth_the_iterations(iterations):
    steps = accelerated_steps(iterations)
    assert steps[-1][:2] == PLAIN
    assert steps[-1].progress == iterations
    assert len(steps) <= iterations
    assert sorted(step.progress for step in steps) == [step.progress for step in steps]


def volume(kernel, shape=(20, 26, 24), noise=0.01, seed=0):
    """A smooth random volume, sharp and blurred, with noise."""
    given = synthetic_scene(shape, kernel, noise=noise, seed=seed)
    return given.sharp, given.blurred


COMPACT = gaussian((7, 7, 7), 1.1)


@pytest.mark.parametrize("iterations", [3, 4, 5, 10, 30, 100, 1000])
def test_combined_steps_are_worth_the_iterations(iterations):
    steps, each = combined_steps(iterations)
    assert steps[-1][:2] == PLAIN
    assert steps[-1].progress == iterations
    assert len(steps) <= len(accelerated_steps(iterations))
    assert [step.is_combined for step in steps[:-1]] == [each > 0] * (len(steps) - 1)
    assert sorted(step.progress for step in steps) == [step.progress for step in steps]


def test_a_combined_step_equals_many_iterations_near_a_scene_and_has_the_same_fixed_point():
    blur = Blur(COMPACT.tensor(), (20, 20, 20))
    texture = torch.rand(1, *blur.domain, generator=torch.Generator().manual_seed(0)) - 0.5
    combined = combined_back_projector(COMPACT.tensor(), 6)
    inner, results = (..., *[slice(9, 15)] * 3), []
    for combines, count in ((False, 6), (True, 1)):
        data = blur.forward(torch.ones(1, *blur.domain))
        iteration = RichardsonLucyIteration(blur, data, 0.0, combined_kernel=combined)
        iteration.scene[:] = 1
        assert iteration(is_combined=combines)
        torch.testing.assert_close(iteration.scene, torch.ones_like(iteration.scene))
        iteration.scene[:] = start = 1 + 0.02 * texture
        assert all(iteration(is_combined=combines) for _ in range(count))
        results.append((iteration.scene - start)[inner])
    plain, once = results
    assert float((once - plain).norm()) < 0.15 * float(plain.norm())


def test_combined_steps_of_a_volume_are_fewer_and_not_noisier():
    sharp, blurred = volume(COMPACT)
    again = volume(COMPACT, noise=0.0)[1] + (blurred - volume(COMPACT, noise=0.0)[1]).flip(1, 2, 3)
    stages = RichardsonLucy(iterations=20), RichardsonLucy(iterations=20, accelerate=False)
    many, plain = (
        [stage.deconvolve(y.clamp_min(0), COMPACT, CONTEXT) for y in (blurred, again)]
        for stage in stages
    )
    ticks = []
    context = Context(noise=0.005, on_progress=ticks.append)
    stages[0].deconvolve(blurred, COMPACT, context)
    assert 0 < len(ticks) <= len(accelerated_steps(20)) // 2 + 1
    inner = (..., *[slice(3, -3)] * 3)
    for part, allowed in ((..., 1.07), (inner, 1.01)):
        errors = [float((found[0] - sharp)[part].norm()) for found in (many, plain)]
        assert errors[0] < allowed * errors[1]
    assert float((many[0] - many[1]).norm()) < float((plain[0] - plain[1]).norm())
    assert float(many[0].min()) >= 0
    assert float(many[0].sum()) == pytest.approx(float(blurred.sum()), rel=5e-3)


def test_where_a_combined_step_lowers_the_likelihood_accelerated_ones_follow(monkeypatch):
    sharp = torch.zeros(1, 22, 22, 22)
    sharp[0, 6:16:4, 8:14, 10] = 1
    blur = Blur(COMPACT.tensor(), (16, 16, 16))
    blurred = blur.forward(blur.extend(sharp[:, 3:-3, 3:-3, 3:-3])).clamp_min(0)
    found = RichardsonLucy(iterations=30).deconvolve(blurred, COMPACT, CONTEXT)
    monkeypatch.setattr("unblur_classic.nonblind.richardson_lucy.back_projectors.MAX_LOST", -1.0)
    without = RichardsonLucy(iterations=30).deconvolve(blurred, COMPACT, CONTEXT)
    torch.testing.assert_close(found, without, rtol=1e-3, atol=1e-3)


def test_a_tile_of_a_volume_equals_the_whole_with_combined_steps():
    kernel = gaussian((5, 5, 5), 0.8)
    assert combined_back_projector(kernel.tensor(), 3) is not None
    blurred = volume(kernel, (20, 20, 90), noise=0.005)[1]
    stage = RichardsonLucy(iterations=5)
    whole = stage.deconvolve(blurred, kernel, CONTEXT)
    margin = stage.halo(kernel)[2]
    tile = blurred[..., 40 - margin : 50 + margin]
    part = stage.deconvolve(tile, kernel, CONTEXT)[..., margin:-margin]
    torch.testing.assert_close(part, whole[..., 40:50], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("brightness", "combines"), [(40.0, False), (10.0, True)])
def test_tiles_with_and_without_points_take_the_steps_of_the_whole(brightness, combines):
    kernel = gaussian((5, 5, 5), 0.8)
    blurred = volume(kernel, (12, 20, 90), noise=0.005)[1].clamp_min(0)
    blurred[..., :47] *= 0.1
    points = torch.zeros(1, 1, *blurred.shape[1:])
    points[..., 4:9:4, 4:17:4, 20:24:3] = brightness
    blurred[:] += torch.nn.functional.conv3d(points, kernel.tensor()[None, None], padding=2)[0]
    stage = RichardsonLucy(iterations=5)
    margin = stage.halo(kernel)[2]
    whole = stage.deconvolve(blurred, kernel, CONTEXT)
    calibrated = stage.calibrate(blurred, kernel, CONTEXT)
    assert calibrated._combines == combines
    differences = []
    for start in (margin, 50):
        tile = blurred[..., start - margin : start + 10 + margin].contiguous()
        for each in (calibrated, stage):
            part = each.deconvolve(tile, kernel, CONTEXT)[..., margin:-margin]
            differences.append(float((part - whole[..., start : start + 10]).abs().max()))
    with_points, own, without_points, own_without = differences
    assert max(with_points, without_points) <= 1e-5
    assert (own if combines else own_without) > 1e-3  # where each tile decides


def test_only_compact_kernels_have_a_combined_back_projector():
    disk = torch.tensor(np.hypot(*np.ogrid[-4:5, -4:5]) <= 3.5).float()
    assert combined_back_projector(disk / disk.sum(), 6) is None
    compact = combined_back_projector(COMPACT.tensor(), 6)
    assert compact is not None
    assert float(compact.sum()) == pytest.approx(1, abs=1e-5)


def test_a_part_of_an_image_is_compiled_if_the_whole_is_worth_it(monkeypatch):
    seen = []

    class Recording(scene_estimation.RichardsonLucyIteration):
        def __init__(self, *args, **options):
            seen.append(options["repetitions"])
            super().__init__(*args, **options)

    monkeypatch.setattr(scene_estimation, "RichardsonLucyIteration", Recording)
    blurred, stage = torch.rand(1, 12, 10), RichardsonLucy(iterations=3)
    for values in (0, 120, 1200):
        context = Context(image_values=values)
        stage.deconvolve(blurred, Kernel(np.ones((3, 3))), context)
    assert seen == [3, 3, 30]
