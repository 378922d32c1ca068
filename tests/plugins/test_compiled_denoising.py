"""The compiled loops of `denoise` give what its tensors give."""

import pytest
import torch

from unblur.model.context import Context
from unblur_classic.postprocess import denoise
from unblur_classic.postprocess.denoise import Denoise

pytest.importorskip("numba")


def noisy(shape):
    generator = torch.Generator().manual_seed(0)
    steps = torch.randint(0, 3, shape, generator=generator).float().cumsum(2) / 50
    return steps + 0.05 * torch.randn(shape, generator=generator)


@pytest.mark.parametrize("shape", [(2, 40, 151), (1, 9, 8), (3, 3, 5), (1, 1, 300)])
@pytest.mark.parametrize("channels", ["all", "chroma"])
def test_they_are_the_same(shape, channels, monkeypatch, two_threads):
    image = noisy(shape)
    stage, context = Denoise(channels=channels, noise=0.05), Context()
    expected = stage.process(image, image, None, context)
    monkeypatch.setattr(denoise, "COMPILED_FROM", 1)
    monkeypatch.setattr(denoise.BlockDct, "filtered", None)  # so that it fails without the loops
    found = stage.process(image, image, None, context)
    torch.set_num_threads(1)
    # Coefficients at the threshold are kept or removed by their rounding.
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)
    assert (found - expected).abs().mean() < 1e-6
    assert torch.equal(stage.process(image, image, None, context), found)


def test_each_channel_has_its_own_noise(monkeypatch):
    monkeypatch.setattr(denoise, "COMPILED_FROM", 1)
    image = noisy((2, 32, 40))
    stage = Denoise()
    stage.noise_levels = torch.tensor([0.05, 0.0]).expand(64, 2)
    found = stage.process(image, image, None, Context())
    torch.testing.assert_close(found[1], image[1], atol=1e-5, rtol=0)
    assert (found[0] - image[0]).abs().mean() > 0.01


def test_parts_of_a_large_image_are_compiled_and_volumes_are_not():
    part = torch.rand(3, 20, 20)
    assert not denoise.is_compiled(part, 0)
    assert denoise.is_compiled(part, denoise.COMPILED_FROM)
    assert not denoise.is_compiled(torch.rand(1, 8, 20, 20), denoise.COMPILED_FROM)
