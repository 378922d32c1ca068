import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from unblur.model.stages import Prior
from unblur.numerics.fourier import apply_otf, psf_to_otf
from unblur.numerics.operators import gradient
from unblur.testing import lopsided
from unblur_classic.map.edges import salient, threshold_for
from unblur_classic.map.kernel_update import fit_kernel
from unblur_classic.map.latent_update import WeightedPrior, latent_image
from unblur_classic.priors.gradient_priors import L0Gradient


def drawn(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# The kernel step.


@pytest.mark.parametrize("size", [4, 5])
@pytest.mark.parametrize(("ridge", "floor"), [(0.0, None), (3.0, None), (0.1, 0.05), (0.3, 2.0)])
def test_the_kernel_is_scipys_nonnegative_least_squares(size, ridge, floor):
    """The same fit with the convolution written out as a matrix of rolled images.

    Where frequencies are to count alike, the images are filtered beforehand.
    """
    sharp, blurred = drawn(2, 16, 18) - 0.5, drawn(2, 16, 18, seed=1) - 0.5
    even_sharp, even_blurred = (levelled(x, sharp, floor) for x in (sharp, blurred))
    columns = [
        torch.roll(even_sharp, (row - size // 2, column - size // 2), (-2, -1)).flatten()
        for row in range(size)
        for column in range(size)
    ]
    matrix = torch.stack([*columns]).T.numpy()
    rows = np.vstack([matrix, np.sqrt(ridge) * np.eye(size * size)])
    expected, _ = nnls(rows, np.append(even_blurred.flatten().numpy(), np.zeros(size * size)))
    start = torch.full((size, size), size**-2.0, dtype=torch.float64)
    found = fit_kernel(sharp, blurred, start, ridge=ridge, floor=floor, iterations=2000)
    assert (expected == 0).any()
    np.testing.assert_allclose(found.flatten(), expected / expected.sum(), atol=1e-5)


def levelled(x, sharp, floor):
    """Filter images so that their plain squares are those that `floor` asks for."""
    if floor is None:
        return x
    power = torch.fft.rfft2(sharp).abs().square().sum(0)
    level = (power + floor * power.mean()).sqrt()
    return torch.fft.irfft2(torch.fft.rfft2(x) / level, x.shape[-2:])


def test_a_noiseless_kernel_is_found_where_it_lies():
    kernel = lopsided((7, 7)).tensor(dtype=torch.float64)
    sharp = drawn(2, 40, 36) - 0.5
    blurred = apply_otf(sharp, psf_to_otf(kernel, (40, 36)), 2)
    found = fit_kernel(sharp, blurred, torch.full_like(kernel, 1 / 49), ridge=0, iterations=300)
    torch.testing.assert_close(found, kernel, atol=1e-5, rtol=0)


@pytest.mark.parametrize("floor", [None, 0.0, 0.2])
def test_an_image_without_gradients_leaves_the_kernel_alone(floor):
    start = torch.rand(5, 5)
    flat = torch.zeros(2, 20, 20)
    assert fit_kernel(flat, flat, start, ridge=0.5, floor=floor) is start


# Salient edges.


def test_the_threshold_leaves_enough_edges_of_every_direction():
    angle = torch.linspace(-1.5, 1.5, 4000).double()
    length = drawn(4000) ** 8 + 0.01
    slopes = (length * torch.stack([angle.sin(), angle.cos()])).reshape(2, 40, 100)
    threshold = threshold_for(slopes, 15)
    counts = [
        int(((length >= threshold - 1e-9) & (angle >= low) & (angle < low + np.pi / 4)).sum())
        for low in np.arange(-2, 2) * np.pi / 4
    ]
    assert min(counts) == 30
    kept = salient(slopes, 0.5 * threshold).square().sum(0).flatten() > 0
    assert torch.equal(kept, length >= 0.5 * threshold)


def test_some_edge_is_always_kept():
    slopes = drawn(2, 8, 8)
    assert int((salient(slopes, 1e6) != 0).sum()) > 0


# The latent image.


def cartoon(shape=(48, 40)):
    x = torch.full(shape, 0.2, dtype=torch.float64)
    x[8:30, 6:25] = 0.8
    x[20:40, 18:34] = 0.5
    return x


def test_the_true_kernel_gives_the_cartoon_back():
    x, kernel = cartoon(), lopsided((7, 7)).tensor(dtype=torch.float64)
    blurred = apply_otf(x, psf_to_otf(kernel, x.shape), 2)
    latent, predicted = latent_image(blurred, kernel, [WeightedPrior(L0Gradient(), 1e-4)])
    torch.testing.assert_close(latent, x, atol=0.02, rtol=0)
    torch.testing.assert_close(predicted, blurred, atol=0.01, rtol=0)
    assert L0Gradient().energy(latent) < 2 * L0Gradient().energy(x)


class Recorded(Prior):
    """Half the squared image; keeps the steps it was asked for."""

    name = "recorded"
    summary = "For this test."

    def __init__(self):
        super().__init__()
        self.steps = []

    def energy(self, x):
        return x.square().sum() / 2

    def gradient(self, x):
        return x

    def proximal(self, x, step):
        assert x.shape == (1, 48, 40)
        self.steps.append(step)
        return x / (1 + step)


def test_a_prior_on_the_image_is_met_once_at_the_guess():
    """Alone with its proximal point `u`, `|x - scene|^2 + tie |x - u|^2` has this minimum."""
    prior, weight = Recorded(), 0.01
    scene, guess, delta = cartoon(), 0.5 * cartoon(), torch.ones(1, 1).double()
    latent, _ = latent_image(scene, delta, [WeightedPrior(prior, weight)], guess)
    tie = 2 * weight
    assert prior.steps == [pytest.approx(weight / (2 * tie))]
    u = guess / (1 + prior.steps[0])
    torch.testing.assert_close(latent, (scene + tie * u) / (1 + tie))


def test_without_a_guess_a_prior_on_the_image_begins_at_the_scene():
    scene, delta = cartoon(), torch.ones(1, 1).double()
    heavy = [WeightedPrior(Recorded(), 0.5), WeightedPrior(L0Gradient(), 1e-3)]
    plain, _ = latent_image(scene, delta, heavy)
    told, _ = latent_image(scene, delta, heavy, scene)
    torch.testing.assert_close(plain, told, atol=0, rtol=0)


def test_each_prior_adds_its_pull():
    """A weak image prior dims the image, a gradient prior flattens it, both do both."""
    noisy = cartoon() + 0.02 * (drawn(48, 40) - 0.5)
    delta = torch.ones(1, 1).double()
    counting, dimming = WeightedPrior(L0Gradient(), 0.002), WeightedPrior(Recorded(), 0.5)
    flat, _ = latent_image(noisy, delta, [counting])
    dim, _ = latent_image(noisy, delta, [dimming])
    both, _ = latent_image(noisy, delta, [counting, dimming])
    rough = [int((gradient(x).abs().amax(0) > 1e-3).sum()) for x in (noisy, flat, dim, both)]
    assert max(rough[1], rough[3]) < 0.4 * min(rough[0], rough[2])
    assert max(float(dim.mean()), float(both.mean())) < 0.95 * float(flat.mean())


def test_a_lightened_prior_keeps_all_but_its_weight():
    heavy = WeightedPrior(L0Gradient(), 0.4)
    light = heavy.lightened(0.1)
    assert (light.prior, light.weight) == (heavy.prior, pytest.approx(0.04))
    assert light.on_gradient
    assert not WeightedPrior(Recorded(), 1.0).on_gradient
