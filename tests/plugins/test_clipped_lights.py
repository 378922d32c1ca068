"""Saturated pixels in hyper-Laplacian deconvolution and kernel estimation."""

import numpy as np
import pytest
import torch

from unblur.engine.intake.image_statistics import ImageStatistics
from unblur.engine.intake.normalization import Normalization
from unblur.engine.steps.sequence import run_steps
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.boundaries import lower_bound_projection
from unblur.numerics.channel_masks import can_share, channel_masks, joint_mask
from unblur.numerics.operators import Blur
from unblur.testing import gaussian, lopsided, synthetic_scene
from unblur_classic.map.estimator import MapEstimator
from unblur_classic.map.kernel_size import estimate_kernel_size
from unblur_classic.map.preprocessing import preprocess, unclipped_pixels
from unblur_classic.nonblind.hyper_laplacian import HyperLaplacian
from unblur_classic.nonblind.richardson_lucy.stage import RichardsonLucy
from unblur_classic.nonblind.total_variation import TotalVariation
from unblur_classic.nonblind.wiener import Wiener


def saturated_scene(seed=0):
    """A dark scene with large lights above white: blurred and saturated; the truth, up to white."""
    kernel = lopsided((7, 8)).tensor()
    dark = synthetic_scene((64, 64), noise=0.0).sharp * 0.4
    generator = torch.Generator().manual_seed(seed)
    for top, left in torch.randint(4, 40, (3, 2), generator=generator).tolist():
        dark[0, top : top + 20, left : left + 20] = 1.5
    blur = Blur(kernel, (64, 64))
    blurred = blur.forward(blur.extend(dark))
    blurred = blurred + 0.002 * torch.randn(blurred.shape, generator=generator)
    return blurred.clamp(max=1), dark.clamp(max=1), Kernel(kernel.numpy())


def test_the_error_is_smaller_than_if_saturation_is_ignored_or_masked():
    blurred, truth, kernel = saturated_scene()
    mask = (blurred[0] < 1).float()

    def error(saturation_level, mask):
        context = Context(noise=0.002, contrast=0.2, saturation_level=saturation_level)
        found = HyperLaplacian().deconvolve(blurred, kernel, context, mask)
        inner = (..., slice(8, -8), slice(8, -8))
        return float((found.clamp(0, 1) - truth)[inner].square().mean())

    assert float(mask.mean()) < 0.95
    bounded = error(1.0, mask)
    assert bounded < 0.8 * error(None, None)
    assert bounded < 0.8 * error(None, mask)


def test_the_lower_bound_raises_saturated_pixels_alone():
    blur = Blur(torch.ones(1, 1), (3, 4))
    blurred = torch.full((1, 3, 4), 0.5)
    blurred[0, 1] = 1.0
    raised = lower_bound_projection(blur, blurred, (blurred >= 1).float())
    dark, bright = torch.zeros(1, *blur.domain), torch.full((1, *blur.domain), 3.0)
    torch.testing.assert_close(blur.crop(raised(dark)), (blurred >= 1).float())
    torch.testing.assert_close(raised(bright), bright)
    assert lower_bound_projection(blur, blurred, None)(dark) is dark


def red_lights():
    """A blurred colour scene whose lights are clipped in red alone, its masks, its kernel."""
    blurred, _, kernel = saturated_scene()
    colours = torch.cat([blurred, 0.3 * blurred, 0.3 * blurred])
    masks = (colours < 1).float()
    assert 0.05 < float(1 - masks[0].mean()) < 0.5
    return colours, masks, kernel


def test_channels_that_are_deconvolved_one_by_one_are_each_masked_where_they_are_clipped():
    blurred, masks, kernel = red_lights()
    context = Context(noise=0.002, saturation_level=1.0)
    statistics = ImageStatistics.of([(blurred, masks[0])], 0.002)
    stage = HyperLaplacian()
    made = run_steps(blurred, [stage], kernel, context, masks, statistics=statistics).image
    alone = context.with_(contrast=statistics.contrast[1])
    observed = stage.deconvolve(blurred[1:2], kernel, alone, None)
    torch.testing.assert_close(made[1:2], observed, atol=1e-4, rtol=0)
    red = context.with_(contrast=statistics.contrast[0])
    clipped = stage.deconvolve(blurred[:1], kernel, red, masks[0])
    torch.testing.assert_close(made[:1], clipped, atol=1e-4, rtol=0)


