"""The errors of JPEG compression, from the borders of its blocks."""

import io

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from unblur.numerics.block_noise import estimate_block_noise


def smooth(shape=(160, 176), noise=0.006):
    """Return a smooth image with noise, white = 1."""
    draw = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 1, 8, 9, generator=draw)
    image = torch.nn.functional.interpolate(coarse, shape, mode="bicubic", align_corners=True)
    image = 0.2 + 0.6 * image[0, 0].clamp(0, 1)
    return (image + noise * torch.randn(shape, generator=draw)).clamp(0, 1)


def stored(image, quality):
    """Return an image after storage as JPEG, white = 1."""
    file = io.BytesIO()
    Pillow.fromarray((255 * image.numpy()).round().astype(np.uint8)).save(
        file, "JPEG", quality=quality
    )
    return torch.from_numpy(np.asarray(Pillow.open(file), np.float32) / 255)


@pytest.mark.parametrize("quality", [60, 75, 90])
def test_it_is_about_the_error_of_the_file_wherever_its_blocks_are(quality):
    image = smooth()
    file = stored(image, quality)
    error = float((file - image).std())
    for part in (file, file[3:, 5:], file.mT):
        assert 0.4 * error < estimate_block_noise(part) < 1.2 * error
    assert estimate_block_noise(file.expand(3, -1, -1)) == pytest.approx(estimate_block_noise(file))


def test_without_blocks_there_is_none():
    assert estimate_block_noise(smooth()) == 0
    assert estimate_block_noise(smooth(noise=0)) == 0
    assert estimate_block_noise(torch.zeros(64, 64)) == 0
    assert estimate_block_noise(torch.rand(16, 200)) == 0  # too small
    bars = torch.arange(160).div(8, rounding_mode="floor").remainder(2).float()
    assert estimate_block_noise(smooth((160, 160)) + 0.02 * bars) == 0  # along one axis
    assert estimate_block_noise((bars + bars[:, None]).remainder(2)) == 0  # a chessboard
