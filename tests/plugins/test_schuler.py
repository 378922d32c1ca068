"""The stage, its networks, and the losses of their training."""

import numpy as np
import pytest
import torch

from unblur.errors import Cancelled, ImageError, ParamsError, WeightsError
from unblur.model.context import Context
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.statistics import REFERENCE_NOISE, l0_weight_for_noise
from unblur.plugins.weights import save_weights
from unblur.testing import gaussian, synthetic_scene
from unblur_schuler.coarse_to_fine import estimate_coarse_to_fine
from unblur_schuler.l0_images import l0_latent_images
from unblur_schuler.layouts import build_network
from unblur_schuler.our_network import DeepNetwork
from unblur_schuler.paper_network import PaperNetwork
from unblur_schuler.refinement import refine_kernel
from unblur_schuler.size_search import next_size, support_size, touches_border
from unblur_schuler.stage import Schuler
from unblur_schuler.training.training_losses import edge_loss, kernel_loss
from unblur_schuler.weights import SHIPPED, load_network

LOW_NOISE = Context(noise=0.005)


def motion(size, length):
    """Return a path along the first half of a row and down the next, an angular motion."""
    weights = torch.zeros(size, size)
    middle = size // 2
    weights[middle, middle - length : middle + 1] = 1
    weights[middle : middle + length + 1, middle] = 1
    return weights / weights.sum()


@pytest.fixture(scope="module")
def shaken():
    """A scene of boxes blurred by an angular motion in a kernel of 13 pixels."""
    from unblur.model.kernel import Kernel

    return synthetic_scene((160, 150), Kernel(motion(13, 4).numpy()).centred(), noise=0.005)


def test_finds_the_kernel_of_a_motion(shaken):
    found = Schuler(size=13).estimate(shaken.blurred, LOW_NOISE).kernel
    assert found.shape == (13, 13)
    assert kernel_similarity(found, shaken.kernel) > 0.85


def test_estimates_the_size_of_the_kernel(shaken):
    found = Schuler().estimate(shaken.blurred, LOW_NOISE).kernel
    assert found.shape[0] == found.shape[1]
    assert found.shape[0] % 2 == 1
    assert 9 <= found.shape[0] <= 21
    assert kernel_similarity(found, shaken.kernel) > 0.8


def test_brightness_and_contrast_do_not_matter(shaken):
    one = Schuler(size=13).estimate(shaken.blurred, LOW_NOISE).kernel
    dim = Schuler(size=13).estimate(0.1 * shaken.blurred + 0.3, Context(noise=0.0005)).kernel
    np.testing.assert_allclose(dim.weights, one.weights, atol=0.02)


def test_reports_every_iteration_and_stops_when_cancelled(shaken):
    reports = []
    Schuler(size=9).estimate(shaken.blurred, Context(noise=0.005, on_progress=reports.append))
    iterations = sum(1 for _ in load_network("deep").schedule(9))
    last = Schuler().params.refinements
    expected = [(n + 1, iterations) for n in range(iterations)] + [
        (n + 1, last) for n in range(last)
    ]
    assert [(r.done, r.total) for r in reports] == expected
    done = []
    stopping = Context(
        noise=0.005, on_progress=done.append, is_cancelled=lambda: len(done) == iterations + 2
    )
    with pytest.raises(Cancelled):
        Schuler(size=9).estimate(shaken.blurred, stopping)
    assert len(done) == iterations + 2


@pytest.mark.parametrize("size", [4, 1, 201, "large"])
def test_sizes_are_odd_numbers_or_auto(size):
    with pytest.raises(ParamsError, match="size"):
        Schuler(size=size)


