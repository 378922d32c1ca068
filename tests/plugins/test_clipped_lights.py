"""Saturated pixels in hyper-Laplacian deconvolution."""

import torch

from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.boundaries import lower_bound_projection
from unblur.numerics.operators import Blur
from unblur.testing import lopsided, synthetic_scene
from unblur_classic.nonblind.hyper_laplacian import HyperLaplacian


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