@pytest.mark.parametrize("stage", [Wiener(), TotalVariation(), RichardsonLucy(iterations=5)])
def test_a_method_without_lower_bounds_uses_what_a_channel_observed_beside_clipped_ones(stage):
    blurred, masks, kernel = red_lights()
    context = Context(noise=0.002, saturation_level=1.0)
    made = run_steps(blurred, [stage], kernel, context, masks).image
    for channel, valid in enumerate(masks):
        alone = stage.deconvolve(blurred[channel : channel + 1], kernel, context, valid)
        torch.testing.assert_close(made[channel : channel + 1], alone, atol=1e-6, rtol=0)


def test_a_pixel_that_clips_in_one_channel_does_not_count_for_the_kernel():
    blurred, _, _ = red_lights()
    values = (255 * blurred).round().clamp(0, 255).to(torch.uint8).numpy()
    changed = values.copy()
    changed[1:, values[0] == 255] = 120
    normalization = Normalization(0.0, 255.0, np.dtype(np.uint8), saturation_level=255.0)

    def estimation_input(colours):
        unit = torch.from_numpy(normalization.normalize(colours))
        mask = joint_mask(torch.from_numpy(normalization.valid(colours)), unit)
        return preprocess(unit, Context(noise=0.01), mask)

    given, other = estimation_input(values), estimation_input(changed)
    assert torch.equal(given.valid == 0, torch.from_numpy(values[0] == 255))
    assert torch.equal(given.y, other.y)


@pytest.mark.parametrize(("context", "count"), [(Context(), 2), (Context(saturation_level=0.9), 3)])
def test_an_estimate_leaves_out_clipped_pixels_unless_they_are_many(context, count):
    image = 0.5 * torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert unclipped_pixels(image, context, None) is None
    mask = torch.ones(8, 8)
    assert unclipped_pixels(image, context, mask) is mask
    image[0, 0, :2], image[0, 1, 0] = 1.0, 0.9
    mask[7] = 0
    assert float((1 - unclipped_pixels(image, context, None)).sum()) == count
    assert float((1 - unclipped_pixels(image, context, mask)).sum()) == 8 + count
    many = image.clone()
    many[0, 2] = 1.0
    assert unclipped_pixels(many, context, mask) is mask


def test_an_image_with_values_above_white_has_no_clipped_pixels_unless_its_level_is_known():
    image = 0.5 * torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(0))
    image[0, 0, 0], image[0, 4, 4] = 1.0, 1.5
    assert unclipped_pixels(image, Context(), None) is None
    known = unclipped_pixels(image, Context(saturation_level=1.0), None)
    assert float((1 - known).sum()) == 2


def test_the_kernel_of_an_image_does_not_depend_on_the_values_of_clipped_pixels():
    scene = synthetic_scene((96, 96), gaussian((9, 9), 1.5)).blurred
    # Both clip the same pixels; the second stores a larger value there.
    level = float(scene.quantile(0.95))
    clipped = scene >= level
    context = Context(saturation_level=level, noise=0.002)
    low, high = torch.where(clipped, level, scene), torch.where(clipped, level + 0.2, scene)
    stage = MapEstimator(size=9, iterations=1, refinements=1)
    first, second = (stage.estimate(image, context).kernel.weights for image in (low, high))
    np.testing.assert_allclose(first, second, atol=1e-6)
    assert estimate_kernel_size(low, context) == estimate_kernel_size(high, context)


def test_channels_are_given_at_once_where_they_differ_in_bounds_alone():
    blurred, masks, _ = red_lights()
    own = channel_masks(masks, blurred)
    assert own[1] is own[2] is None
    assert can_share(blurred, own, saturation_level=1.0)
    assert not can_share(blurred, own)
    assert can_share(blurred, [masks[0]] * 3)
    blurred[1, 0, 0], masks[1, 0, 0] = 0.1, 0.0
    assert not can_share(blurred, channel_masks(masks, blurred), saturation_level=1.0)
