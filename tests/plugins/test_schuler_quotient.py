"""The quotient layers against dense linear algebra."""

import numpy as np
import pytest
import torch
from scipy.signal.windows import barthann

from unblur.numerics.metrics import kernel_similarity
from unblur.testing import gaussian, lopsided, synthetic_scene
from unblur_schuler.quotient import (
    Spectra,
    deconvolve_gaussian,
    image_quotient,
    tile_window,
)


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def circulant(image):
    """The matrix that convolves a kernel centred at n // 2 with a periodic image."""
    n = image.shape[0]
    columns = [
        np.roll(image, (i - n // 2, j - n // 2), (0, 1)).ravel() for i in range(n) for j in range(n)
    ]
    return np.stack(columns, 1)


def test_kernel_quotient_minimises_schuler_eq_3():
    n, ridge = 8, 0.1
    x, y = draw(1, 3, n, n), draw(1, 3, n, n, seed=1)
    spectra = Spectra.of(x, y)
    found = spectra.kernel(n, ridge)[0].numpy()
    window = tile_window(n, n).numpy()
    beta = ridge * float(spectra.power.mean())
    matrices = [circulant(image.numpy() * window) for image in x[0]]
    left = sum(m.T @ m for m in matrices) + beta * np.eye(n * n)
    targets = [image.numpy() * window for image in y[0]]
    right = sum(m.T @ t.ravel() for m, t in zip(matrices, targets, strict=True))
    np.testing.assert_allclose(found.ravel(), np.linalg.solve(left, right), atol=1e-9)


def test_true_features_give_the_true_kernel():
    given = synthetic_scene((150, 140), lopsided((7, 7)), noise=0.0)
    sharp, blurred = (torch.stack([i[0].diff(dim=0)[:, 1:], i[0].diff(dim=1)[1:]])[None]
                      for i in (given.sharp, given.blurred))  # fmt: skip
    found = Spectra.of(sharp, blurred).kernel(7, 1e-4)[0]
    assert kernel_similarity(found.clamp_min(0), given.kernel) > 0.98


def test_window_is_barthann_at_its_flanks():
    window = tile_window(40, 33)
    flank = barthann(2 * 10 + 1)[:10]
    middle = window[:, 16].numpy()
    assert (middle[10:30] == 1).all()
    assert np.all((flank[:-1] < middle[:9]) & (middle[:9] < flank[1:]))
    np.testing.assert_allclose(window.numpy(), window.flip(0, 1).numpy())


def test_spectra_of_tiles_add_up():
    x, y = draw(1, 2, 12, 10), draw(1, 2, 12, 10, seed=1)
    one = Spectra.of(x, y)
    both = one + Spectra.of(x, y)
    torch.testing.assert_close(both.power, 2 * one.power)
    torch.testing.assert_close(both.kernel(5, 0.01), one.kernel(5, 0.01))


def test_kernel_quotient_is_differentiable():
    def kernel(x, y, ridge):
        return Spectra.of(x, y).kernel(3, ridge)

    ridge = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    x, y = draw(2, 2, 6, 5).requires_grad_(), draw(2, 2, 6, 5, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(kernel, (x, y, ridge))


def test_image_quotient_is_differentiable():
    y, levels = draw(1, 1, 5, 6), torch.tensor([[0.1, 0.3]], dtype=torch.float64)
    kernel = (draw(1, 3, 3).abs() + 0.1).requires_grad_()

    def latent(kernel, levels):
        return image_quotient(y, kernel, levels)

    assert torch.autograd.gradcheck(latent, (kernel, levels.requires_grad_()))


@pytest.mark.parametrize("on_gradients", [True, False])
def test_image_quotient_undoes_part_of_the_blur(on_gradients):
    given = synthetic_scene((70, 64), lopsided((5, 8)), noise=0.002)
    kernel = given.kernel.tensor()[None]
    if kernel.shape[1] != kernel.shape[2]:
        kernel = torch.nn.functional.pad(kernel, (0, 0, 2, 1))
    latent = image_quotient(given.blurred[None], kernel, torch.full((1, 1), 3e-3), on_gradients)[0]
    inner = (slice(None), slice(9, -9), slice(9, -9))
    before = (given.blurred - given.sharp)[inner].square().mean()
    assert (latent - given.sharp)[inner].square().mean() < 0.5 * before


def test_deconvolution_by_a_gaussian_undoes_one():
    sharp = torch.zeros(1, 33, 33)
    sharp[0, 10:24, 16] = 1 / 14
    smooth = torch.nn.functional.conv2d(
        sharp[None], gaussian((5, 5), 0.5).tensor()[None, None], padding=2
    )[0]
    found = deconvolve_gaussian(smooth, 0.5)
    assert float((found - sharp).abs().max()) < 0.1 * float((smooth - sharp).abs().max())
