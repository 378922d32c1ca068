import numpy as np
import pytest
import torch

from unblur_svmap import compiled_filters, filters
from unblur_svmap.filters import (
    STRIP_PIXELS,
    filter_pixels,
    filter_pixels_adjoint,
    mean_correlation,
    pad,
    spectrum,
)

BORDERS = ("zeros", "periodic")


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


def brute_force(x, bank, border):
    """Sum tap by tap and pixel by pixel, as the definition reads."""
    x, bank = x.detach().numpy(), bank.detach().numpy()
    count, _, height, width = x.shape
    side = int(bank.shape[2] ** 0.5)
    out = np.zeros((count, bank.shape[1], height, width))
    mode = "wrap" if border == "periodic" else "constant"
    wide = np.pad(x, ((0, 0), (0, 0), (side // 2,) * 2, (side // 2,) * 2), mode=mode)
    for b, n, row, column in np.ndindex(out.shape):
        patch = wide[b, 0, row : row + side, column : column + side]
        out[b, n, row, column] = (patch.ravel() * bank[b, n, :, row, column]).sum()
    return out


@pytest.mark.parametrize("border", BORDERS)
def test_each_pixel_has_its_own_filters(border):
    x, bank = draw(2, 1, 7, 9), draw(2, 3, 25, 7, 9, seed=1)
    found = filter_pixels(x, bank, border).detach().numpy()
    np.testing.assert_allclose(found, brute_force(x, bank, border), atol=1e-12)


@pytest.mark.parametrize("border", BORDERS)
def test_adjoint_is_exact(border):
    x, bank, v = draw(2, 1, 7, 9), draw(2, 3, 25, 7, 9, seed=1), draw(2, 3, 7, 9, seed=2)
    forward = (filter_pixels(x, bank, border) * v).sum()
    backward = (filter_pixels_adjoint(v, bank, border) * x).sum()
    assert forward.item() == pytest.approx(backward.item(), rel=1e-12)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("shared", [False, True])
def test_gradients_agree_with_finite_differences(border, shared):
    x, v = draw(2, 1, 5, 6), draw(2, 2, 5, 6, seed=2)
    bank = draw(1 if shared else 2, 2, 9, 5, 6, seed=1)
    assert torch.autograd.gradcheck(lambda x, b: filter_pixels(x, b, border), (x, bank))
    assert torch.autograd.gradcheck(lambda v, b: filter_pixels_adjoint(v, b, border), (v, bank))


@pytest.mark.parametrize("border", BORDERS)
def test_strips_of_rows_join_without_a_seam(border):
    width = 3000
    height = 2 * (STRIP_PIXELS // width) + 3
    x, bank = draw(1, 1, height, width), draw(1, 2, 9, height, width, seed=1)
    v = draw(1, 2, height, width, seed=2)
    found = filter_pixels(x, bank, border)
    padded = pad(x, 1, border)
    views = [padded[..., r : r + height, c : c + width] for r in range(3) for c in range(3)]
    expected = sum(bank[:, :, tap] * view for tap, view in enumerate(views))
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    adjoint = filter_pixels_adjoint(v, bank, border)
    assert float((found * v).sum()) == pytest.approx(float((x * adjoint).sum()), rel=1e-10)


def test_spectrum_of_equal_filters_is_their_power():
    filters = draw(1, 2, 25, 1, 1).detach()
    found = spectrum(mean_correlation(filters.expand(1, 2, 25, 12, 15).contiguous()), (12, 15))
    grid = torch.zeros(2, 12, 15, dtype=torch.float64)
    grid[:, :5, :5] = filters.reshape(2, 5, 5)
    torch.testing.assert_close(found[0, 0], torch.fft.rfft2(grid).abs().square().sum(0))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_compiled_loops_agree_with_strips(monkeypatch, border, shared, threads):
    pytest.importorskip("numba")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    results = []
    for compiled in (True, False):
        if not compiled:
            monkeypatch.setattr(filters, "can_compile", lambda *_: False)
        results.append(filtered(2, 1 if shared else 2, (40, 33), border))
    torch.set_num_threads(before)
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)


def test_uncompiled_loops_agree_with_strips(monkeypatch):
    pytest.importorskip("numba")
    for name in ("apply_loops", "adjoint_loops", "outer_loops"):
        loops = getattr(compiled_filters, name)
        monkeypatch.setattr(compiled_filters, name, lambda side, loops=loops: loops(side).py_func)
    ours = filtered(2, 1, (6, 7), "periodic")
    monkeypatch.setattr(filters, "can_compile", lambda *_: False)
    for found, expected in zip(ours, filtered(2, 1, (6, 7), "periodic"), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


def filtered(images, banks, shape, border):
    """Return the features and the adjoint of float32 images, and the derivatives of both."""
    sizes = [(images, 1, *shape), (banks, 3, 25, *shape), (images, 3, *shape)]
    x, bank, v = (
        draw(*size, seed=n).detach().float().requires_grad_() for n, size in enumerate(sizes)
    )
    features, scene = filter_pixels(x, bank, border), filter_pixels_adjoint(v, bank, border)
    ((features * v.detach()).sum() + (scene * x.detach()).sum()).backward()
    return [features, scene, x.grad, bank.grad, v.grad]
