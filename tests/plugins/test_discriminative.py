import numpy as np
import pytest
import torch

from unblur.errors import ParamsError, WeightsError
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.synthesis import gaussian_process_kernel
from unblur.plugins.manager import registry
from unblur.plugins.weights import file_sha256, load_weights, save_weights
from unblur.testing import gaussian, synthetic_scene
from unblur_discriminative.network import Classifier
from unblur_discriminative.prior import Discriminative
from unblur_discriminative.weights import FOLDER, SHIPPED


def image(height=24, width=20, channels=1, dtype=torch.float64):
    draw = torch.Generator().manual_seed(3)
    return torch.rand(channels, height, width, generator=draw, dtype=dtype)


# The network.


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (33, 64)])
def test_an_image_of_any_size_gets_one_score(shape):
    found = Classifier()(torch.rand(2, 1, *shape))
    assert found.shape == (2,)
    assert bool(torch.isfinite(found).all())


def test_it_has_nine_convolutions_and_the_last_has_one_map():
    network = Classifier()
    assert len(network.layers) == 9
    assert network.activation(torch.rand(1, 1, 41, 30)).shape == (1, 1, 6, 4)


def test_the_score_is_the_mean_of_the_last_map():
    x = torch.rand(1, 1, 40, 32)
    network = Classifier()
    torch.testing.assert_close(network(x)[0], network.activation(x).mean())


def test_brightness_and_contrast_do_not_change_the_score():
    x = image()[None]
    network = Classifier().double()
    torch.testing.assert_close(network(0.2 * x + 0.5), network(x), atol=1e-4, rtol=1e-4)


# The prior.


def test_the_energy_is_the_probability_of_each_channel():
    x = image(channels=3)
    prior = Discriminative()
    assert 0 < float(prior.energy(x)) < 3
    torch.testing.assert_close(prior.energy(x), sum(prior.energy(x[c : c + 1]) for c in range(3)))


def test_the_blur_score_is_the_log_odds_at_any_contrast():
    x = image()
    prior = Discriminative()
    odds = torch.logit(prior.energy(x))
    assert prior.blur_score(x) == pytest.approx(float(odds), rel=1e-3)
    assert prior.blur_score(0.3 * x + 0.2) == pytest.approx(prior.blur_score(x), rel=1e-3)


def test_the_gradient_is_that_of_finite_differences():
    """Pixel by pixel, in double precision, by central differences."""
    x, prior, step = image(12, 9), Discriminative(), 1e-6
    expected = torch.zeros_like(x)
    for row in range(12):
        for column in range(9):
            way = torch.zeros_like(x)
            way[0, row, column] = step
            rise = prior.energy(x + way) - prior.energy(x - way)
            expected[0, row, column] = rise / (2 * step)
    assert float(expected.abs().max()) > 0
    error = (prior.gradient(x) - expected).abs().max()
    assert float(error) < 1e-4 * float(expected.abs().max())


def test_one_step_of_the_proximal_map_is_li_eq_12():
    x, step = image(), 0.3
    prior = Discriminative(steps=1, rate=0.1)
    torch.testing.assert_close(prior.proximal(x, step), x - 0.1 * step * prior.gradient(x))


def test_the_proximal_map_is_ten_steps_of_gradient_descent():
    x, step = image(), 0.05
    prior = Discriminative()
    u = x
    for _ in range(10):
        u = u - 0.1 * ((u - x) + step * prior.gradient(u))
    torch.testing.assert_close(prior.proximal(x, step), u)


def test_a_step_too_long_returns_what_was_given():
    """Where descent overshoots from its first step on, nothing is better than `x`."""
    x = image()
    torch.testing.assert_close(Discriminative(steps=1).proximal(x, 1e9), x, atol=0, rtol=0)


def test_shipped_weights_separate_blurred_scenes_from_sharp_ones():
    prior = Discriminative()
    kernel = gaussian_process_kernel(21, torch.Generator().manual_seed(2))
    right = 0
    for seed in range(10):
        given = synthetic_scene((128, 128), kernel, noise=0.005, seed=seed)
        right += float(prior.energy(given.blurred)) > 0.5
        right += float(prior.energy(given.sharp)) < 0.5
    assert right >= 18


def test_map_accepts_it_beside_other_priors():
    weights = np.zeros((9, 9), np.float32)
    weights[[1, 2, 3, 4, 5, 5, 5], [2, 2, 3, 3, 3, 4, 5]] = 1
    given = synthetic_scene((96, 96), Kernel(weights), noise=0.002, seed=4)
    priors = [
        {"prior": "l0-gradient", "weight": 4e-3},
        {"prior": "discriminative", "weight": 4e-3},
    ]
    params = {"size": 9, "iterations": 1, "refinements": 3, "priors": priors}
    estimator = registry().stage("kernel", "map")(params)
    first, second = (estimator.estimate(given.blurred, Context()).kernel.weights for _ in "ab")
    np.testing.assert_array_equal(first, second)
    assert kernel_similarity(first, given.kernel.weights) > 0.6


# Weights and params.


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_are_whole_and_have_a_card(name):
    sha256 = file_sha256(FOLDER / f"{name}.safetensors")
    assert sha256 == SHIPPED[name]
    assert sha256 in (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def test_weights_of_ones_own_are_used(tmp_path):
    own = {key: 0 * value for key, value in Classifier().state_dict().items()}
    save_weights(own, tmp_path / "own.safetensors")
    prior = Discriminative(model=str(tmp_path / "own.safetensors"))
    assert float(prior.energy(image())) == pytest.approx(0.5)


def test_weights_of_another_network_are_refused(tmp_path):
    tensors = load_weights(FOLDER / "general.safetensors")
    tensors.pop("layers.8.bias")
    save_weights(tensors, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="belongs to another model"):
        Discriminative(model=str(tmp_path / "other.safetensors")).energy(image())
    with pytest.raises(WeightsError, match="no set of discriminative weights 'genral'"):
        Discriminative(model="genral").energy(image())


@pytest.mark.parametrize("params", [{"steps": 0}, {"rate": 0}, {"rate": 1.5}])
def test_params_out_of_bounds_are_refused(params):
    with pytest.raises(ParamsError, match=next(iter(params))):
        Discriminative(params)


def test_blurring_more_raises_the_energy_of_a_gaussian_blur():
    energies = [
        float(Discriminative().energy(synthetic_scene((128, 128), gaussian((25, 25), s)).blurred))
        for s in (0.3, 4.0)
    ]
    assert energies[1] > energies[0]
