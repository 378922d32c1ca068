"""The two networks against their published layout and independent references."""

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve
from torch import nn
from torch.nn import functional

from unblur.accel.convolution.borders import reflected
from unblur.numerics.metrics import ssim
from unblur_selfdeblur.loss_terms import FixedTargetSSIM, blur_valid, mean_square, total_variation
from unblur_selfdeblur.networks.attention import NonLocalBlock
from unblur_selfdeblur.networks.image_generator import ImageGenerator, n_levels
from unblur_selfdeblur.networks.kernel_generator import KernelGenerator
from unblur_selfdeblur.networks.resampling import upsample_2x, upsample_2x_by_slices


def drawn(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_image_network_has_the_published_size():
    net = ImageGenerator(1, 275)
    count = sum(p.numel() for p in net.parameters())
    biases = 5 * (16 + 3 * 128) + 2 * 128 + 3 * 128  # before a normalisation
    assert 2.36e6 < count + biases < 2.38e6
    assert len(net.levels) == 5
    attentive = [isinstance(level.attend, NonLocalBlock) for level in net.levels]
    assert attentive == [False, False, True, True, True]


@pytest.mark.parametrize("shape", [(33, 33), (40, 57), (12, 90), (4, 5)])
def test_an_image_of_any_size_lies_between_black_and_white(shape):
    net = ImageGenerator(3, min(shape), width=4)
    image = net(drawn(1, 8, *shape)).detach()
    assert image.shape == (1, 3, *shape)
    assert image.dtype == torch.float32
    assert 0 < float(image.min()) < float(image.max()) < 1


@pytest.mark.parametrize(("extent", "levels"), [(33, 5), (32, 4), (275, 5), (3, 1), (2, 0)])
def test_the_deepest_map_can_still_be_reflected(extent, levels):
    assert n_levels(extent) == levels


def test_doubling_and_reflecting_agree_with_the_library():
    x = drawn(1, 3, 7, 6)
    reference = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(upsample_2x(x), reference)
    torch.testing.assert_close(upsample_2x_by_slices(x), reference)
    torch.testing.assert_close(reflected(x), functional.pad(x, (1, 1, 1, 1), mode="reflect"))


def test_a_bias_before_a_normalisation_would_change_nothing():
    """The layout therefore has none."""
    net = ImageGenerator(1, 40, width=4)
    noise = drawn(1, 8, 40, 40)
    before = net(noise)
    join = net.levels[0].join
    join.bias = nn.Parameter(drawn(4))
    torch.testing.assert_close(net(noise), before, rtol=0, atol=1e-5)


def test_the_non_local_block_is_initially_the_identity_and_sums_over_all_positions():
    torch.manual_seed(0)
    block = NonLocalBlock(4).double()
    x = drawn(1, 4, 6, 8).double()
    torch.testing.assert_close(block(x), x)
    nn.init.ones_(block.norm.weight)
    theta, phi, g = (layer(x).detach() for layer in (block.theta, block.phi, block.g))
    phi, g = functional.max_pool2d(phi, 2), functional.max_pool2d(g, 2)
    similarity = torch.einsum("chw,cij->hwij", theta[0], phi[0]) / 12
    attended = torch.einsum("hwij,cij->chw", similarity, g[0])[None]
    torch.testing.assert_close(block(x), x + block.norm(block.back(attended)))


@pytest.mark.parametrize(("layers", "linear"), [("none", 1), ("one", 2), ("two", 3)])
def test_the_kernel_network_makes_kernels(layers, linear):
    net = KernelGenerator(8, layers)
    kernel = net(0.1 * drawn(200))
    assert kernel.shape == (8, 8)
    assert float(kernel.min()) > 0
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-5)
    assert sum(isinstance(layer, nn.Linear) for layer in net.layers) == linear


@pytest.mark.parametrize("n", [5, 8])
def test_the_prediction_is_the_valid_part_of_a_convolution(n):
    scene, kernel = drawn(2, 30, 27), drawn(n, n, seed=1)
    found = blur_valid(scene, kernel)
    for plane, expected in zip(found, scene, strict=True):
        reference = fftconvolve(expected.double(), kernel.double(), mode="valid")
        np.testing.assert_allclose(plane, reference, atol=1e-4)


def test_similarity_is_ssim():
    a, b = drawn(2, 24, 31), drawn(2, 24, 31, seed=1)
    mixed = 0.7 * a + 0.3 * b
    assert float(FixedTargetSSIM(a)(mixed)) == pytest.approx(ssim(a, mixed), abs=1e-5)
    assert float(FixedTargetSSIM(a)(a)) == pytest.approx(1, abs=1e-5)


def test_similarity_takes_images_smaller_than_its_window():
    a = drawn(1, 7, 9)
    assert float(FixedTargetSSIM(a)(a)) == pytest.approx(1, abs=1e-5)
    assert float(FixedTargetSSIM(a)(1 - a)) < 0.5


def test_variation_and_mean_square_by_hand():
    ramp = torch.arange(4.0).expand(1, 3, 4)
    assert float(total_variation(ramp)) == pytest.approx(1)
    assert float(mean_square(torch.full((3, 3), 1 / 9))) == pytest.approx(1 / 81)
