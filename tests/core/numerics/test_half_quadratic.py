"""The L0-regularised latent image, against dense linear algebra."""

import numpy as np
import torch

from unblur.numerics.fourier import psf_to_otf
from unblur.numerics.half_quadratic import l0_deconvolve
from unblur.testing import lopsided


def draw(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_an_iteration_solves_the_normal_equations_of_the_kept_gradients():
    n, weight, penalty = 8, 0.02, 0.5
    y = draw(n, n)
    kernel = lopsided((3, 3)).tensor(dtype=torch.float64)
    found = l0_deconvolve(
        y, psf_to_otf(kernel, (n, n)), torch.tensor([[weight]], dtype=torch.float64), [penalty]
    )

    def matrix(operator):
        units = torch.eye(n * n, dtype=torch.float64).reshape(-1, n, n)
        return torch.stack([operator(unit).flatten() for unit in units], 1)

    otf = psf_to_otf(kernel, (n, n))
    blur = matrix(lambda x: torch.fft.irfft2(torch.fft.rfft2(x) * otf, (n, n))).numpy()
    down = matrix(lambda x: torch.roll(x, -1, 0) - x).numpy()
    across = matrix(lambda x: torch.roll(x, -1, 1) - x).numpy()
    image = y.flatten().numpy()
    kept = (down @ image) ** 2 + (across @ image) ** 2 >= weight / penalty
    left = blur.T @ blur + penalty * (down.T @ down + across.T @ across) + 1e-8 * np.eye(n * n)
    sparse = [down.T @ (kept * (down @ image)), across.T @ (kept * (across @ image))]
    right = blur.T @ image + penalty * sum(sparse)
    assert 0 < kept.mean() < 1
    np.testing.assert_allclose(found.flatten(), np.linalg.solve(left, right), atol=1e-8)


def test_a_larger_weight_leaves_fewer_edges():
    y = draw(1, 1, 32, 32)
    otf = psf_to_otf(torch.ones(1, 1, dtype=torch.float64), (32, 32))
    weights = torch.tensor([1e-3, 1e-1], dtype=torch.float64)[:, None, None]
    found = l0_deconvolve(y, otf, weights, [2 * 3**n * weights for n in range(7)])
    assert found.shape == (1, 2, 32, 32)
    edges = [int((x.diff(dim=-1).abs() > 0.02).sum()) for x in found[0]]
    assert edges[1] < edges[0]
