"""Negative values are removed, and the light around them is kept."""

import pytest
import torch

from unblur.numerics.nonnegative import box_sum, clip_negative


def ringing(ndim):
    """Return a bright point with rings below 0, as a linear filter leaves them."""
    axes = torch.meshgrid(*[torch.arange(-10.0, 11)] * ndim, indexing="ij")
    distance = sum(a**2 for a in axes).sqrt()
    return (torch.exp(-(distance**2) / 4) * torch.cos(distance))[None]


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_the_sum_is_kept_and_nothing_is_below_0(ndim):
    x = ringing(ndim) * (1 if ndim < 3 else -1)
    made = clip_negative(x if x.sum() > 0 else -x, [5] * ndim)
    assert made.min() >= 0
    assert float(made.sum()) == pytest.approx(abs(float(x.sum())), rel=1e-5)


def test_an_image_without_negative_values_stays_as_it_is():
    x = torch.rand(2, 8, 9)
    assert torch.equal(clip_negative(x, [3, 3]), x)


def test_nan_stays_and_does_not_spread():
    x = ringing(2)
    x[0, 3, 3] = torch.nan
    made = clip_negative(x, [5, 5])
    assert int(made.isnan().sum()) == 1
    assert bool(made[0, 3, 3].isnan())


def test_darkness_below_0_becomes_0():
    assert not clip_negative(-torch.rand(1, 6, 6), [2, 2]).any()


def test_a_piece_with_twice_the_radius_around_it_equals_the_whole():
    x = torch.randn(1, 40, 50)
    whole = clip_negative(x, [3, 4])
    piece = clip_negative(x[:, 4:36, 2:48], [3, 4])
    torch.testing.assert_close(piece[:, 6:-6, 8:-8], whole[:, 10:30, 10:40])


def test_box_sums_are_those_of_a_loop():
    x = torch.rand(2, 5, 6)
    made = box_sum(x, [1, 2])
    for i in range(5):
        for j in range(6):
            part = x[:, max(i - 1, 0) : i + 2, max(j - 2, 0) : j + 3]
            torch.testing.assert_close(made[:, i, j], part.sum((1, 2)))
