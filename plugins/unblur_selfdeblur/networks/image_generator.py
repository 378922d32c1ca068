"""The network that generates the sharp image: an asymmetric autoencoder with skips."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from unblur.accel.convolution import Convolution
from unblur_selfdeblur.networks.attention import NonLocalBlock, has_attention
from unblur_selfdeblur.networks.normalisation import Normalisation
from unblur_selfdeblur.networks.resampling import upsample_2x

INPUTS = 8
"""Number of channels of the random input."""
LEVELS, WIDTH, SKIP = 5, 128, 16
"""Numbers of halvings, of channels down and up, and of channels of the skip connections."""
SLOPE = 0.2
"""Slope of the leaky ReLU for negative values."""


def n_levels(extent: int) -> int:
    """Return how often an image whose smaller side is `extent` pixels is halved, at most 5 times.

    The deepest map has at least 2 pixels, which its reflected border needs.
    """
    levels, rest = 0, extent
    while levels < LEVELS and -(-rest // 2) >= 2:
        levels, rest = levels + 1, -(-rest // 2)
    return levels


class ImageGenerator(nn.Module):
    """Maps noise (1, 8, H, W) to an image (1, channels, H, W) with values in (0, 1).

    Parameters
    ----------
    channels : int
        Channels of the image.
    extent : int
        Smaller side of the image in pixels, which sets the depth: 5 levels from 33 pixels.
    width : int
        Channels at every level; 128 as published.

    Notes
    -----
    Normalisation uses the statistics of the map itself in every pass. It would remove a bias
    before it, so that there is none: of the 2.37 million parameters as published, 2,800 biases
    are left out.

    References
    ----------
    D. Ren et al., "Neural blind deconvolution using deep priors", CVPR 2020 (Ren Sec. 3.2).
    The architecture follows D. Ulyanov, A. Vedaldi, V. Lempitsky, "Deep image prior", CVPR 2018.
    """

    def __init__(self, channels: int, extent: int, width: int = WIDTH) -> None:
        super().__init__()
        levels = n_levels(extent)
        self.levels = nn.ModuleList(
            AutoencoderLevel(INPUTS if level == 0 else width, width, has_attention(level, levels))
            for level in range(levels)
        )
        self.last = Convolution(width, channels, 1)

    def forward(self, noise: Tensor) -> Tensor:
        """Generate the image."""
        levels = cast(list[AutoencoderLevel], list(self.levels))
        skips, x = [], noise
        for level in levels:
            skips.append(level.skip(x))
            x = level.down(x)
        for level, skip in zip(reversed(levels), reversed(skips), strict=True):
            x = level.up(skip, x)
        image: Tensor = self.last(x).float().sigmoid()
        return image


class AutoencoderLevel(nn.Module):
    """One level of the autoencoder: halving, skip connection, and doubling."""

    def __init__(self, inputs: int, width: int, attentive: bool) -> None:
        super().__init__()
        self.across = _convolution(inputs, SKIP, 1)
        self.across_norm = Normalisation(SKIP, SLOPE)
        # The non-local block comes before the normalisation, so that a bias has an effect.
        self.halve = Convolution(
            inputs, width, 3, stride=2, padding=1, padding_mode="reflect", bias=attentive
        )
        self.attend = NonLocalBlock(width) if attentive else nn.Identity()
        self.halve_norm = Normalisation(width, SLOPE)
        self.deepen = _convolution(width, width, 3)
        self.deepen_norm = Normalisation(width, SLOPE)
        self.joint_norm = Normalisation(SKIP + width)
        self.join = _convolution(SKIP + width, width, 3)
        self.join_norm = Normalisation(width, SLOPE)
        self.mix = _convolution(width, width, 1)
        self.mix_norm = Normalisation(width, SLOPE)

    def skip(self, x: Tensor) -> Tensor:
        """Return the skip connection, (1, 16, h, w)."""
        return self.across_norm(self.across(x))

    def down(self, x: Tensor) -> Tensor:
        """Return (1, width, h / 2, w / 2), rounded up."""
        x = self.halve_norm(self.attend(self.halve(x)))
        return self.deepen_norm(self.deepen(x))

    def up(self, skip: Tensor, deep: Tensor) -> Tensor:
        """Return (1, width, h, w) from the skip connection and the deeper map of half its size."""
        height, width = skip.shape[-2:]
        both = torch.cat([skip, upsample_2x(deep)[..., :height, :width]], 1)
        x = self.join_norm(self.join(self.joint_norm(both)))
        return self.mix_norm(self.mix(x))


def _convolution(inputs: int, outputs: int, size: int) -> Convolution:
    padding = size // 2
    return Convolution(inputs, outputs, size, padding=padding, padding_mode="reflect", bias=False)
