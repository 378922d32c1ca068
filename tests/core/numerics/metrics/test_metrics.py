from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates, shift
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from unblur.errors import ImageError, KernelError
from unblur.model.kernel import Kernel
from unblur.numerics.metrics import (
    error_ratio,
    kernel_similarity,
    levin_aligned,
    psnr,
    ssim,
    ssim_map,
)


def scene(shape, seed=0):
    rng = np.random.default_rng(seed)
    x = gaussian_filter(rng.random(shape), 1.5)
    return (x - x.min()) / (x.max() - x.min())


def brute_force(estimate, truth, border, search, step):
    """Levin's protocol spelled out: sample the estimate at every shift with scipy."""
    crop = truth[border:-border, border:-border]
    rows, columns = np.mgrid[border : truth.shape[0] - border, border : truth.shape[1] - border]
    offsets = np.arange(-search, search + step / 2, step)
    best = (np.inf, None, None)
    for dy in offsets:
        for dx in offsets:
            moved = map_coordinates(estimate, [rows + dy, columns + dx], order=1)
            error = ((moved - crop) ** 2).sum()
            if error < best[0]:
                best = (error, (dy, dx), moved)
    return best, crop


def test_psnr_agrees_with_scikit_image():
    a, b = scene((40, 50)), scene((40, 50), 1)
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=1), abs=1e-9)
    inner = (slice(5, -5),) * 2
    assert psnr(a, b, 5) == pytest.approx(psnr(a[inner], b[inner]))
    assert psnr(torch.tensor(a), b) == pytest.approx(psnr(a, b))
    assert psnr(255 * a, 255 * b, peak=255) == pytest.approx(psnr(a, b))
    assert psnr(a, a) == float("inf")


@pytest.mark.parametrize("shape", [(40, 50), (14, 20, 16)])
def test_ssim_agrees_with_scikit_image(shape):
    a, b = scene(shape), scene(shape, 1)
    expected = structural_similarity(
        a, b, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(a, b, ndim=len(shape)) == pytest.approx(expected, abs=1e-9)


def test_ssim_averages_channels_and_is_one_for_equal_images():
    a, b = scene((3, 30, 30)), scene((3, 30, 30), 1)
    assert ssim(a, b) == pytest.approx(np.mean([ssim(p, q) for p, q in zip(a, b, strict=True)]))
    assert ssim(a, a) == pytest.approx(1)


def test_ssim_map_is_differentiable():
    a = torch.rand(1, 13, 12, dtype=torch.float64, requires_grad=True)
    b = torch.rand(1, 13, 12, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: ssim_map(x, b).sum(), a)


def test_levin_equals_brute_force_over_the_whole_grid():
    truth = scene((44, 48))
    estimate = shift(truth, (1.4, -2.1), order=3, mode="nearest") + 0.05 * scene((44, 48), 2)
    (error, best, moved), crop = brute_force(estimate, truth, 8, 3, 0.25)
    scored = levin_aligned(estimate, truth, border=8, search=3)
    assert scored.shift == best
    assert scored.error == pytest.approx(error, rel=1e-9)
    assert scored.psnr == pytest.approx(peak_signal_noise_ratio(crop, moved, data_range=1))
    assert scored.ssim == pytest.approx(ssim(crop, moved))


def test_levin_finds_a_shift_at_the_edge_of_the_search():
    truth = scene((64, 64))
    scored = levin_aligned(np.roll(truth, (5, -5), (0, 1)), truth)
    assert scored.shift == (5, -5)
    assert scored.error == pytest.approx(0, abs=1e-12)


def test_levin_takes_channels():
    truth = scene((3, 40, 40))
    scored = levin_aligned(np.roll(truth, 2, 1), truth, border=6)
    assert scored.shift == (2, 0)
    assert scored.psnr > 200


def test_error_ratio_compares_two_results():
    truth = scene((48, 48))
    noise = np.random.default_rng(3).standard_normal(truth.shape)
    ratio = error_ratio(truth + 0.02 * noise, truth + 0.01 * noise, truth)
    assert ratio == pytest.approx(4, rel=1e-3)
    assert error_ratio(truth, truth, truth) == 1


def test_kernel_similarity_ignores_shift_scale_and_extent():
    rng = np.random.default_rng(0)
    a = rng.random((7, 9))
    b = np.zeros((15, 13))
    b[3:10, 1:10] = 5 * a
    assert kernel_similarity(a, b) == pytest.approx(1, abs=1e-9)
    assert kernel_similarity(Kernel(a), torch.tensor(b)) == pytest.approx(1, abs=1e-6)


def test_kernel_similarity_equals_brute_force():
    rng = np.random.default_rng(1)
    a, b = rng.random((4, 5)), rng.random((6, 3))
    padded = np.pad(a, 10)
    best = max((padded[i : i + 6, j : j + 3] * b).sum() for i in range(18) for j in range(20))
    expected = best / np.linalg.norm(a) / np.linalg.norm(b)
    assert kernel_similarity(a, b) == pytest.approx(expected, abs=1e-12)
    assert kernel_similarity(a[None], a[None]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: psnr(np.zeros((4, 4)), np.zeros((4, 5))), ImageError, "one shape"),
        (lambda: psnr(np.zeros((4, 4)), np.zeros((4, 4)), 2), ImageError, "nothing is left"),
        (lambda: ssim(np.zeros((10, 20)), np.zeros((10, 20))), ImageError, "at least 11"),
        (lambda: levin_aligned(scene((40, 40)), scene((40, 40)), border=3), ImageError, "covers"),
        (lambda: kernel_similarity(np.zeros((3, 3)), np.ones((3, 3))), KernelError, "all zeros"),
        (lambda: kernel_similarity(np.ones((3, 3)), np.ones((3, 3, 3))), KernelError, "axes"),
    ],
)
def test_errors_say_what_was_wrong(call, error, says):
    with pytest.raises(error, match=says):
        call()
