import numpy as np
import pytest
import torch

from unblur.errors import Cancelled
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.testing import gaussian, synthetic_scene
from unblur_kotera import generator_fit
from unblur_kotera.generator_fit import FIT_TOLERANCE, fit_generators, gaussian_kernel
from unblur_kotera.stage import Kotera, scale_levels, shrink_observation
from unblur_selfdeblur.networks.generators import Generators
from unblur_selfdeblur.optimisation import Observation

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def shaken():
    return synthetic_scene((60, 64), Kernel(gaussian((9, 9), 1.6).weights), noise=0.002, seed=4)


@pytest.fixture
def short_fits(monkeypatch):
    """End fits before their tolerance, for tests in which the quality of results does not matter.

    The fits to initial values take some 500 iterations a scale, the optimisation a few.
    """
    monkeypatch.setattr(generator_fit, "MAX_FIT_ITERATIONS", 6)


def estimate(blurred, context=None, **params):
    quick = {"size": 11, "iterations": 4, "width": 4, **params}
    return Kotera(quick).estimate(blurred, context or Context())


def test_scales_are_those_of_the_paper():
    assert [(round(s.ratio, 3), s.size) for s in scale_levels(27, 3)] == [
        (0.5, 15),
        (0.707, 19),
        (1.0, 27),
    ]
    assert [s.size for s in scale_levels(11, 3)] == [7, 9, 11]
    assert [s.size for s in scale_levels(5, 3)] == [5]


def test_data_is_reduced_with_its_mask():
    valid = torch.ones(40, 30, dtype=torch.bool)
    valid[10:14, 10:14] = False
    small = shrink_observation(Observation(torch.rand(1, 40, 30), valid), scale_levels(27, 3)[0])
    assert small.blurred.shape == (1, 20, 15)
    assert not bool(small.valid[5:7, 5:7].any())
    assert float(small.valid.float().mean()) > 0.9


def test_the_first_kernel_is_a_wide_gaussian():
    kernel = gaussian_kernel(7, torch.ones(1))
    assert float(kernel.sum()) == pytest.approx(1)
    ratio = float(kernel[3, 3] / kernel[3, 6])
    assert ratio == pytest.approx(np.exp(0.5 * (3 / 3.5) ** 2), rel=1e-4)


def test_networks_are_fitted_to_their_initial_values():
    goal = synthetic_scene((40, 44), seed=2).sharp
    kernel = gaussian((7, 7), 1.2).tensor()
    generators = Generators.drawn((1, 40, 44), 7, width=8, layers="one", seed=0, device="cpu")
    fit_generators(generators, kernel, goal)
    with torch.no_grad():
        found, image = generators.kernel(), generators.scene()
    assert float((found - kernel).square().mean().sqrt()) <= 1.5 * FIT_TOLERANCE * float(
        kernel.max()
    )
    stretched = torch.nn.functional.interpolate(
        goal[None], size=image.shape[-2:], mode="bilinear", align_corners=False
    )[0]
    assert float((image - stretched).square().mean().sqrt()) < 1.5 * FIT_TOLERANCE


def test_a_seed_decides_every_bit(shaken, short_fits):
    first, again = (estimate(shaken.blurred, Context(seed=3)) for _ in range(2))
    assert torch.equal(first.latent, again.latent)
    np.testing.assert_array_equal(first.kernel.weights, again.kernel.weights)


def test_every_scale_counts_and_full_size_shows_previews(shaken, short_fits):
    reports = []
    estimate(shaken.blurred, Context(on_progress=reports.append), iterations=30)
    assert [r.done for r in reports] == list(range(1, 37))
    assert {r.total for r in reports} == {36}
    assert [r.done for r in reports if r.preview is not None] == [31]


def test_weights_and_scales_change_the_result(shaken, short_fits):
    plain = estimate(shaken.blurred, iterations=5).latent
    for params in ({"scales": 1}, {"kernel_l2_weight": 10.0}, {"tv_weight": 1.0}):
        assert not torch.equal(estimate(shaken.blurred, iterations=5, **params).latent, plain)


def test_it_stops_while_networks_are_fitted(shaken):
    polls = iter([False] * 3 + [True] * 9)
    with pytest.raises(Cancelled):
        estimate(shaken.blurred, Context(is_cancelled=lambda: next(polls)))
