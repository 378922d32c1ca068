"""The two-tone prior, and the pipeline `text` that uses it."""

import numpy as np
import pytest
import torch

from unblur.engine import deblur
from unblur.numerics.metrics import levin_aligned
from unblur.numerics.synthesis import (
    add_gaussian_noise,
    blur_image,
    crop_valid,
    gaussian_process_kernel,
)
from unblur.pipeline import Pipeline
from unblur_classic.priors.two_tone import TwoTone, nearer_tone
from unblur_discriminative.text_pages import text_page


def drawn(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_tones_are_those_of_each_image():
    x = torch.cat([drawn(1, 40, 50), 5 + 3 * drawn(1, 40, 50, seed=1)])
    tones = nearer_tone(x)
    for image, both in zip(x, tones, strict=True):
        assert both.unique().tolist() == pytest.approx(np.quantile(image, [0.02, 0.98]).tolist())
        middle = float(both.unique().mean())
        assert torch.equal(both > middle, image >= middle)


@pytest.mark.parametrize("step", [0.01, 0.25, 10.0])
def test_the_proximal_map_is_the_minimum_and_keeps_the_tones(step):
    prior, x = TwoTone(), drawn(1, 30, 40)
    u = prior.proximal(x, step)
    torch.testing.assert_close(nearer_tone(u), nearer_tone(x))
    derivative = 20 * step * (u - nearer_tone(u))
    torch.testing.assert_close(derivative + u, x)


def test_the_energy_is_0_for_a_page_and_positive_for_its_blur():
    page = text_page(120, 160, torch.Generator().manual_seed(0)).double()[None] / 255
    page = (page > 0.5).double()
    assert float(TwoTone().energy(page)) == 0
    assert float(TwoTone().energy((page + page.roll(2, -1)) / 2)) > 100


def test_the_blur_score_is_0_for_a_page_and_higher_for_greys_at_any_contrast():
    page = (text_page(120, 160, torch.Generator().manual_seed(0)) > 127).double()[None]
    ramp = torch.linspace(0, 1, 2001, dtype=torch.float64).expand(1, 10, -1)
    assert TwoTone().blur_score(page) == 0
    assert TwoTone().blur_score(ramp) == pytest.approx(0.29, abs=0.02)
    assert TwoTone().blur_score(0.1 * ramp + 5) == pytest.approx(TwoTone().blur_score(ramp))
    assert TwoTone().blur_score(torch.full((1, 9, 9), 0.5)) == 0


@pytest.mark.slow
def test_a_shaken_page_is_made_readable():
    generator = torch.Generator().manual_seed(3)
    kernel = gaussian_process_kernel(13, generator)
    page = text_page(165, 220, generator).float() / 255
    blurred = add_gaussian_noise(blur_image(page, kernel), 0.005, generator)
    sharp = crop_valid(page, kernel).numpy()
    result = deblur(blurred.numpy(), Pipeline.load("text")).image
    before = levin_aligned(blurred.numpy(), sharp).psnr
    assert levin_aligned(np.asarray(result), sharp).psnr > before + 8