def test_images_that_hold_no_kernel_are_refused_with_the_reason():
    with pytest.raises(ImageError, match="one value"):
        Schuler(size=9).estimate(torch.full((1, 40, 40), 0.5), LOW_NOISE)
    rounded = 0.5 + 1e-7 * torch.rand(1, 40, 40)
    with pytest.raises(ImageError, match="one value"):
        Schuler(size=9).estimate(rounded, LOW_NOISE)
    with pytest.raises(ImageError, match="too small"):
        Schuler().estimate(torch.rand(1, 11, 40), LOW_NOISE)
    with pytest.raises(ImageError, match="too small"):
        Schuler(size=31).estimate(torch.rand(1, 40, 40), LOW_NOISE)


def test_unknown_and_foreign_weights_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="deep"):
        load_network("dep")
    file = tmp_path / "other.safetensors"
    save_weights({"layers.0.weight": torch.zeros(3)}, file)
    with pytest.raises(WeightsError, match="another model"):
        load_network(str(file))


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_shipped_weights_are_whole_and_have_a_card(name):
    from unblur_schuler.weights import FOLDER

    assert all(bool(torch.isfinite(p).all()) for p in load_network(name).parameters())
    assert SHIPPED[name] in (FOLDER / f"{name}.md").read_text(encoding="utf-8")


# Networks.


@pytest.mark.parametrize("layout", ["deep", "paper"])
def test_a_batch_gives_the_kernels_of_its_members(layout):
    torch.manual_seed(0)
    network = build_network(layout).double()
    y = torch.rand(2, 1, 70, 66, dtype=torch.float64)
    noise = torch.tensor([0.01, 0.03], dtype=torch.float64)
    with torch.no_grad():
        both = estimate_coarse_to_fine(network, y, 19, noise)
        second = estimate_coarse_to_fine(network, y[1:], 19, noise[1:])
    torch.testing.assert_close(both.sum((1, 2)), torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(both[1:], second)


@pytest.mark.parametrize("layout", ["deep", "paper"])
def test_every_weight_has_a_gradient(layout):
    torch.manual_seed(0)
    network = build_network(layout)
    y, noise, total, kernel = torch.rand(1, 1, 90, 90), torch.tensor([0.01]), 0.0, None
    from unblur_schuler.quotient import Spectra

    for step, ratio in network.schedule(33):
        level = torch.nn.functional.interpolate(y, scale_factor=ratio)
        kernel = network.kernel(Spectra.of(*network.features(level, kernel, noise, step)), step)
        total = total + kernel.square().sum()
    total.backward()
    used = [p for n, p in network.named_parameters() if n != "priors"]
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in used)


def test_gradients_through_an_iteration_agree_with_finite_differences():
    torch.manual_seed(0)
    network = DeepNetwork().double()
    y = synthetic_scene((40, 36), gaussian((5, 5), 1.0), noise=0.01).blurred[None].double()
    noise = torch.tensor([0.01], dtype=torch.float64)
    from unblur_schuler.quotient import Spectra

    (step, _), *_ = network.schedule(5)

    def energy():
        pair = network.features(y, None, noise, step)
        return network.kernel(Spectra.of(*pair), step).square().sum()

    energy().backward()
    for parameter, place in ((network.layers[2].weight, (3, 5, 1, 1)), (network.ridge, ())):
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter[place] += sign * 1e-5
                values.append(energy().item())
                parameter[place] -= sign * 1e-5
        slope = (values[0] - values[1]) / 2e-5
        assert parameter.grad[place].item() == pytest.approx(slope, rel=1e-3, abs=1e-10)


def test_the_paper_has_one_to_three_scales_and_more_for_larger_kernels():
    network = PaperNetwork()
    assert [[s.size for s in network.levels(n)] for n in (13, 17, 21, 33, 45)] == [
        [13],
        [17],
        [17, 21],
        [17, 25, 33],
        [17, 25, 33, 45],
    ]
    first, last = network.levels(33)[0], network.levels(33)[-1]
    assert first.ratio == pytest.approx(17 / 33)
    assert last.ratio == 1


