"""The prior `denoiser` and the deconvolver `plug-and-play`, with small random networks."""

import math

import numpy as np
import pytest
import torch

from unblur.errors import ParamsError
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.model.stages import Prior
from unblur.numerics.operators import Blur
from unblur.plugins.weights import save_weights
from unblur.testing import gaussian, lopsided, synthetic_scene
from unblur_classic.nonblind.hyper_laplacian import HyperLaplacian
from unblur_denoiser import denoiser_prior as prior_module
from unblur_denoiser.denoiser_prior import HIGHEST, LOWEST, DenoiserPrior, denoise
from unblur_denoiser.sigma_schedule import MAX_SIGMA, PENALTY_RATIO, make_schedule, wiener_error
from unblur_denoiser.splitting import PriorTerm, split
from unblur_denoiser.stage import PlugAndPlay
from unblur_denoiser.unet import DenoisingNetwork
from unblur_denoiser.unrolled import UnrolledSplitting, spread


class Identity(Prior):
    """A prior without any effect, which keeps what it is given."""

    name = "identity"
    summary = "Returns its input."

    def __init__(self):
        super().__init__()
        self.given = []

    def energy(self, x):
        return x.new_zeros(())

    def proximal(self, x, step):
        self.given.append((x.clone(), step))
        return x


@pytest.fixture
def network():
    """A small network that changes its input."""
    torch.manual_seed(0)
    made = DenoisingNetwork((4, 6))
    torch.nn.init.normal_(made.tail.weight, std=0.02)
    return made


@pytest.fixture
def model(network, tmp_path):
    """The params of a prior with that network."""
    path = tmp_path / "small.safetensors"
    save_weights(network.state_dict(), path, {"params": '{"widths": [4, 6]}'})
    return str(path)


def plan(steps=3, noise=0.01):
    """Return a schedule for a small Gaussian kernel."""
    return make_schedule(gaussian((5, 5), 1.0), noise, 0.2, steps, None, 1.0, 0.22)


# The network and the prior.


def test_an_untrained_network_returns_its_input():
    x = torch.rand(2, 1, 16, 24)
    assert torch.equal(DenoisingNetwork((4, 6, 8))(x, torch.full((1, 1, 1, 1), 0.1)), x)


def test_any_extent_is_denoised_and_channels_are_apart(network):
    x = torch.rand(3, 21, 30, generator=torch.Generator().manual_seed(0))
    clean = denoise(network, x, 0.1).detach()
    assert clean.shape == x.shape
    assert not torch.equal(clean, x)
    torch.testing.assert_close(clean[1:2], denoise(network, x[1:2], 0.1).detach())


def test_the_proximal_map_denoises_at_the_root_of_the_step(model, network):
    x = torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(0))
    prior = DenoiserPrior(model=model)
    torch.testing.assert_close(prior.proximal(x, 0.01), denoise(network, x, 0.1).detach())
    for step, level in ((1e-12, LOWEST), (4.0, HIGHEST)):
        assert torch.equal(prior.proximal(x, step), prior.proximal(x, level**2))


def test_the_energy_is_the_squared_residual_at_its_level(model, network):
    x = torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(0))
    residual = (x - denoise(network, x, 0.05)).detach()
    expected = float(residual.square().sum()) / (2 * 0.05**2)
    assert float(DenoiserPrior(model=model).energy(x)) == pytest.approx(expected, rel=1e-4)


# The schedule.


def test_noise_levels_fall_geometrically_from_the_wiener_error_to_the_noise():
    kernel, noise = gaussian((9, 9), 1.5), 0.01
    made = make_schedule(kernel, noise, 0.2, 5, None, 1.0, 0.3)
    ratios = [b / a for a, b in zip(made.sigmas, made.sigmas[1:], strict=False)]
    assert ratios == pytest.approx([ratios[0]] * 4)
    assert made.sigmas[-1] == pytest.approx(noise)
    assert noise < made.sigmas[0] <= MAX_SIGMA
    units = [p * s**2 / noise**2 for p, s in zip(made.penalties, made.sigmas, strict=True)]
    assert units[0] == pytest.approx(PENALTY_RATIO * 0.3)
    assert units[-1] == pytest.approx(0.3)
    assert units == sorted(units, reverse=True)


@pytest.mark.parametrize(("noise", "used"), [(0.0, 0.001), (0.001, 0.001), (0.002, 0.002)])
def test_noise_counts_down_to_a_tenth_of_a_percent(noise, used):
    """A larger bound smooths images of little noise."""
    made = make_schedule(gaussian((5, 5), 1.0), noise, 0.2, 4, None, 1.5, 0.2)
    assert made.sigmas[-1] == pytest.approx(1.5 * used)
    assert made.penalties[-1] == pytest.approx(0.2 / 1.5**2)


def test_the_wiener_error_is_the_noise_for_a_point_and_grows_with_blur_and_noise():
    point, weight = Kernel(np.ones((1, 1))), 1e-9
    assert wiener_error(point, 0.01, weight) == pytest.approx(0.01, rel=1e-3)
    errors = [wiener_error(gaussian((15, 15), width), 0.01, 1e-2) for width in (0.5, 1, 2)]
    assert errors == sorted(errors)


