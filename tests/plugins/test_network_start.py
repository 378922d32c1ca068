"""`selfdeblur` and `kotera` from the kernel of another estimator."""

import numpy as np
import pytest
import torch

from unblur.errors import Cancelled, ImageError, UsageError
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.model.params import KernelSize
from unblur.model.stages import Estimate, KernelEstimator, Params
from unblur.numerics.metrics import kernel_similarity
from unblur.plugins.markers import hook
from unblur.testing import synthetic_scene
from unblur_classic.nonblind.hyper_laplacian import HyperLaplacian
from unblur_kotera import generator_fit
from unblur_kotera.stage import Kotera
from unblur_selfdeblur import initial_image, initial_kernel
from unblur_selfdeblur.fit_target import FitTarget
from unblur_selfdeblur.initial_image import (
    IMAGE_INPUTS,
    MIN_RELATIVE_NOISE,
    deconvolve_assuming_noise,
    extend_to_scene,
    initialise,
)
from unblur_selfdeblur.initial_kernel import KERNEL_TOLERANCE, find_initial_kernel, fit_kernel
from unblur_selfdeblur.loss_terms import blur_valid
from unblur_selfdeblur.networks.generators import Generators
from unblur_selfdeblur.optimisation import Observation, optimise
from unblur_selfdeblur.schedule import LossPhase, Schedule, fix_kernel_first
from unblur_selfdeblur.stage import SelfDeblur

pytest_plugins = ["unblur.testing.fixtures"]
pytestmark = pytest.mark.usefixtures("one_thread")

BENT = np.zeros((9, 9), np.float32)
BENT[[1, 2, 3, 4, 5, 5], [2, 2, 3, 3, 4, 5]] = np.array([1, 2, 3, 2, 1, 2]) / 11


class Bent(KernelEstimator):
    """Returns the true kernel, not centred, whatever the image."""

    name = "bent"
    summary = "The true kernel."

    class Params(Params):
        size: KernelSize = "auto"

    def estimate(self, blurred, context, mask=None):
        context.checkpoint()
        return Estimate.of(Kernel(BENT), notes=("bent.",), confidence=0.7, choices={"kind": "bent"})


class Plugin:
    @staticmethod
    @hook
    def unblur_stages():
        return [Bent, HyperLaplacian]


@pytest.fixture(autouse=True)
def stages(monkeypatch, registry_with):
    """Let `bent` be the one estimator of initial kernels."""
    known = registry_with(Plugin())
    for module in (initial_image, initial_kernel):
        monkeypatch.setattr(module, "registry", lambda: known)
    monkeypatch.setattr(generator_fit, "MAX_FIT_ITERATIONS", 6)


@pytest.fixture(scope="module")
def shaken():
    return synthetic_scene((60, 64), Kernel(BENT), noise=0.002, seed=4)


def estimate(cls, blurred, context=None, **params):
    quick = {"size": 7, "iterations": 6, "width": 4, "initial_estimator": "bent", **params}
    return cls(quick).estimate(blurred, context or Context())


def drawn(shape, size):
    return Generators.drawn(shape, size, width=4, layers="one", seed=0, device="cpu")


def test_the_kernel_network_is_fitted_to_the_initial_kernel(shaken):
    initial = find_initial_kernel("bent", 7, shaken.blurred, None, Context())
    assert initial.weights.shape == (7, 7)
    assert float(initial.weights.sum()) == pytest.approx(1)
    assert kernel_similarity(initial.weights, BENT) > 0.999
    generators = drawn(shaken.blurred.shape, 7)
    fit_kernel(generators, initial.weights)
    error = (generators.kernel() - initial.weights).detach().square().mean().sqrt()
    assert float(error) <= KERNEL_TOLERANCE * float(initial.weights.max())


@pytest.mark.parametrize("size", [7, 8])
def test_the_image_network_is_given_the_deconvolved_image(shaken, size):
    """That input, blurred by the kernel, is the data, wherever the kernel's middle lies."""
    initial = find_initial_kernel("bent", size, shaken.blurred, None, Context())
    generators, data = drawn(shaken.blurred.shape, size), Observation(shaken.blurred)
    noise = generators.image_noise.clone()
    initialise(generators, initial.weights, data, Context())
    given = generators.image_noise[0]
    assert torch.equal(given[IMAGE_INPUTS:], noise[0, IMAGE_INPUTS:])
    residual = blur_valid(given[:1], initial.weights) - shaken.blurred
    inside = residual[..., 8:-8, 8:-8]
    assert float(inside.square().mean().sqrt()) < 0.02
    moved = blur_valid(given[:1].roll(1, -1), initial.weights) - shaken.blurred
    assert float(moved[..., 8:-8, 8:-8].square().mean().sqrt()) > 0.03


@pytest.mark.parametrize("shape", [(1, 60, 64), (3, 60, 64), (5, 60, 64)])
def test_the_given_image_is_luma_and_skips_invalid_pixels(shaken, shape):
    values = shaken.blurred.expand(shape).clone()
    values[:, 30, 30] = 1
    valid = torch.ones(shape[-2:], dtype=torch.bool)
    valid[30, 30] = False
    generators = drawn(shape, 7)
    kernel = torch.as_tensor(BENT[1:8, 1:8])
    kernel = kernel / kernel.sum()
    initialise(generators, kernel, Observation(values, valid), Context())
    plain = drawn(shape, 7)
    initialise(plain, kernel, Observation(shaken.blurred.expand(shape)), Context())
    difference = (generators.image_noise - plain.image_noise)[0, 0]
    assert float(difference.abs().max()) < 0.1


