from itertools import chain, repeat

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from unblur.errors import Cancelled, ImageError, ParamsError, UsageError
from unblur.io import read_kernel
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.metrics import kernel_similarity, levin_aligned
from unblur.numerics.pyramid import pyramid_levels
from unblur.numerics.synthesis import motion_kernel
from unblur.testing import synthetic_scene
from unblur_classic.map.estimator import MapEstimator
from unblur_classic.map.preprocessing import median_filter
from unblur_classic.nonblind.hyper_laplacian import HyperLaplacian

CURVED = np.zeros((9, 9), np.float32)
CURVED[[1, 2, 3, 4, 5, 5, 5, 5], [2, 2, 3, 3, 3, 4, 5, 6]] = [1, 1, 2, 3, 2, 1, 1, 2]


@pytest.fixture(scope="module")
def shaken():
    return synthetic_scene((110, 120), Kernel(CURVED), noise=0.002, seed=4)


@pytest.fixture(scope="module")
def found(shaken):
    return kernel_of(shaken.blurred)


def kernel_of(blurred, mask=None, context=None, **params):
    estimator = MapEstimator(**{"size": 11, **params})
    return estimator.estimate(blurred, context or Context(), mask).kernel.weights


def test_the_kernel_of_a_shaken_scene_is_found(shaken, found):
    assert kernel_similarity(found, shaken.kernel.weights) > 0.9


def test_the_kernel_is_centred_on_its_mass(found):
    for axis, n in enumerate(found.shape):
        assert abs((found.sum(1 - axis) * np.arange(n)).sum() - n // 2) <= 0.51


def test_the_kernel_is_not_rotated_by_180_degrees(shaken, found):
    """Convolution and correlation differ for a kernel without symmetry."""
    rotated = np.rot90(shaken.kernel.weights, 2)
    assert kernel_similarity(found, shaken.kernel.weights) > kernel_similarity(found, rotated) + 0.1


def test_whitening_changes_the_refinements_alone(shaken, found):
    plain = kernel_of(shaken.blurred, whiten=False)
    assert kernel_similarity(plain, shaken.kernel.weights) > 0.9
    assert not np.array_equal(plain, found)
    short = [kernel_of(shaken.blurred, whiten=whiten, refinements=0) for whiten in (True, False)]
    np.testing.assert_array_equal(*short)


def test_it_is_deterministic(shaken, found):
    np.testing.assert_array_equal(kernel_of(shaken.blurred), found)


def test_brightness_and_contrast_do_not_matter(shaken, found):
    dim = kernel_of(0.05 * shaken.blurred)
    assert kernel_similarity(dim, found) > 0.999


def test_grey_in_three_channels_is_grey(shaken, found):
    coloured = kernel_of(shaken.blurred.expand(3, -1, -1))
    assert kernel_similarity(coloured, found) > 0.999


@pytest.mark.parametrize("value", [0.0, 40.0])
def test_the_values_of_masked_pixels_do_not_matter(shaken, found, value):
    mask = torch.ones(110, 120)
    mask[40:52, 30:60] = 0
    mask[::9, 5::13] = 0
    damaged = torch.where(mask > 0, shaken.blurred, value)
    masked = kernel_of(damaged, mask)
    np.testing.assert_array_equal(masked, kernel_of(torch.where(mask > 0, damaged, 0.3), mask))
    assert kernel_similarity(masked, found) > 0.9
    if value:
        assert kernel_similarity(kernel_of(damaged), found) < 0.8


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_given_noise_level_improves_the_kernel(seed):
    """The weights stay larger with more noise; without the level, noise is taken for edges."""
    given = synthetic_scene((128, 128), Kernel(CURVED), noise=0.03, seed=seed)
    known, unknown = (kernel_of(given.blurred, context=Context(noise=n)) for n in (0.03, 0.0))
    better, worse = (kernel_similarity(k, given.kernel.weights) for k in (known, unknown))
    assert better > worse


@pytest.mark.parametrize("size", [10, 15, "auto"])
def test_the_size_may_be_even_or_too_large_or_estimated(shaken, size):
    assert kernel_similarity(kernel_of(shaken.blurred, size=size), shaken.kernel.weights) > 0.85


@pytest.mark.parametrize(
    "priors",
    [
        [{"prior": "hyper-laplacian", "weight": 2e-3, "params": {"exponent": 0.5}}],
        [{"prior": "l0-gradient", "weight": 4e-3}, {"prior": "tv", "weight": 1e-4}],
    ],
)
def test_priors_are_chosen_by_name_and_combined(shaken, found, priors):
    other = kernel_of(shaken.blurred, priors=priors)
    assert kernel_similarity(other, shaken.kernel.weights) > 0.6
    assert np.abs(other.sum() - 1) < 1e-5
    assert other.shape != found.shape or not np.array_equal(other, found)


def test_the_median_filter_is_scipys():
    x = torch.rand(12, 17, generator=torch.Generator().manual_seed(0))
    expected = ndimage.median_filter(x.numpy(), 3, mode="mirror")
    np.testing.assert_array_equal(median_filter(x, 3).numpy(), expected)
    torch.testing.assert_close(median_filter(x, 1), x, atol=0, rtol=0)


def test_the_median_filter_improves_the_kernel_of_an_image_with_salt_and_pepper(shaken):
    draw = torch.rand(shaken.blurred.shape, generator=torch.Generator().manual_seed(1))
    corrupted = torch.where(draw < 0.01, 0, torch.where(draw > 0.99, 1, shaken.blurred))
    plain, filtered = (kernel_of(corrupted, median=size) for size in (1, 3))
    true = shaken.kernel.weights
    assert kernel_similarity(filtered, true) > kernel_similarity(plain, true) + 0.1


@pytest.mark.parametrize(("factors", "starts"), [((1.0,), 1), ((0.5, 1.0, 2.0), 1), ((1.0,), 4)])
def test_every_iteration_is_reported(shaken, factors, starts):
    reports = []
    kernel_of(
        shaken.blurred,
        context=Context(on_progress=reports.append),
        **{"iterations": 1, "refinements": 2, "weight_factors": factors, "n_starts": starts},
    )
    # The kernel of a search is refined twice.
    refinements = 4 if len(factors) == starts == 1 else 2
    iterations = len(factors) * starts * (len(pyramid_levels(11)) + refinements)
    counts = {
        label: [(r.done, r.total) for r in reports if r.label == label]
        for label in ("kernel size", "map")
    }
    assert counts["map"] == [(n, iterations) for n in range(1, iterations + 1)]
    levels = len(counts["kernel size"])
    assert counts["kernel size"] == [(n, levels) for n in range(1, levels + 1)]


def test_it_stops_within_an_iteration_of_cancellation(shaken):
    polls = chain([False, False], repeat(True))  # of several threads each may ask once more
    with pytest.raises(Cancelled):
        kernel_of(shaken.blurred, context=Context(is_cancelled=lambda: next(polls)))


# Several weights.


def test_a_factor_multiplies_the_weights(shaken):
    twice = kernel_of(shaken.blurred, weight_factors=[2.0])
    heavy = kernel_of(shaken.blurred, priors=[{"prior": "l0-gradient", "weight": 8e-3}])
    np.testing.assert_array_equal(twice, heavy)


def test_of_several_factors_the_kernel_of_the_best_score_is_kept(shaken):
    wrong, right, chosen = (
        kernel_of(shaken.blurred, weight_factors=factors, n_starts=2, iterations=2, refinements=2)
        for factors in ((0.01,), (1.0,), (0.01, 1.0))
    )
    assert kernel_similarity(wrong, shaken.kernel.weights) < 0.8
    np.testing.assert_array_equal(chosen, right)


def test_an_image_too_small_for_the_kernel_raises():
    with pytest.raises(ImageError, match=r"too small.*kernel of 31.*kernel\.size to 25"):
        kernel_of(torch.rand(1, 50, 90), size=31)


@pytest.mark.parametrize("mask", [None, torch.zeros(40, 40)])
def test_a_constant_or_masked_image_raises(mask):
    x = torch.full((1, 40, 40), 0.5) if mask is None else torch.rand(1, 40, 40)
    with pytest.raises(ImageError, match="one value"):
        kernel_of(x, mask)


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"size": 2}, "size"),
        ({"priors": []}, "priors"),
        ({"iterations": 0}, "iterations"),
        ({"weight_factors": []}, "weight_factors"),
        ({"weight_factors": [0.0]}, "weight_factors"),
        ({"threshold": 1.0}, "threshold"),
    ],
)
def test_params_out_of_bounds_raise(params, word):
    with pytest.raises(ParamsError, match=word):
        MapEstimator(**params)


