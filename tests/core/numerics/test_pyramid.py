import numpy as np
import pytest
import torch
from PIL import Image

from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.pyramid import (
    RATIO,
    odd,
    pyramid_levels,
    rescale_kernel,
    resize_kernel,
    shrink_image,
)
from unblur.numerics.synthesis import blur_image, crop_valid
from unblur.testing import gaussian


@pytest.mark.parametrize("size", [3, 4, 5, 6, 13, 24, 31, 75, 199])
def test_scales_grow_to_the_size_asked_for(size):
    levels = pyramid_levels(size)
    assert (levels[-1].ratio, levels[-1].size) == (1.0, size)
    ratios = [level.ratio for level in levels]
    assert ratios == sorted(set(ratios))
    for finer, coarser in zip(ratios[1:], ratios, strict=False):
        assert coarser / finer == pytest.approx(RATIO)
    for level in levels[:-1]:
        assert level.size % 2 == 1
        assert size * level.ratio <= level.size < size * level.ratio + 2
    assert levels[0].size <= max(size, 9)


@pytest.mark.parametrize(("coarsest", "ratio", "count"), [(5, 0.5, 3), (10, 0.5, 2), (40, 0.5, 1)])
def test_the_coarsest_kernel_and_the_ratio_set_how_many_there_are(coarsest, ratio, count):
    assert len(pyramid_levels(20, coarsest, ratio)) == count


def test_odd_never_falls_below():
    assert [odd(n) for n in (1, 2, 3, 10)] == [1, 3, 3, 11]


@pytest.mark.parametrize("ratio", [0.8, RATIO, 0.5, 0.21])
def test_shrinking_is_pillows_antialiased_bilinear(ratio):
    x = torch.rand(3, 40, 53, generator=torch.Generator().manual_seed(1))
    small = shrink_image(x, ratio)
    height, width = small.shape[1:]
    assert (height, width) == (round(40 * ratio), round(53 * ratio))
    for channel, found in zip(x.numpy(), small.numpy(), strict=True):
        picture = Image.fromarray(channel).resize((width, height), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(found, np.asarray(picture), atol=1e-5)


def test_full_size_is_the_image_itself_and_no_image_vanishes():
    x = torch.rand(6, 7)
    assert shrink_image(x, 1.0) is x
    assert shrink_image(x, 0.01).shape == (1, 1)


def test_kernels_shrink_as_images_do():
    sharp = torch.rand(1, 1, 240, 240, generator=torch.Generator().manual_seed(0))
    sharp = torch.nn.functional.avg_pool2d(sharp, 7, 1)
    kernel = gaussian((21, 21), 4.0)
    small = rescale_kernel(kernel.tensor()[None], 11, 0.5)[0]
    assert float(small.sum()) == pytest.approx(1)
    blurred = torch.nn.functional.avg_pool2d(blur_image(sharp, kernel)[..., :214, :214], 2)
    shrunk = torch.nn.functional.avg_pool2d(crop_valid(sharp, kernel)[..., :214, :214], 2)
    predicted = torch.nn.functional.conv2d(shrunk, small.flip(0, 1)[None, None])
    inner = blurred[..., 5:-5, 5:-5]
    assert (predicted - inner).square().mean() < 0.05 * inner.var()


def test_rescaling_keeps_the_centre_and_comes_back():
    kernel = gaussian((9, 9), 1.0).tensor()[None]
    larger = rescale_kernel(kernel, 19, 2.0)
    torch.testing.assert_close(larger, larger.flip(1, 2))
    back = rescale_kernel(larger, 9, 0.5)
    assert kernel_similarity(back[0], kernel[0]) > 0.97


@pytest.mark.parametrize("size", [5, 9, 10, 17])
def test_a_resized_kernel_keeps_sum_sign_and_place(size):
    draw = torch.Generator().manual_seed(2)
    kernel = torch.rand(7, 7, generator=draw) ** 4
    kernel[0] = kernel[-1] = kernel[:, 0] = kernel[:, -1] = 0
    kernel /= kernel.sum()
    resized = resize_kernel(kernel, size)
    assert resized.shape == (size, size)
    assert float(resized.min()) >= 0
    assert float(resized.sum()) == pytest.approx(1, abs=1e-5)
    for axis in (0, 1):
        before = _mass(kernel.sum(1 - axis))
        after = _mass(resized.sum(1 - axis))
        # Pixel centres lie at half integers of a frame of extent n.
        assert (after + 0.5) / size == pytest.approx((before + 0.5) / 7, abs=0.06)


def test_a_kernel_of_the_right_size_stays_as_it_is():
    kernel = torch.rand(5, 5)
    torch.testing.assert_close(resize_kernel(kernel, 5), kernel / kernel.sum())


def _mass(profile):
    return float((profile * torch.arange(len(profile))).sum() / profile.sum())
