"""Images with pixels clipped at white: the lower bound that svmap uses."""

import numpy as np
import torch

from unblur import deblur
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.operators import Blur
from unblur.testing import lopsided, synthetic_scene
from unblur_svmap.model import ModelDesign, SpatiallyVariantMap, mask_saturated
from unblur_svmap.stage import Svmap

LEVEL = torch.full((1, 1, 1, 1), 0.01)
FIXED_TERMS = ModelDesign("l2", "hyper-laplacian")


def night(seed=0):
    """A dark scene with light sources above white; blurred, clipped, and the truth up to white."""
    kernel = lopsided((7, 8)).tensor()
    dark = synthetic_scene((64, 64), noise=0.0).sharp[None] * 0.4
    generator = torch.Generator().manual_seed(seed)
    for top, left in torch.randint(4, 54, (6, 2), generator=generator).tolist():
        dark[0, 0, top : top + 6, left : left + 6] = 2.0
    blurred = Blur(kernel, (64, 64)).forward(Blur(kernel, (64, 64)).extend(dark))
    blurred = blurred + 0.002 * torch.randn(blurred.shape, generator=generator)
    return blurred.clamp(max=1), dark.clamp(max=1), kernel


def error(found, truth):
    inner = (..., slice(8, -8), slice(8, -8))
    return float((found.clamp(0, 1) - truth)[inner].square().mean())


def test_lights_ring_less_than_where_clipping_is_ignored_or_hidden():
    blurred, truth, kernel = night()
    clipped = (blurred >= 1).float()
    model = SpatiallyVariantMap(FIXED_TERMS)
    with torch.no_grad():
        bounded = error(model(blurred, kernel, LEVEL, clipped=clipped)[-1], truth)
        ignored = error(model(blurred, kernel, LEVEL)[-1], truth)
        hidden = error(model(blurred, kernel, LEVEL, mask=1 - clipped[0, 0])[-1], truth)
    assert clipped.mean() > 0.01
    assert bounded < 0.8 * ignored
    assert bounded < 0.6 * hidden


def test_a_clipped_pixel_is_observed_only_while_the_estimate_is_darker():
    blur = Blur(torch.ones(1, 1), (4, 4), torch.ones(4, 4))
    x = torch.full((1, 1, *blur.domain), 0.5)
    x[0, 0, 1, 2] = 2.0
    y = torch.full((1, 1, 4, 4), 0.5)
    y[0, 0, 1] = 1.0
    clipped = (y >= 1).float()
    mask = mask_saturated(y, x, blur, clipped).mask[0, 0]
    expected = torch.ones(4, 4)
    expected[1, 2] = 0
    torch.testing.assert_close(mask, expected)
    assert mask_saturated(y, x, blur, None) is blur


def test_clipped_pixels_of_an_integer_image_are_masked():
    blurred, truth, kernel = night()
    image = np.rint(255 * blurred[0, 0].clamp(0, 1).numpy()).astype(np.uint8)
    settings = {
        "svmap.noise": 0.01,
        "svmap.data_term": "l2",
        "svmap.regulariser": "hyper-laplacian",
    }
    results = [
        deblur(image, "svmap", psf=kernel.numpy(), saturated=policy, **settings).image
        for policy in ("mask", "keep")
    ]
    bounded, ignored = (
        error(torch.from_numpy(np.asarray(r, np.float32) / 255)[None, None], truth) for r in results
    )
    assert bounded < 0.8 * ignored


def test_saturated_weights_are_taken_where_the_sensor_clipped():
    assert Svmap()._model_name(Context(saturation_level=1.0)) == "saturated"
    assert Svmap()._model_name(Context()) == "gaussian"
    assert (
        Svmap(model="own.safetensors")._model_name(Context(saturation_level=1.0))
        == "own.safetensors"
    )


def test_luma_of_a_clipped_colour_is_a_bound_too():
    blurred, _, kernel = night()
    grey = blurred[0].expand(3, -1, -1).contiguous()
    mask = (grey < 1).all(0).float()
    context = Context(saturation_level=1.0)
    params = {"noise": 0.01, "data_term": "l2", "regulariser": "hyper-laplacian"}
    found = Svmap(params, colour="luma").deconvolve(grey, Kernel(kernel.numpy()), context, mask)
    alone = Svmap(params).deconvolve(grey[:1], Kernel(kernel.numpy()), context, mask)
    torch.testing.assert_close(found, alone.expand(3, -1, -1), atol=2e-3, rtol=0)
