from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import gammaincinv

from unblur.errors import ImageError
from unblur.numerics.noise import NOISE_ENERGY, PATCH, estimate_noise
from unblur.numerics.synthesis import (
    add_gaussian_noise,
    blur_image,
    gaussian_kernel,
    gaussian_process_kernel,
)

LEVELS = [0.005, 0.01, 0.05]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def photos(shared):
    return slightly_blurred(shared)


@cache
def slightly_blurred(shared):
    """Textured photographs whose own noise a slight blur has taken away."""
    names = ["kodak/kodim01.png", "kodak/kodim13.png", "photos/cid22_1001682.jpg"]
    opened = [Image.open(shared / "data" / name).convert("L") for name in names]
    grey = [np.asarray(picture.crop((40, 40, 440, 380)), np.float32) for picture in opened]
    return [blur_image(torch.tensor(g)[None] / 255, gaussian_kernel(0.6)) for g in grey]


@pytest.mark.parametrize("level", LEVELS)
def test_noise_on_textured_photos(photos, level):
    for photo in photos:
        noisy = add_gaussian_noise(photo, level, generator())
        assert estimate_noise(noisy) == pytest.approx(level, rel=0.2)


@pytest.mark.parametrize("level", LEVELS)
def test_noise_is_independent_of_blur(photos, level):
    for photo in photos:
        blurred = blur_image(photo, gaussian_process_kernel(19, generator(1)))
        noisy = add_gaussian_noise(blurred, level, generator())
        assert estimate_noise(noisy) == pytest.approx(level, rel=0.1)


def test_scaling_the_image_scales_the_noise(photos):
    noisy = add_gaussian_noise(photos[0], 0.01, generator())
    assert estimate_noise(3 * noisy) == pytest.approx(3 * estimate_noise(noisy), rel=1e-3)


@pytest.mark.parametrize("shape", [(1, 40, 40), (3, 5, 5), (2, 2), (1, 1, 1)])
def test_a_constant_image_has_no_noise(shape):
    assert estimate_noise(torch.full(shape, 0.3)) == 0


def test_pure_noise_small_and_large():
    for size, tolerance in ((20, 0.25), (64, 0.1), (400, 0.03), (2300, 0.03)):
        noise = 0.02 * torch.randn(size, size, generator=generator())
        assert estimate_noise(noise) == pytest.approx(0.02, rel=tolerance), size


def test_masked_pixels_and_clipped_regions_do_not_count(photos):
    noisy = add_gaussian_noise(photos[0], 0.02, generator())
    mask = torch.ones(noisy.shape[-2:])
    mask[:200] = 0
    spoilt = noisy.clone()
    spoilt[:, :200] += torch.randn(1, 200, noisy.shape[-1], generator=generator(2))
    assert estimate_noise(spoilt, mask) == pytest.approx(0.02, rel=0.2)
    dark = (add_gaussian_noise(photos[0] - 0.4, 0.02, generator())).clamp_min(0)
    assert float((dark == 0).float().mean()) > 0.3
    assert estimate_noise(dark) == pytest.approx(0.02, rel=0.2)


def test_planes_of_a_stack_are_estimated_apart():
    ramp = torch.arange(40.0).reshape(40, 1, 1) / 40  # brightness jumps between planes
    stack = ramp + 0.01 * torch.randn(40, 64, 64, generator=generator())
    assert estimate_noise(stack) == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_the_type_of_the_numbers_does_not_matter(dtype):
    numbers = (100 + 10 * torch.randn(64, 64, generator=generator())).round()
    assert estimate_noise(numbers.to(dtype)) == pytest.approx(estimate_noise(numbers), rel=1e-6)
    assert estimate_noise(numbers) == pytest.approx(10, rel=0.1)


def test_a_line_is_not_an_image():
    with pytest.raises(ImageError, match="H, W"):
        estimate_noise(torch.zeros(5))


def test_the_energy_of_noise_is_a_quantile_of_its_gamma_distribution():
    pixels = np.eye(PATCH**2).reshape(-1, PATCH, PATCH)
    parts = [np.diff(pixels, axis=axis).reshape(PATCH**2, -1) for axis in (1, 2)]
    form = np.concatenate(parts, axis=1)
    form = form @ form.T
    rank = np.linalg.matrix_rank(form)
    quantile = gammaincinv(rank / 2, 1 - 1e-6) * (2 * np.trace(form) / rank)
    assert quantile == pytest.approx(NOISE_ENERGY, rel=1e-9)