# The splitting.


def test_without_effect_of_the_prior_the_result_fits_the_image():
    given = synthetic_scene((40, 36), lopsided((5, 8)), noise=0.0)
    blur = Blur(given.kernel.tensor(), (40, 36))
    scene = split(blur, given.blurred, plan(20, 0.003), [PriorTerm(Identity(), 1.0)])
    assert float((blur.forward(scene) - given.blurred).square().mean().sqrt()) < 2e-3


def test_each_prior_gets_its_weight_times_the_variance_and_the_whole_scene():
    given = synthetic_scene((24, 20), gaussian((5, 5), 1.0))
    blur, schedule = Blur(given.kernel.tensor(), (24, 20)), plan()
    priors = [PriorTerm(Identity(), 1.0), PriorTerm(Identity(), 0.5)]
    split(blur, given.blurred, schedule, priors)
    for weighted in priors:
        steps = [step for _, step in weighted.prior.given]
        assert steps == pytest.approx([weighted.weight * s**2 for s in schedule.sigmas])


def test_a_tile_presents_its_pixels_at_the_same_phase_as_the_whole_image():
    """A pixel's position modulo the cells is that in the whole image, in every orientation."""
    whole = synthetic_scene((64, 64), lopsided((4, 7)), noise=0.0)
    row, column = 11, 6
    piece = whole.blurred[:, row : row + 32, column : column + 32].clone()
    marks = []
    for image, origin in ((whole.blurred, (0, 0)), (piece, (row, column))):
        x = torch.zeros_like(image)
        x[0, 20 - origin[0], 25 - origin[1]] = 1.0
        seen = Identity()
        point = Blur(torch.ones(1, 1), image.shape[1:])
        split(point, x, plan(8), [PriorTerm(seen, 1.0)], origin=origin)
        marks.append([np.unravel_index(int(g.argmax()), g.shape) for g, _ in seen.given])
    for a, b in zip(*marks, strict=True):
        assert [(int(p) - int(q)) % 16 for p, q in zip(a, b, strict=True)] == [0, 0, 0]


def test_clipped_pixels_are_lower_bounds():
    kernel = lopsided((7, 8))
    dark = synthetic_scene((56, 56), noise=0.0).sharp * 0.4
    dark[0, 18:38, 16:36] = 1.5
    blur = Blur(kernel.tensor(), (56, 56))
    blurred = blur.forward(blur.extend(dark)).clamp(max=1)
    mask = (blurred[0] < 1).float()
    priors = [{"prior": "l0-gradient", "weight": 1.0}]
    stage = PlugAndPlay(noise=0.003, priors=priors, steps=4)
    errors = []
    for level in (None, 1.0):
        found = stage.deconvolve(
            blurred, kernel, Context(contrast=0.2, saturation_level=level), mask
        )
        inner = (found.clamp(0, 1) - dark.clamp(max=1))[..., 8:-8, 8:-8]
        errors.append(float(inner.square().mean()))
    assert errors[1] < 0.9 * errors[0]


# The trained steps.


def unrolled(network, steps=3):
    """Return steps that begin with the weights of a denoiser."""
    made = UnrolledSplitting((4, 6), steps).requires_grad_(False)
    made.load_denoiser(network.state_dict())
    return made


def test_steps_with_a_denoisers_weights_are_those_of_the_prior(network, model):
    """The second image has no effect at first, and all factors are 1."""
    given = synthetic_scene((24, 20), gaussian((5, 5), 1.0))
    blur, schedule = Blur(given.kernel.tensor(), (24, 20)), plan(2)
    *_, found = unrolled(network, 2).estimates(blur, given.blurred, schedule)
    # In the first of two steps the prior is given the image as it is, in the second one turned.
    first = next(unrolled(network, 2).estimates(blur, given.blurred, schedule))
    by_rule = split(blur, given.blurred, plan(1), [PriorTerm(DenoiserPrior(model=model), 1.0)])
    one = next(unrolled(network, 1).estimates(blur, given.blurred, plan(1)))
    torch.testing.assert_close(one, by_rule, atol=1e-5, rtol=0)
    assert not torch.equal(first, found)


def test_the_factors_of_a_step_scale_its_noise_level_and_penalty(network):
    given = synthetic_scene((24, 20), gaussian((5, 5), 1.0))
    blur, steps = Blur(given.kernel.tensor(), (24, 20)), unrolled(network, 2)
    plain = list(steps.estimates(blur, given.blurred, plan(2)))
    steps.log_penalties[1] = 0.1
    stiff = list(steps.estimates(blur, given.blurred, plan(2)))
    assert torch.equal(plain[0], stiff[0])
    assert not torch.equal(plain[1], stiff[1])
    steps.log_sigmas[0] = 0.1
    assert not torch.equal(plain[0], next(steps.estimates(blur, given.blurred, plan(2))))


