from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from unblur.errors import ImageError
from unblur.numerics.colour import merge_luma, split_luma, to_luma


def test_luma_and_chroma_are_those_of_jpeg():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    reference = np.asarray(Image.fromarray(pixels).convert("YCbCr"), np.float64)
    luma, chroma = split_luma(torch.tensor(pixels / 255).permute(2, 0, 1))
    assert 255 * luma[0].numpy() == pytest.approx(reference[..., 0], abs=1)
    assert 255 * chroma.permute(1, 2, 0).numpy() + 128 == pytest.approx(reference[..., 1:], abs=1)


@pytest.mark.parametrize("shape", [(3, 5, 7), (3, 2, 5, 7), (1, 5, 7)])
def test_split_and_merge_are_inverse(shape):
    x = 2 * torch.rand(shape, dtype=torch.float64) - 0.5
    luma, chroma = split_luma(x)
    assert luma.shape == (1, *shape[1:])
    assert chroma.shape == (shape[0] - 1, *shape[1:])
    assert torch.allclose(merge_luma(luma, chroma), x, atol=1e-12)


def test_grey_has_no_chroma():
    grey = torch.rand(1, 4, 4).expand(3, 4, 4)
    luma, chroma = split_luma(grey)
    assert torch.allclose(luma, grey[:1], atol=1e-6)
    assert float(chroma.abs().max()) < 1e-6


def test_one_channel_passes_and_others_have_no_colours():
    x = torch.rand(4, 3, 3)
    assert torch.equal(to_luma(x[:1]), x[:1])
    assert torch.allclose(to_luma(x)[0], x.mean(0))
    with pytest.raises(ImageError, match="one by one"):
        split_luma(x)
