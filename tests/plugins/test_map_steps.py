import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from unblur.model.stages import Prior
from unblur.numerics.fourier import apply_otf, psf_to_otf
from unblur.numerics.operators import gradient
from unblur.testing import lopsided
from unblur_classic.map import kernel_update
from unblur_classic.map.edges import keep_salient, salient_threshold
from unblur_classic.map.kernel_update import fit_kernel
from unblur_classic.map.latent_update import WeightedPrior, update_latent
from unblur_classic.priors.gradient_priors import L0Gradient


def drawn(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# The kernel update.


@pytest.mark.parametrize("size", [4, 5])
@pytest.mark.parametrize(
    ("ridge", "whitening"), [(0.0, None), (3.0, None), (0.1, 0.05), (0.3, 2.0)]
)
def test_the_kernel_is_scipys_nonnegative_least_squares(size, ridge, whitening):
    """The same fit with the convolution written out as a matrix of rolled images.

    With whitening, the images are filtered beforehand.
    """
    sharp, blurred = drawn(2, 16, 18) - 0.5, drawn(2, 16, 18, seed=1) - 0.5
    white_sharp, white_blurred = (whiten(x, sharp, whitening) for x in (sharp, blurred))
    columns = [
        torch.roll(white_sharp, (row - size // 2, column - size // 2), (-2, -1)).flatten()
        for row in range(size)
        for column in range(size)
    ]
    matrix = torch.stack([*columns]).T.numpy()
    rows = np.vstack([matrix, np.sqrt(ridge) * np.eye(size * size)])
    expected, _ = nnls(rows, np.append(white_blurred.flatten().numpy(), np.zeros(size * size)))
    initial = torch.full((size, size), size**-2.0, dtype=torch.float64)
    found = fit_kernel(sharp, blurred, initial, ridge=ridge, whitening=whitening, iterations=2000)
    assert (expected == 0).any()
    np.testing.assert_allclose(found.flatten(), expected / expected.sum(), atol=1e-5)


@pytest.mark.parametrize("whitening", [None, 0.2])
def test_the_fit_is_the_same_with_a_matrix_and_with_fourier_transforms(monkeypatch, whitening):
    sharp, blurred = drawn(2, 40, 36) - 0.5, drawn(2, 40, 36, seed=1) - 0.5
    initial = torch.full((9, 9), 1 / 81, dtype=torch.float64)
    options = {"ridge": 0.5, "whitening": whitening}
    with_matrix = fit_kernel(sharp, blurred, initial, **options)
    monkeypatch.setattr(kernel_update, "DENSE_SIZE", 0)
    without = fit_kernel(sharp, blurred, initial, **options)
    torch.testing.assert_close(with_matrix, without, atol=1e-10, rtol=0)


def whiten(x, sharp, whitening):
    """Filter images so that their plain squared residual is the whitened one."""
    if whitening is None:
        return x
    power = torch.fft.rfft2(sharp).abs().square().sum(0)
    level = (power + whitening * power.mean()).sqrt()
    return torch.fft.irfft2(torch.fft.rfft2(x) / level, x.shape[-2:])


def test_the_kernel_of_a_noiseless_image_is_exact():
    kernel = lopsided((7, 7)).tensor(dtype=torch.float64)
    sharp = drawn(2, 40, 36) - 0.5
    blurred = apply_otf(sharp, psf_to_otf(kernel, (40, 36)), 2)
    found = fit_kernel(sharp, blurred, torch.full_like(kernel, 1 / 49), ridge=0, iterations=300)
    torch.testing.assert_close(found, kernel, atol=1e-5, rtol=0)


@pytest.mark.parametrize("whitening", [None, 0.0, 0.2])
def test_an_image_without_gradients_does_not_change_the_kernel(whitening):
    initial = torch.rand(5, 5)
    flat = torch.zeros(2, 20, 20)
    assert fit_kernel(flat, flat, initial, ridge=0.5, whitening=whitening) is initial


# Salient edges.


def test_the_threshold_keeps_the_wanted_number_of_gradients_per_direction():
    angle = torch.linspace(-1.5, 1.5, 4000).double()
    length = drawn(4000) ** 8 + 0.01
    gradients = (length * torch.stack([angle.sin(), angle.cos()])).reshape(2, 40, 100)
    threshold = salient_threshold(gradients, 15)
    counts = [
        int(((length >= threshold - 1e-9) & (angle >= low) & (angle < low + np.pi / 4)).sum())
        for low in np.arange(-2, 2) * np.pi / 4
    ]
    assert min(counts) == 30
    kept = keep_salient(gradients, 0.5 * threshold).square().sum(0).flatten() > 0
    assert torch.equal(kept, length >= 0.5 * threshold)


def test_some_gradient_is_always_kept():
    gradients = drawn(2, 8, 8)
    assert int((keep_salient(gradients, 1e6) != 0).sum()) > 0


# The latent update.


def piecewise_constant(shape=(48, 40)):
    x = torch.full(shape, 0.2, dtype=torch.float64)
    x[8:30, 6:25] = 0.8
    x[20:40, 18:34] = 0.5
    return x


def test_the_true_kernel_restores_a_piecewise_constant_image():
    x, kernel = piecewise_constant(), lopsided((7, 7)).tensor(dtype=torch.float64)
    blurred = apply_otf(x, psf_to_otf(kernel, x.shape), 2)
    latent, predicted = update_latent(blurred, kernel, [WeightedPrior(L0Gradient(), 1e-4)])
    torch.testing.assert_close(latent, x, atol=0.02, rtol=0)
    torch.testing.assert_close(predicted, blurred, atol=0.01, rtol=0)
    assert L0Gradient().energy(latent) < 2 * L0Gradient().energy(x)


class Recorded(Prior):
    """Half the squared image; records the steps of its proximal map."""

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


def test_a_prior_on_the_image_is_evaluated_once_at_the_previous_image():
    """Alone with its proximal point `u`, `|x - scene|^2 + penalty |x - u|^2` has this minimum."""
    prior, weight = Recorded(), 0.01
    scene, previous, delta = (
        piecewise_constant(),
        0.5 * piecewise_constant(),
        torch.ones(1, 1).double(),
    )
    latent, _ = update_latent(scene, delta, [WeightedPrior(prior, weight)], previous)
    penalty = 2 * weight
    assert prior.steps == [pytest.approx(weight / (2 * penalty))]
    u = previous / (1 + prior.steps[0])
    torch.testing.assert_close(latent, (scene + penalty * u) / (1 + penalty))


def test_without_a_previous_image_a_prior_on_the_image_is_evaluated_at_the_scene():
    scene, delta = piecewise_constant(), torch.ones(1, 1).double()
    heavy = [WeightedPrior(Recorded(), 0.5), WeightedPrior(L0Gradient(), 1e-3)]
    plain, _ = update_latent(scene, delta, heavy)
    explicit, _ = update_latent(scene, delta, heavy, scene)
    torch.testing.assert_close(plain, explicit, atol=0, rtol=0)


def test_each_prior_has_its_effect():
    """A weak image prior dims the image, a gradient prior flattens it, both do both."""
    noisy = piecewise_constant() + 0.02 * (drawn(48, 40) - 0.5)
    delta = torch.ones(1, 1).double()
    gradient_prior, image_prior = (
        WeightedPrior(L0Gradient(), 0.002),
        WeightedPrior(Recorded(), 0.5),
    )
    flat, _ = update_latent(noisy, delta, [gradient_prior])
    dim, _ = update_latent(noisy, delta, [image_prior])
    both, _ = update_latent(noisy, delta, [gradient_prior, image_prior])
    rough = [int((gradient(x).abs().amax(0) > 1e-3).sum()) for x in (noisy, flat, dim, both)]
    assert max(rough[1], rough[3]) < 0.4 * min(rough[0], rough[2])
    assert max(float(dim.mean()), float(both.mean())) < 0.95 * float(flat.mean())
