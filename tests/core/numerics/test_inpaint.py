"""Filling of invalid pixels, against loops over them."""

import numpy as np
import pytest
import torch

from unblur.errors import ImageError
from unblur.numerics.inpaint import fill, nearest_valid
from unblur.numerics.operators import Blur
from unblur.testing import lopsided


def draw(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_nearest_pixel_is_the_nearest_by_brute_force():
    x, valid = draw(2, 12, 15), draw(12, 15, seed=1) > 0.7
    found = fill(x, valid)
    at = valid.nonzero().double()
    for row, column in np.ndindex(12, 15):
        distances = (at - torch.tensor([row, column])).norm(dim=1)
        nearest = at[distances == distances.min()].long()
        assert any(torch.equal(found[:, row, column], x[:, r, c]) for r, c in nearest)


def test_the_nearest_index_serves_any_number_of_axes():
    valid = np.zeros((3, 4, 5), bool)
    valid[1, 2, 3] = True
    assert [int(index[0, 0, 0]) for index in nearest_valid(valid)] == [1, 2, 3]


def test_boxes_take_from_the_neighbourhood():
    x = torch.linspace(0, 1, 20).expand(1, 20, 20).clone()
    valid = torch.ones(20, 20)
    valid[5:12, 8:12] = 0
    found = fill(x.masked_fill(valid[None] == 0, 50.0), valid, "pyramid")
    torch.testing.assert_close(found[:, valid > 0], x[:, valid > 0])
    assert float((found - x).abs().max()) < 0.15


def test_a_box_gives_the_mean_of_its_valid_pixels():
    x, valid = draw(1, 9, 9), torch.ones(9, 9, dtype=torch.float64)
    valid[4, 4] = valid[0, 0] = valid[0, 1] = 0
    found = fill(x, valid, "pyramid")
    box = x[0, 3:6, 3:6].flatten()
    assert float(found[0, 4, 4]) == pytest.approx(float((box.sum() - x[0, 4, 4]) / 8))
    assert float(found[0, 0, 0]) == pytest.approx(float(x[0, 1, :2].mean()))


def test_the_kernel_weights_the_mean_of_the_pixels_around():
    kernel = lopsided((5, 5)).tensor(dtype=torch.float64)
    x, valid = draw(2, 20, 22), torch.ones(20, 22, dtype=torch.float64)
    valid[7:9, 10:12] = 0
    found = fill(x, valid, "kernel-weighted", blur=Blur(kernel, (20, 22)))
    total, weight = torch.zeros(2, dtype=torch.float64), 0.0
    for i, j in np.ndindex(5, 5):  # the adjoint of a convolution reads at +offset
        row, column = 7 + i - 2, 10 + j - 2
        share = float(kernel[i, j] * valid[row, column])
        total, weight = total + share * x[:, row, column], weight + share
    torch.testing.assert_close(found[:, 7, 10], total / weight)
    torch.testing.assert_close(found[:, valid > 0], x[:, valid > 0], rtol=0, atol=0)


def test_where_the_kernel_reaches_no_valid_pixel_the_mean_of_all_is_taken():
    x, valid = draw(1, 16, 16), torch.ones(16, 16, dtype=torch.float64)
    valid[4:12, 4:12] = 0
    blur = Blur(torch.full((3, 3), 1 / 9, dtype=torch.float64), (16, 16), valid)
    found = fill(x, valid, "kernel-weighted", blur=blur)
    assert float(found[0, 8, 8]) == pytest.approx(float(x[0, valid > 0].mean()))


@pytest.mark.parametrize("method", ["nearest", "pyramid"])
def test_an_image_without_invalid_pixels_is_returned(method):
    x = draw(1, 4, 4)
    assert fill(x, torch.ones(4, 4), method) is x
    assert fill(x, None, method) is x


def test_without_a_valid_pixel_there_is_none_to_take_from():
    with pytest.raises(ImageError, match="no pixel of the image is valid"):
        fill(torch.zeros(1, 3, 3), torch.zeros(3, 3))
