"""Blind estimation of camera motion with rotation, and the model of its blur."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from unblur.errors import Cancelled, ImageError, ParamsError
from unblur.model.context import Context
from unblur.numerics.camera import PoseGrid, camera_field
from unblur.numerics.filter_flow import kernel_at
from unblur.numerics.fourier import apply_otf, psf_to_otf
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.synthesis import shake_image
from unblur.pipeline import Pipeline
from unblur.testing import gaussian, synthetic_scene
from unblur_classic.camera_shake.estimator import CameraShake
from unblur_classic.camera_shake.model import CameraModel, cosine_window
from unblur_classic.map.estimator import MapEstimator
from unblur_classic.map.kernel_update import NormalEquations

SIZE = 11


def swing(rotation=5.0, rows=3.0, columns=-2.0, steps=41):
    """Return the poses of a camera that rotates and shifts at constant speed."""
    time = np.linspace(-0.5, 0.5, steps)
    return np.stack([np.deg2rad(rotation) * time, rows * time, columns * time], 1)


@pytest.fixture(scope="module")
def shaken():
    sharp = synthetic_scene((170, 180), gaussian((1, 1), 1), seed=4).sharp
    pair = shake_image(sharp, swing())
    noise = torch.randn(pair.blurred.shape, generator=torch.Generator().manual_seed(0))
    return pair.blurred + 0.002 * noise


@pytest.fixture(scope="module")
def part(shaken):
    """A quarter, for tests in which the quality of kernels does not matter."""
    return shaken[..., 40:130, 40:130].contiguous()


@pytest.fixture(scope="module")
def found(shaken):
    """Six refinements are within 0.01 in similarity of the default, and leave time to compile."""
    return estimated(shaken, refinements=6)


def estimated(blurred, context=None, mask=None, **params):
    estimator = CameraShake(**{"size": SIZE, "max_rotation_deg": 4.0, **params})
    return estimator.estimate(blurred, context or Context(), mask).field


def true_field(shape, path):
    """Return the kernels of a path of poses near the corners, in the middles of the sides."""
    grid = PoseGrid.over(shape, SIZE + 4, step=0.25)
    weights = torch.from_numpy(grid.weights(path))
    rows, columns = ([0.15 * n, 0.5 * n, 0.85 * n] for n in shape)
    return camera_field(grid, weights, rows, columns)


def similarity(field, truth):
    return np.mean(
        [
            kernel_similarity(kernel_at(field, row, column).weights, kernel.weights)
            for row, line in zip(truth.rows, truth.kernels, strict=True)
            for column, kernel in zip(truth.columns, line, strict=True)
        ]
    )


def test_the_kernels_of_a_rotating_camera_are_found(shaken, found):
    truth = true_field(shaken.shape[1:], swing())
    uniform = MapEstimator(size=SIZE).estimate(shaken, Context()).field
    assert similarity(found, truth) > similarity(uniform, truth) + 0.1
    assert similarity(found, truth) > 0.75


def test_the_sense_of_the_rotation_is_found(shaken, found):
    right = true_field(shaken.shape[1:], swing())
    wrong = true_field(shaken.shape[1:], swing(rotation=-5.0))
    assert similarity(found, right) > similarity(found, wrong) + 0.1


def test_every_kernel_is_non_negative_of_sum_1(found):
    assert not found.is_uniform
    for row in found.kernels:
        for kernel in row:
            assert kernel.weights.min() >= 0
            assert kernel.weights.sum() == pytest.approx(1, abs=1e-5)


def test_without_rotation_there_is_one_kernel(shaken):
    assert estimated(shaken, max_rotation_deg=0, refinements=1).is_uniform


def test_it_is_independent_of_brightness(part):
    quick = {"refinements": 1}
    first, dim = (estimated(x, **quick).mean.weights for x in (part, 0.05 * part))
    assert kernel_similarity(first, dim) > 0.999


def test_it_is_deterministic_and_the_values_of_masked_pixels_do_not_matter(part):
    mask = torch.ones(part.shape[1:])
    mask[30:42, 20:40] = 0
    quick = {"refinements": 1}
    black, white = (
        estimated(torch.where(mask > 0, part, value), mask=mask, **quick).mean.weights
        for value in (0.0, 1.0)
    )
    np.testing.assert_array_equal(black, white)


def test_every_part_and_iteration_is_reported_and_it_stops_when_cancelled(part):
    reports = []
    estimated(part, Context(on_progress=reports.append), refinements=2)
    assert [(r.label, r.done, r.total) for r in reports] == [
        *(("camera-shake, schuler", n, 9) for n in range(1, 10)),
        *(("camera-shake", n, 2) for n in (1, 2)),
    ]
    polls = iter([False, False, True])
    with pytest.raises(Cancelled):
        estimated(part, Context(is_cancelled=lambda: next(polls)))


def test_a_flat_part_is_skipped_and_a_flat_image_raises(shaken):
    half_flat = shaken.clone()
    half_flat[..., :95] = 0.5
    assert np.isfinite(estimated(half_flat, refinements=1).mean.weights).all()
    with pytest.raises(ImageError, match="one value"):
        estimated(torch.full((1, 90, 90), 0.5))


@pytest.mark.slow
def test_any_local_estimator_and_an_even_size_can_be_used(part):
    middle = part[..., 10:80, 10:80].contiguous()
    field = estimated(middle, size=10, local_estimator="map", refinements=1)
    whole = true_field(middle.shape[1:], swing())
    assert similarity(field, whole) > 0.5


def test_params_out_of_bounds_and_small_images_raise():
    with pytest.raises(ParamsError, match="max_rotation_deg"):
        CameraShake(max_rotation_deg=-1)
    with pytest.raises(ImageError, match="too small"):
        estimated(torch.rand(1, 50, 90), size=31)


@pytest.mark.parametrize("deconvolution", ["svmap", "hyper-laplacian"])
def test_the_shipped_pipelines_start_with_it(deconvolution):
    stages = Pipeline.load(f"camera-shake-{deconvolution}").build()
    assert [stage.name for stage in stages] == ["camera-shake", deconvolution, "clip"]


# The model.


@pytest.fixture(scope="module")
def model():
    return CameraModel(PoseGrid.over((120, 150), SIZE, np.deg2rad(3)), torch.zeros(0).double())


def test_patches_cover_the_image_and_overlap_by_half(model):
    index = torch.arange(120 * 150).reshape(120, 150)
    patches = model.extract(index)
    assert len(patches.unique()) == index.numel()
    edge = patches.shape[-1]
    starts = sorted({patch.columns.start for patch in model.patches})
    assert max(b - a for a, b in pairwise(starts)) <= edge / 2


def test_patches_grow_with_the_image():
    grid = PoseGrid.over((1500, 2000), SIZE, np.deg2rad(3))
    assert len(CameraModel(grid, torch.zeros(0)).patches) <= 49


@pytest.mark.parametrize("edge", [8, 9])
def test_the_window_is_symmetric_and_1_in_its_middle(edge):
    window = cosine_window([edge, edge])
    torch.testing.assert_close(window, window.flip(0, 1))
    assert float(window[edge // 2, edge // 2]) == 1
    assert 0 < float(window[0, 0]) < 0.02


def test_poses_are_fitted_to_the_gradients_of_all_patches(model):
    """The fit restores the poses from patches that are blurred by their kernels."""
    true = torch.zeros(model.basis.shape, dtype=torch.float64)
    for step in (-2, -1, 0, 1, 2):
        true[len(true) // 2 + step, 5 - step // 2, 5 + step // 2] = 0.2
    kernels = model.kernels(true)
    draw = torch.Generator().manual_seed(0)
    sharp = torch.randn(2, len(kernels), 48, 50, generator=draw, dtype=torch.float64)
    blurred = apply_otf(sharp, psf_to_otf(kernels, (48, 50)), 2)
    weights = model.basis.identity()
    for _ in range(5):
        weights = model.fit(weights, sharp, blurred, 0.0)
    found = model.kernels(weights)
    assert float((found - kernels).norm() / kernels.norm()) < 0.2


def test_with_whitening_the_fit_is_a_quotient():
    """With a whitening constant near 0, the kernel is that of a division of spectra."""
    draw = torch.Generator().manual_seed(1)
    sharp = torch.randn(2, 1, 40, 40, generator=draw, dtype=torch.float64)
    kernel = gaussian((7, 7), 1.2).tensor().double()
    blurred = apply_otf(sharp, psf_to_otf(kernel, (40, 40)), 2)
    equations = NormalEquations.of(sharp, blurred, 7, 1e-9)
    torch.testing.assert_close(equations.target[0], kernel, atol=1e-6, rtol=0)
    torch.testing.assert_close(equations.apply(kernel[None])[0], kernel, atol=1e-6, rtol=0)