def test_factors_are_interpolated_for_another_number_of_steps(network):
    """With equal factors five steps are those of a model that was trained in five."""
    given = synthetic_scene((24, 20), gaussian((5, 5), 1.0))
    blur, found = Blur(given.kernel.tensor(), (24, 20)), []
    for count in (3, 5):
        steps = unrolled(network, count)
        steps.log_penalties[:], steps.log_sigmas[:] = 0.02, -0.01
        found.append(list(steps.estimates(blur, given.blurred, plan(5)))[-1])
    torch.testing.assert_close(*found, atol=1e-6, rtol=0)
    rising = torch.tensor([0.0, 1.0, 3.0])
    assert spread(rising, 5).tolist() == [0, 0.5, 1, 2, 3]


def test_trained_steps_turn_the_image_by_a_right_angle_each():
    seen = []

    class Recorder(torch.nn.Module):
        def forward(self, images, _):
            seen.append(tuple(images.shape[-2:]))
            return images[:, :1]

    given = synthetic_scene((24, 60), gaussian((5, 5), 1.0))
    steps = UnrolledSplitting((4, 6), 2).requires_grad_(False)
    steps.network = Recorder()
    blur = Blur(given.kernel.tensor(), (24, 60))
    *_, found = steps.estimates(blur, given.blurred, plan(4))
    assert seen[0] == seen[2] == seen[1][::-1] == seen[3][::-1] != seen[1]
    assert found.shape == (1, *blur.domain)


@pytest.mark.parametrize(("noise", "count"), [(0.01, 10), (0.05, 8)])
def test_more_trained_steps_are_made_at_low_noise(noise, count):
    given, reports = synthetic_scene((16, 16)), []
    context = Context(on_progress=reports.append, contrast=0.25)
    PlugAndPlay(noise=noise, model_error=0.0).deconvolve(given.blurred, given.kernel, context)
    assert reports[-1].total == count


def test_params_of_the_priors_are_refused_without_priors():
    with pytest.raises(ParamsError, match="first belongs to priors"):
        PlugAndPlay(first=0.05)


# The stage.


def test_colours_by_luma_keep_their_chroma(model):
    given = synthetic_scene((32, 32), channels=3, noise=0.002)
    priors = [{"prior": "denoiser", "weight": 1.0, "params": {"model": model}}]
    found = [
        PlugAndPlay(noise=0.005, steps=2, priors=priors, colour=colour).deconvolve(
            given.blurred, given.kernel, Context()
        )
        for colour in ("channels", "luma")
    ]
    assert found[0].shape == found[1].shape == given.blurred.shape
    grey = given.blurred.mean(0, keepdim=True).expand(3, -1, -1).contiguous()
    luma = PlugAndPlay(noise=0.005, steps=2, priors=priors, colour="luma")
    made = luma.deconvolve(grey, given.kernel, Context())
    assert float((made - made.mean(0)).abs().max()) < 1e-4


def test_a_dim_image_is_restored_like_a_bright_one(model):
    given = synthetic_scene((32, 32), noise=0.005)
    priors = [{"prior": "denoiser", "weight": 1.0, "params": {"model": model}}]
    flat = 0.4 * given.blurred + 0.1
    results = []
    for image in (flat, 0.1 * flat):
        scale = 1.0 if image is flat else 0.1
        stage = PlugAndPlay(noise=0.002 * scale, model_error=0.0, steps=3, priors=priors)
        context = Context(contrast=0.05 * scale, brightness=float(image.mean()))
        results.append(stage.deconvolve(image, given.kernel, context) / scale)
    torch.testing.assert_close(results[0], results[1], atol=2e-3, rtol=0)


def test_the_model_error_adds_to_the_noise():
    stage = PlugAndPlay(noise=0.03, model_error=0.2)
    noise = stage._noise(torch.zeros(1, 4, 4), 0.2, Context(), None)
    assert noise == pytest.approx(math.hypot(0.03, 0.04))


@pytest.mark.parametrize("weight", [0.25, 1.0])
def test_the_image_by_hyper_laplacian_is_mixed_in_with_its_weight(weight):
    """Noise and model error are those of the stage, and masked pixels are masked in both."""
    given = synthetic_scene((32, 28), lopsided((5, 6)))
    mask = torch.ones(32, 28)
    mask[8:10, 9:12] = 0
    own = {"noise": 0.02, "model_error": 0.05}
    priors = [{"prior": "l0-gradient", "weight": 1.0}]
    alone, mixed = (
        PlugAndPlay(**own, priors=priors, steps=2, hyper_laplacian_weight=w) for w in (0.0, weight)
    )
    a, b, found = (
        stage.deconvolve(given.blurred, given.kernel, Context(contrast=0.3), mask)
        for stage in (alone, HyperLaplacian(**own), mixed)
    )
    torch.testing.assert_close(found, (1 - weight) * a + weight * b)
    assert float((a - b).abs().max()) > 0.01


def test_weights_are_loaded_once(model):
    first = prior_module.load_network(model, "cpu")
    assert prior_module.load_network(model, "cpu") is first
