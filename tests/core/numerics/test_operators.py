import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import convolve

from unblur.numerics.operators import (
    Blur,
    extend_periodic,
    gradient,
    gradient_adjoint,
    laplacian_otf,
    taper,
)

SUPPORTS = [(1, 1), (3, 3), (4, 4), (5, 2), (3, 4, 2)]


def random(*shape, seed=0):
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("support", SUPPORTS)
def test_blur_is_scipys_valid_convolution_inside_a_larger_scene(support):
    blur = Blur(random(*support), (7, 8, 6)[: len(support)])
    scene = random(*blur.domain, seed=1)
    full = convolve(scene.numpy(), blur.kernel.numpy(), mode="valid")
    # Scene pixel `before` is the first image pixel; valid output 0 sits there.
    window = tuple(slice(0, n) for n in blur.shape)
    np.testing.assert_allclose(blur.forward(scene).numpy(), full[window], atol=1e-12)


@pytest.mark.parametrize("support", SUPPORTS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("cut", [False, True])
def test_adjoint_is_the_transpose_of_forward(support, masked, cut):
    shape = (7, 8, 6)[: len(support)]
    mask = (random(*shape, seed=3) > 0.3).double() if masked else None
    cut_axes = [cut, *[False] * (len(support) - 1)]
    blur = Blur(random(*support), shape, mask, cut_axes)
    assert (blur.before[0] == 0) >= cut
    x, y = random(2, *blur.domain, seed=1), random(2, *shape, seed=2)
    torch.testing.assert_close((blur.forward(x) * y).sum(), (x * blur.adjoint(y)).sum())


def test_a_scene_is_no_smaller_than_the_kernel_where_it_is_cut():
    assert Blur(random(21, 3), (5, 7), None, (True, True)).domain == (24, 8)


@given(h=st.integers(2, 9), w=st.integers(2, 9), d=st.integers(1, 5))
def test_gradient_adjoint_is_the_transpose_of_gradient(h, w, d):
    for shape in [(h, w), (d, h, w)]:
        ndim = len(shape)
        x, g = random(*shape), random(ndim, *shape, seed=1)
        torch.testing.assert_close(
            (gradient(x, ndim) * g).sum(), (x * gradient_adjoint(g, ndim)).sum()
        )


@pytest.mark.parametrize("shape", [(6, 7), (4, 5, 6)])
def test_gradients_with_and_without_a_derivative_are_the_same_bits(shape):
    ndim = len(shape)
    x, g = random(2, *shape).float(), random(ndim, 2, *shape, seed=1).float()
    assert torch.equal(gradient(x, ndim), gradient(x.clone().requires_grad_(), ndim))
    assert torch.equal(
        gradient_adjoint(g, ndim), gradient_adjoint(g.clone().requires_grad_(), ndim)
    )


@pytest.mark.parametrize("shape", [(6, 7), (4, 5, 6)])
def test_laplacian_otf_belongs_to_gradient_adjoint_of_gradient(shape):
    x = random(*shape)
    ndim = len(shape)
    direct = gradient_adjoint(gradient(x, ndim), ndim)
    spectrum = torch.fft.rfftn(x) * laplacian_otf(shape, x)
    torch.testing.assert_close(torch.fft.irfftn(spectrum, s=shape), direct)


def test_crop_undoes_place_and_extend_keeps_the_image():
    blur = Blur(random(5, 4), (9, 11))
    y = random(3, 9, 11)
    torch.testing.assert_close(blur.crop(blur.place(y)), y)
    torch.testing.assert_close(blur.crop(blur.extend(y)), y)


def test_extension_meets_its_other_end_without_a_step():
    ramp = torch.linspace(0, 1, 32, dtype=torch.float64).expand(8, 32)
    scene = extend_periodic(ramp, (8, 64), (0, 16))
    steps = (torch.roll(scene, -1, 1) - scene).abs()
    assert float(steps.max()) < 0.06  # a plain periodic ramp would step by 1


def test_taper_leaves_the_middle_and_quietens_the_wrap():
    k = random(5, 5)
    y = random(40, 40)
    tapered = taper(y, k / k.sum())
    torch.testing.assert_close(tapered[6:-6, 6:-6], y[6:-6, 6:-6])
    seam = (tapered[0] - tapered[-1]).abs().mean()
    assert float(seam) < 0.5 * float((y[0] - y[-1]).abs().mean())