def test_an_l0_regularised_image_of_flat_areas_is_itself():
    x = torch.zeros(1, 1, 48, 40)
    x[..., 12:30, 10:28] = 0.4
    kernel = torch.zeros(1, 5, 5)
    kernel[0, 2, 2] = 1
    noisy = x + 0.005 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    few = l0_latent_images(noisy, kernel, torch.tensor([1e-2, 1e-3]))
    assert few.shape == (1, 2, 48, 40)
    assert (few[:, :1] - x).square().mean() < 0.2 * (noisy - x).square().mean()


@pytest.mark.parametrize("noise", [REFERENCE_NOISE, 3 * REFERENCE_NOISE, 5 * REFERENCE_NOISE])
def test_the_l0_weight_for_a_noise_suppresses_it(noise):
    """The L0-regularised image of noise alone is small at that weight, large at a quarter of it."""
    spot = torch.zeros(1, 5, 5)
    spot[0, 2, 2] = 1
    y = noise * torch.randn(1, 1, 96, 96, generator=torch.Generator().manual_seed(0))
    weights = torch.tensor([1.0, 0.25]) * l0_weight_for_noise(noise)
    little, most = (
        float(drawn.norm() / y.norm()) for drawn in l0_latent_images(y, spot, weights)[0]
    )
    assert little < 0.4
    assert most > 0.6


def test_refinement_recovers_low_values(shaken):
    true = shaken.kernel.tensor()[None]
    poor = torch.where(true < true.max(), 0, true)
    poor[0, 6, 6] += 0.5
    poor = poor / poor.sum()
    better = refine_kernel(shaken.blurred[None], poor, 6, 0.005)
    assert float(better.sum()) == pytest.approx(1)
    before, after = (kernel_similarity(k[0], shaken.kernel) for k in (poor, better))
    assert after > before + 0.1
    torch.testing.assert_close(refine_kernel(shaken.blurred[None], poor, 0, 0.005), poor)


# Size of the kernel, and invalid pixels.


def test_size_grows_at_the_border_and_shrinks_to_the_support():
    tight, loose = motion(9, 4), motion(25, 4)
    assert touches_border(tight)
    assert not touches_border(loose)
    assert support_size(loose) == 13
    assert support_size(tight) == 9
    assert next_size(25) == 35


def test_invalid_pixels_have_no_effect(shaken):
    mask = torch.ones(shaken.blurred.shape[1:])
    mask[40:60, 50:80] = 0
    damaged = [torch.where(mask > 0, shaken.blurred, value) for value in (0.0, 40.0)]
    first, second = (Schuler(size=13).estimate(x, LOW_NOISE, mask).kernel for x in damaged)
    np.testing.assert_array_equal(first.weights, second.weights)
    assert kernel_similarity(first, shaken.kernel) > 0.8


# Losses.


def test_the_kernel_loss_is_one_minus_the_similarity():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(1, n, n, generator=generator) for n in (9, 13))
    for one, other in ((a, b), (b, a)):
        expected = 1 - kernel_similarity(one[0], other[0])
        assert float(kernel_loss(one, other, 6)) == pytest.approx(expected, abs=1e-5)
    shifted = torch.roll(b, (1, -1), (1, 2))
    assert float(kernel_loss(b, b)) == pytest.approx(0, abs=1e-6)
    assert float(kernel_loss(shifted, b)) < float(kernel_loss(shifted, b, 0))


def test_edge_loss_prefers_the_scene_to_its_blur():
    given = synthetic_scene((60, 60), gaussian((9, 9), 2.0))
    sharp, blurred = given.sharp[None], given.blurred[None]

    def gradients(x):
        from unblur.numerics.operators import gradient

        return gradient(x)[:, :, 0].transpose(0, 1)

    assert float(edge_loss(gradients(sharp), sharp)) < 0.1
    assert float(edge_loss(gradients(blurred), sharp)) > 2 * float(
        edge_loss(gradients(sharp), sharp)
    )
    assert float(edge_loss(-gradients(sharp), sharp)) > 0.9