def test_an_unknown_prior_raises_with_the_nearest_name(shaken):
    with pytest.raises(UsageError, match="l0-gradient"):
        kernel_of(shaken.blurred, priors=[{"prior": "l0-gradeint", "weight": 1.0}])


def test_a_straight_motion_is_found_at_its_angle():
    true = motion_kernel(7, 30)
    given = synthetic_scene((120, 110), true, noise=0.002, seed=6)
    assert kernel_similarity(kernel_of(given.blurred), true.weights) > 0.85


def test_psnr_on_a_real_photograph(shared):
    """One of Levin's shaken photographs, blind, with the size of the published kernel."""
    levin = shared / "data" / "levin09"
    name = "im3_kernel5_img"
    blurred = np.asarray(Image.open(levin / "blurred_16bit" / f"{name}.png")) / np.float32(65535)
    sharp = np.asarray(Image.open(next((levin / "sharp_16bit").glob("im3_kernel5*")))) / 65535
    true = read_kernel(levin / "kernels_f32" / "kernel5.tif").mean
    image = torch.tensor(blurred)[None]
    kernel = MapEstimator(size=13).estimate(image, Context()).kernel
    restored = HyperLaplacian().deconvolve(image, kernel, Context())[0].clamp(0, 1).numpy()
    assert kernel_similarity(kernel.weights, true.weights) > 0.85
    found = levin_aligned(restored, sharp)
    assert found.psnr > 34
    assert found.psnr > levin_aligned(blurred, sharp).psnr + 5
