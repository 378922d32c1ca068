"""Centring, padding, cleaning, aligning and averaging of kernels."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.signal import correlate

from unblur.model.kernel import Kernel
from unblur.numerics.kernel_ops import (
    average_kernels,
    centring_shift,
    crop_around,
    crop_to_mass,
    largest_shape,
    max_cross_correlation,
    pad_to,
    recentre,
    remove_small_components,
)


def line(angle, size=17):
    """Return a line of 9 pixels through the centre at `angle` degrees, drawn by distance."""
    y, x = np.mgrid[:size, :size] - size // 2
    direction = np.deg2rad(angle)
    across = np.abs(np.cos(direction) * y - np.sin(direction) * x)
    along = np.abs(np.cos(direction) * x + np.sin(direction) * y)
    weights = np.clip(1 - across, 0, 1) * (along <= 4)
    return weights / weights.sum()


def shifted(weights, by):
    return np.roll(weights, by, (0, 1))


def random_kernel(*shape, seed=0):
    kernel = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) ** 6
    return kernel / kernel.sum((-2, -1), keepdim=True)


# Centring.


@pytest.mark.parametrize("shape", [(9, 9), (10, 10), (7, 7, 7)])
def test_centring_on_the_mass_in_a_growing_support_loses_no_sample(shape):
    kernel = torch.zeros(shape)
    kernel[(0,) * len(shape)] = 8.0
    kernel[(0,) * (len(shape) - 1)][1:4] = 1.0
    kernel[(-1,) * len(shape)] = 2.0
    moved = recentre(kernel, grow=True)
    assert sorted(moved[moved > 0].tolist()) == sorted(kernel[kernel > 0].tolist())
    mass = ndimage.center_of_mass(moved.numpy())
    assert np.abs(np.subtract(mass, [n // 2 for n in moved.shape])).max() <= 0.5
    spread = moved.nonzero()
    assert (spread[-1] - spread[0]).tolist() == [n - 1 for n in shape]


@pytest.mark.parametrize("size", [8, 9])
def test_the_centring_shift_is_that_of_scipys_centre_of_mass(size):
    kernel = random_kernel(size, size)
    mass = ndimage.center_of_mass(kernel.double().numpy())
    assert centring_shift(kernel) == tuple(size // 2 - round(m) for m in mass)


def test_a_kernel_that_fits_after_the_shift_keeps_its_support():
    kernel = torch.zeros(9, 9)
    kernel[2:4, 5] = 1.0
    assert recentre(kernel, grow=True).shape == (9, 9)


def test_without_growing_what_leaves_the_support_is_dropped_and_the_sum_stays():
    kernel = torch.zeros(5, 5)
    kernel[0, 2], kernel[4, 2] = 3.0, 1.0
    moved = recentre(kernel)
    assert moved.nonzero().tolist() == [[1, 2]]
    assert float(moved.sum()) == pytest.approx(4)


@pytest.mark.parametrize("size", [10, 11])
def test_centring_on_the_support_moves_its_box_to_the_middle(size):
    kernel = torch.zeros(size, size)
    kernel[:3, 6:9] = torch.rand(3, 3) + 0.1
    moved = recentre(kernel, by="support")
    middle = slice(size // 2 - 1, size // 2 + 2)
    torch.testing.assert_close(moved[middle, middle], kernel[:3, 6:9])
    assert float(moved.sum()) == pytest.approx(float(kernel.sum()))


def test_samples_below_the_support_threshold_that_leave_do_not_wrap_around():
    kernel = torch.zeros(11, 11)
    kernel[4:, 5] = 1.0
    kernel[0:4, 5] = 0.03
    moved = recentre(kernel / kernel.sum(), by="support")
    assert moved.nonzero()[:, 0].tolist() == list(range(0, 9))
    assert float(moved.sum()) == pytest.approx(1)


def test_a_batch_is_centred_kernel_by_kernel():
    kernels = torch.zeros(2, 7, 7)
    kernels[0, 0, 1:3] = 0.5
    kernels[1, 3, 3] = 1
    moved = recentre(kernels, by="unit-mass")
    assert float(moved[0, 3].sum()) == pytest.approx(1)
    torch.testing.assert_close(moved[1], kernels[1])
    each = random_kernel(5, 8, 8)
    expected = torch.stack([recentre(kernel) for kernel in each])
    torch.testing.assert_close(recentre(each, by="unit-mass"), expected)


def test_centring_of_a_batch_is_differentiable():
    kernels = random_kernel(2, 5, 5).double()
    kernels = kernels.roll(1, 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda k: recentre(k, by="unit-mass"), kernels)


def test_subpixel_centring_moves_by_fractions():
    kernel = torch.zeros(7, 7, dtype=torch.float64)
    kernel[2, 3:5] = 0.5
    moved = recentre(kernel, by="subpixel-mass")
    assert moved.dtype == torch.float64
    assert float(moved.sum()) == pytest.approx(1)
    np.testing.assert_allclose(ndimage.center_of_mass(moved.numpy()), 3, atol=0.05)


# Padding and cropping.


def test_padding_keeps_the_centre():
    for n in (3, 4, 5, 9):
        for m in (3, 5, 6, 9):
            kernel = torch.zeros(n, n)
            kernel[n // 2, n // 2] = 1
            found = pad_to(kernel, (m, m))
            assert found.shape == (m, m)
            assert found[m // 2, m // 2] == 1


def test_cropping_undoes_padding():
    kernel = random_kernel(5, 4)
    torch.testing.assert_close(pad_to(pad_to(kernel, (8, 9)), (5, 4)), kernel, rtol=0, atol=0)


def test_a_window_around_a_point_is_zero_outside_the_array():
    values = np.arange(12.0).reshape(3, 4)
    assert crop_around(values, (0, 3), (1, 1)).tolist() == [[0, 0, 0], [2, 3, 0], [6, 7, 0]]
    np.testing.assert_array_equal(crop_around(values, (1, 2), (1, 1)), values[:, 1:])


def test_the_largest_shape_holds_all():
    assert largest_shape([(3, 8), (5, 2)]) == (5, 8)


# Removal of noise.


def test_small_components_go_and_the_stroke_stays():
    kernel = torch.zeros(9, 9)
    kernel[4, 2:7] = 1.0
    kernel[5, 7] = 0.5  # touches the stroke at a corner
    kernel[0, 0] = 0.1  # a component by itself, 2 % of the sum
    kernel[8, 4] = 0.01  # below 2 % of the peak
    kept = remove_small_components(kernel / kernel.sum(), 0.02, 0.03)
    assert kept.nonzero().tolist() == [[4, c] for c in range(2, 7)] + [[5, 7]]
    assert float(kept.sum()) == pytest.approx(1)


def test_of_small_components_alone_the_largest_stays():
    kernel = torch.zeros(9, 9)
    kernel[::4, ::4] = torch.tensor([[1.0, 1, 1], [1, 1.2, 1], [1, 1, 1]])
    kept = remove_small_components(kernel / kernel.sum(), 0.02, 0.5)
    assert kept.nonzero().tolist() == [[4, 4]]


def test_components_of_pose_weights_are_connected_across_angles():
    weights = torch.zeros(3, 5, 5)
    weights[0, 1, 1], weights[1, 2, 2], weights[2, 4, 0] = 1.0, 0.1, 0.1
    kept = remove_small_components(weights, 0.02, 0.1)
    assert kept.nonzero().tolist() == [[0, 1, 1], [1, 2, 2]]


# Alignment.


def test_the_correlation_is_scipys_at_its_peak():
    a, b = (random_kernel(9, 9, seed=seed).double().numpy() for seed in (1, 2))
    full = correlate(a, b)
    score, shift = max_cross_correlation(a, b)
    assert score == pytest.approx(full.max() / (np.linalg.norm(a) * np.linalg.norm(b)))
    assert shift == tuple(int(i) - 8 for i in np.unravel_index(full.argmax(), full.shape))


def test_the_correlation_finds_the_shift():
    a = line(30)
    score, shift = max_cross_correlation(a, shifted(a, (2, -3)))
    assert score == pytest.approx(1)
    assert shift == (-2, 3)


def test_the_average_is_of_aligned_kernels_that_correlate():
    true = line(20)
    moved = [shifted(true, by) for by in ((0, 0), (2, 1), (-3, 2))]
    mean, used = average_kernels([Kernel(k) for k in (*moved, line(110))])
    assert used == [0, 1, 2]
    assert max_cross_correlation(mean.weights.astype(float), true)[0] > 0.999


def disk_and_speck(row: int) -> torch.Tensor:
    """Return a disk of 9 pixels, and a pixel of 1 % of the mass in a row of its own."""
    kernel = torch.zeros(31, 31)
    across = torch.arange(31.0) - 14
    kernel[(across[:, None].square() + across.square()) <= 4.5**2] = 1
    kernel[row, 14] = 0.01 * kernel.sum()
    return kernel


def test_a_crop_to_mass_holds_the_box_and_leaves_out_what_lies_far_outside():
    cropped = crop_to_mass(disk_and_speck(28), tail=0.02, factor=1.25)
    assert cropped.shape == (11, 11)
    torch.testing.assert_close(float(cropped.sum()), 1.0)
    torch.testing.assert_close(cropped, cropped.flip(0))


def test_a_crop_to_mass_without_tails_keeps_all_and_is_not_larger_than_the_kernel():
    kernel = disk_and_speck(30)
    cropped = crop_to_mass(kernel, tail=1e-6, factor=3.0)
    assert cropped.shape == kernel.shape
    torch.testing.assert_close(cropped.sort().values.max(), (kernel / kernel.sum()).max())
    assert int((cropped > 0).sum()) == int((kernel > 0).sum())