def test_little_noise_counts_as_more(shaken):
    """So that an error of the kernel rings less; more noise than that is taken as it is."""
    data, kernel = Observation(shaken.blurred), torch.as_tensor(BENT)
    contrast = float(shaken.blurred.std())
    results = [
        deconvolve_assuming_noise(data, kernel, Context(noise=share * contrast))
        for share in (0.001, MIN_RELATIVE_NOISE, 2 * MIN_RELATIVE_NOISE)
    ]
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], deconvolve_assuming_noise(data, kernel, Context()))
    assert results[2].diff().abs().mean() < results[1].diff().abs().mean()


def test_an_image_is_extended_by_its_edges():
    image = torch.arange(6.0).reshape(1, 2, 3)
    for size in (1, 4, 5):
        scene = extend_to_scene(image, size)
        assert scene.shape == (1, 2 + size - 1, 3 + size - 1)
        delta = torch.zeros(size, size)
        delta[size // 2, size // 2] = 1
        assert torch.allclose(blur_valid(scene, delta), image, atol=1e-5)
        assert (scene.min(), scene.max()) == (0, 5)


def test_noise_is_in_the_unit_of_the_data():
    dim = 0.1 * torch.rand(1, 40, 40)
    target = FitTarget.of(dim, None, joint=False)
    context = target.context(Context(noise=0.01, contrast=0.2, saturation_level=1.0))
    assert context.noise == pytest.approx(0.01 * float(target.data.blurred.std() / dim.std()))
    assert (context.contrast, context.saturation_level) == (None, None)
    assert target.context(Context()).noise is None


def test_the_kernel_stays_in_the_first_phase_alone(shaken):
    data, generators = Observation(shaken.blurred), drawn(shaken.blurred.shape, 7)
    before = generators.kernel().detach()
    phases = fix_kernel_first(LossPhase(3, "ssim", tv_weight=0.1))
    assert [(p.iterations, p.updates_kernel, p.tv_weight) for p in phases] == [
        (1, False, 0.1),
        (2, True, 0.1),
    ]
    kept = optimise(generators, data, Schedule(phases[:1]), lambda _: None)
    assert torch.equal(kept.kernel, before)
    changed = optimise(generators, data, Schedule(phases[1:]), lambda _: None)
    assert not torch.equal(changed.kernel, before)


@pytest.mark.parametrize(
    ("cls", "params"),
    [
        (SelfDeblur, {}),
        (SelfDeblur, {"loss": "paper", "optimisation": "alternating"}),
        (SelfDeblur, {"size": "auto"}),
        (SelfDeblur, {"size": 8}),
        (Kotera, {}),
        (Kotera, {"restarts": 2}),
    ],
)
def test_the_result_begins_at_the_initial_kernel(shaken, cls, params):
    found = estimate(cls, shaken.blurred, **params)
    assert kernel_similarity(found.kernel, Kernel(BENT)) > 0.95
    assert found.latent.shape == shaken.blurred.shape
    assert (found.confidence, found.notes, found.choices) == (0.7, ("bent.",), {"kind": "bent"})


def test_coarse_scales_begin_with_the_kernel_at_their_size(shaken):
    plain = estimate(Kotera, shaken.blurred, size=11)
    coarse = estimate(Kotera, shaken.blurred, size=11, scales=2)
    assert not torch.equal(coarse.latent, plain.latent)
    reports = []
    estimate(Kotera, shaken.blurred, Context(on_progress=reports.append), size=11, scales=2)
    assert reports[-1].total > 6


@pytest.mark.parametrize("cls", [SelfDeblur, Kotera])
def test_a_seed_decides_every_bit(shaken, cls):
    first, again, other = (estimate(cls, shaken.blurred, Context(seed=s)) for s in (3, 3, 4))
    assert torch.equal(first.latent, again.latent)
    np.testing.assert_array_equal(first.kernel.weights, again.kernel.weights)
    assert not torch.equal(first.latent, other.latent)


@pytest.mark.parametrize("cls", [SelfDeblur, Kotera])
@pytest.mark.parametrize("after", [1, 2, 5])
def test_it_stops_when_cancelled(shaken, cls, after):
    polls = iter([False] * after + [True])
    with pytest.raises(Cancelled):
        estimate(cls, shaken.blurred, Context(is_cancelled=lambda: next(polls)))


@pytest.mark.parametrize("cls", [SelfDeblur, Kotera])
def test_none_is_the_method_as_published(shaken, cls):
    """Without an initial kernel the result is that of the preset `published`, bit for bit."""
    none = estimate(cls, shaken.blurred, initial_estimator="none", size=11)
    auto = estimate(cls, shaken.blurred, initial_estimator="auto", size=11)
    assert torch.equal(none.latent, auto.latent)
    assert none.confidence is None
    assert not torch.equal(none.latent, estimate(cls, shaken.blurred, size=11).latent)


@pytest.mark.parametrize(
    ("params", "initial", "iterations"),
    [
        ({}, None, 5000),
        ({"initial_estimator": "map"}, "map", 5000),
        ({"preset": "fast", "initial_estimator": "none"}, None, 1000),
        ({"preset": "fast"}, "map", 100),
        ({"preset": "fast", "iterations": 7}, "map", 7),
    ],
)
def test_the_preset_has_its_initial_kernel_and_iterations(params, initial, iterations):
    settings = Kotera(params).params
    assert (settings.initial, settings.full_iterations) == (initial, iterations)
    assert settings.number_of_scales == (3 if initial is None else 1)


def test_refusals(shaken):
    with pytest.raises(UsageError, match="bet"):
        estimate(SelfDeblur, shaken.blurred, initial_estimator="bet")
    with pytest.raises(ImageError, match="too small"):
        estimate(SelfDeblur, shaken.blurred, size=31)
