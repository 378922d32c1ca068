import numpy as np
import pytest
import torch

from unblur.model.context import Context
from unblur.numerics.operators import Blur, gradient
from unblur.testing import gaussian, lopsided, synthetic_scene
from unblur_classic.nonblind.total_variation import TotalVariation
from unblur_classic.nonblind.wiener import Wiener

CONTEXT = Context(noise=0.01, contrast=0.2)


def objective(x, given, weight, mask):
    blur = Blur(given.kernel.tensor().double(), given.blurred.shape[1:])
    residual = mask * (blur.forward(x) - given.blurred.double())
    return 0.5 * residual.square().sum() + weight * gradient(x, x.ndim - 1).norm(dim=0).sum()


@pytest.mark.parametrize(("extent", "support"), [((20, 18), (3, 4)), ((8, 9, 7), (2, 3, 3))])
@pytest.mark.parametrize("masked", [False, True])
def test_no_neighbour_of_the_result_has_a_lower_objective(extent, support, masked):
    given = synthetic_scene(extent, lopsided(support), noise=0.02)
    mask = torch.ones(extent)
    if masked:
        mask[tuple(n // 2 for n in extent)] = 0
    stage = TotalVariation(weight=0.01, iterations=600)
    found = stage.solve(given.blurred, given.kernel, CONTEXT, mask)[0].double()
    minimum = float(objective(found, given, 0.01, mask))
    generator = torch.Generator().manual_seed(0)
    for size in (1e-3, 1e-2, 1e-1):
        for _ in range(10):
            step = torch.randn(found.shape, generator=generator, dtype=torch.float64)
            assert float(objective(found + size * step, given, 0.01, mask)) > minimum - 1e-4
    # Towards a smoother or a sharper scene: directions that matter more than random ones.
    for direction in (found.mean() - found, found - torch.roll(found, 1, -1)):
        for size in (-0.05, 0.05):
            assert float(objective(found + size * direction, given, 0.01, mask)) > minimum - 1e-4


def test_it_beats_the_wiener_filter_on_flat_regions():
    given = synthetic_scene((96, 96), gaussian((9, 9), 1.6), noise=0.02)

    def error(stage):
        found = stage.deconvolve(given.blurred, given.kernel, Context(noise=0.02))
        return float((found - given.sharp).norm())

    assert error(TotalVariation()) < 0.9 * error(Wiener())


def test_a_tile_with_its_halo_equals_the_whole():
    given = synthetic_scene((220, 220), gaussian((7, 7), 1.2), noise=0.01)
    stage = TotalVariation()
    whole = stage.deconvolve(given.blurred, given.kernel, CONTEXT)
    top, left = stage.halo(given.kernel)
    tile = given.blurred[:, 90 - top : 120 + top, 80 - left : 120 + left]
    part = stage.deconvolve(tile, given.kernel, CONTEXT)[:, top:-top, left:-left]
    torch.testing.assert_close(part, whole[:, 90:120, 80:120], atol=stage.tolerance, rtol=0)


def test_the_weight_follows_the_noise_and_scales_with_the_image():
    given = synthetic_scene((64, 64), noise=0.01)
    dim = TotalVariation().deconvolve(0.1 * given.blurred, given.kernel, Context(noise=0.001))
    full = TotalVariation().deconvolve(given.blurred, given.kernel, Context(noise=0.01))
    np.testing.assert_allclose(10 * dim.numpy(), full.numpy(), atol=2e-3)
