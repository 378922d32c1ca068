from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from scipy.signal import fftconvolve
from scipy.special import j1

from unblur.errors import ImageError, KernelError
from unblur.model.kernel import Kernel
from unblur.numerics.synthesis import (
    add_gaussian_noise,
    add_poisson_noise,
    airy_kernel,
    airy_radius,
    blur_image,
    crop_valid,
    disk_kernel,
    gaussian_kernel,
    gaussian_process_kernel,
    motion_kernel,
    saturate,
    shake_kernel,
    trajectory_kernel,
    widefield_kernel,
)
from unblur.numerics.synthesis.motion import matern_factor

DRAWN = [gaussian_process_kernel, shake_kernel]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def moments(kernel):
    """Centre of mass and covariance, relative to `n // 2`."""
    axes = zip(np.indices(kernel.shape), kernel.shape, strict=True)
    grid = np.stack([g - n // 2 for g, n in axes])
    w = kernel.weights.astype(np.float64)
    mean = np.array([(g * w).sum() for g in grid])
    return mean, np.array([[(a * b * w).sum() for a in grid] for b in grid]) - np.outer(mean, mean)


@pytest.mark.parametrize("draw", DRAWN)
@pytest.mark.parametrize("size", [7, 16, 33])
def test_drawn_kernels_keep_their_laws(draw, size):
    generator = seeded(size)
    for _ in range(20):
        kernel = draw(size, generator)
        assert kernel.shape == (size, size)
        assert kernel.weights.sum() == pytest.approx(1, abs=1e-5)
        assert moments(kernel)[0] == pytest.approx([0, 0], abs=1e-4)
        assert (kernel.weights > 0).sum() > size / 2  # a path, not a dot


@pytest.mark.parametrize("draw", DRAWN)
def test_same_seed_same_kernel(draw):
    first, again = draw(15, seeded(4)).weights, draw(15, seeded(4)).weights
    assert np.array_equal(first, again)
    assert not np.array_equal(first, draw(15, seeded(5)).weights)


def test_gaussian_process_has_the_covariance_of_equation_6():
    factor, lag = matern_factor(0.3), 40 / 127
    covariance = factor @ factor.T
    r = np.sqrt(5) * lag / 0.3
    expected = (1 + np.sqrt(5) * lag / 0.3 + 5 * lag**2 / (3 * 0.3**2)) * np.exp(-r)
    assert covariance[10, 50] == pytest.approx(expected, abs=1e-6)


def test_straight_motion_has_the_moments_of_a_line():
    for angle in (0, 30, 90, 137):
        mean, covariance = moments(motion_kernel(12, angle))
        a = np.deg2rad(angle)
        along = np.array([-np.sin(a), np.cos(a)])
        assert mean == pytest.approx([0, 0], abs=1e-5)
        # The bilinear share adds at most a quarter pixel squared.
        assert along @ covariance @ along == pytest.approx(12**2 / 12, abs=0.3)
        assert np.array([along[1], -along[0]]) @ covariance @ [along[1], -along[0]] < 0.3


def test_motion_turns_counter_clockwise_as_seen():
    kernel = motion_kernel(10, 45).weights
    assert kernel[0, -1] > 0  # top right
    assert kernel[0, 0] == 0


def test_no_motion_does_not_blur():
    assert np.array_equal(motion_kernel(0).weights, [[1]])


def test_trajectory_spends_its_time_where_it_stays():
    path = np.array([[0.0, 0.0]] * 9 + [[0.0, 4.0]])
    kernel = trajectory_kernel(path, 11)
    assert kernel.weights.max() > 8 / 9 - 0.35
    assert moments(kernel)[0] == pytest.approx([0, 0], abs=1e-5)


@pytest.mark.parametrize("radius", [0.3, 1.0, 2.7, 6.5])
def test_disk_has_the_area_of_each_pixel(radius):
    kernel = disk_kernel(radius)
    size, fine = kernel.shape[0], 201
    at = (np.arange(size * fine) + 0.5) / fine - 0.5 - size // 2
    inside = (at[:, None] ** 2 + at**2 <= radius**2).reshape(size, fine, size, fine)
    expected = inside.mean((1, 3))
    assert kernel.weights == pytest.approx(expected / expected.sum(), abs=2e-4)
    assert np.array_equal(kernel.weights, kernel.weights.T)


def test_gaussian_has_its_deviations_and_angle():
    mean, covariance = moments(gaussian_kernel((3, 1.5), angle=30))
    a = np.deg2rad(30)
    # "rows" is the vertical axis; counter-clockwise as seen brings its top to the left.
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    assert mean == pytest.approx([0, 0], abs=1e-5)
    assert covariance == pytest.approx(turn @ np.diag([9, 2.25]) @ turn.T, rel=0.01, abs=0.01)
    assert np.diag(moments(gaussian_kernel((1, 2, 3)))[1]) == pytest.approx([1, 4, 9], rel=0.01)
    assert gaussian_kernel(2, 9).shape == (9, 9)


def test_airy_is_dark_at_its_first_ring_and_holds_its_light():
    kernel = airy_kernel(20, 161).weights
    centre = kernel[80, 80:]
    assert np.argmin(centre[:30]) in (19, 20, 21)
    assert centre[26:29].max() / centre[0] == pytest.approx(0.0175, abs=0.001)  # first ring
    assert airy_radius(0.5, 0.61, 0.1) == pytest.approx(5, rel=1e-3)


def test_widefield_in_focus_is_airy_and_loses_no_light_in_depth():
    options = {"wavelength": 0.5, "aperture": 0.4, "pixel_size": (0.5, 0.1, 0.1)}
    kernel = widefield_kernel(size=(9, 61, 61), **options).weights
    radius = airy_radius(0.5, 0.4, 0.1)
    at = np.hypot(*np.mgrid[-30:31, -30:31])
    v = 3.8317 * np.where(at == 0, 1e-9, at) / radius
    airy = (2 * j1(v) / v) ** 2
    assert kernel[4] / kernel[4].max() == pytest.approx(airy, abs=2e-3)
    planes = kernel.sum((1, 2))
    assert planes / planes[4] == pytest.approx(np.ones(9), abs=0.03)
    assert kernel[0] == pytest.approx(kernel[8], rel=1e-3)


@pytest.mark.parametrize("shape", [(5, 7), (4, 6), (1, 5), (3, 4, 5)])
def test_blur_equals_scipy(shape):
    rng = np.random.default_rng(0)
    kernel = Kernel(rng.random(shape))
    x = rng.random((2, *(20,) * len(shape)))
    blurred = blur_image(torch.tensor(x), kernel)
    expected = np.stack([fftconvolve(p, kernel.weights, mode="valid") for p in x])
    assert blurred.numpy() == pytest.approx(expected, abs=1e-6)
    for boundary, mode in (("replicate", "nearest"), ("reflect", "mirror"), ("periodic", "wrap")):
        blurred = blur_image(torch.tensor(x), kernel, boundary)
        # scipy centres an even kernel elsewhere; one more zero makes it odd about n // 2.
        weights = np.pad(kernel.weights, [(0, 1 - n % 2) for n in shape])
        expected = np.stack([convolve(p, weights, mode=mode) for p in x])
        assert blurred.numpy() == pytest.approx(expected, abs=1e-6), boundary


def test_valid_pixels_are_those_of_the_larger_scene():
    kernel = Kernel(np.random.default_rng(1).random((4, 7)))
    x = torch.rand(1, 30, 30, dtype=torch.float64)
    whole = blur_image(x, kernel, "periodic")
    assert torch.allclose(crop_valid(whole, kernel), blur_image(x, kernel), atol=1e-12)


def test_noise_has_the_stated_variance():
    x = torch.full((300, 300), 0.25)
    gaussian = add_gaussian_noise(x, 0.05, seeded()) - x
    assert float(gaussian.std()) == pytest.approx(0.05, rel=0.02)
    poisson = add_poisson_noise(x, 100, seeded())
    assert float(poisson.mean()) == pytest.approx(0.25, rel=0.01)
    assert float(poisson.var()) == pytest.approx(0.25 / 100, rel=0.03)
    assert torch.equal(poisson, add_poisson_noise(x, 100, seeded()))
    assert torch.equal(add_gaussian_noise(x, 0, seeded()), x)


def test_saturation_enlarges_blurs_adds_noise_and_clips_both():
    x = torch.zeros(1, 40, 40)
    x[:, 18:22, 18:22] = 1
    kernel = Kernel(np.ones((3, 3)))
    pair = saturate(x, kernel, seeded(), noise=(0, 0))
    assert pair.blurred.shape == pair.sharp.shape == (1, 38, 38)
    expected = blur_image(1.2 * x, kernel).clamp(0, 1)
    assert torch.equal(pair.blurred, expected)
    assert torch.equal(pair.sharp, x[:, 1:-1, 1:-1])
    noisy = saturate(x + 0.2, kernel, seeded(), noise=(0.01, 0.01), boundary="reflect")
    assert noisy.sharp.shape == x.shape
    assert float(noisy.blurred[:, :14].std()) == pytest.approx(0.01, rel=0.1)
    assert float(noisy.blurred.min()) >= 0
    assert float(noisy.blurred.max()) <= 1


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: motion_kernel(20, 0, 9), KernelError, "needs a kernel of 21"),
        (lambda: disk_kernel(5, 7), KernelError, "at least 11"),
        (lambda: disk_kernel(-1), KernelError, "positive"),
        (lambda: gaussian_kernel((1, 1, 1), angle=3), KernelError, "2 axes"),
        (lambda: trajectory_kernel(np.array([[0, 0], [0, 20.0]]), 9), KernelError, "larger size"),
        (lambda: widefield_kernel(0.5, 1.4, (1, 1, 1), (3, 3, 3)), KernelError, "medium's index"),
        (lambda: blur_image(torch.ones(4, 4), disk_kernel(4)), ImageError, "as large as"),
        (lambda: add_poisson_noise(torch.ones(4), 0, seeded()), ImageError, "positive"),
    ],
)
def test_errors_say_what_was_wrong(call, error, says):
    with pytest.raises(error, match=says):
        call()
