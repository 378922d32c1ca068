"""The denoising network: a small U-Net on pixel-unshuffled input, conditioned on the noise."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (32, 64, 96)
"""Channels at a half, a quarter and an eighth of the resolution, counts."""
NOISE_SCALE = 10.0
"""Factor of the noise level in the input and of the residual in the output, so that both are of
the order of 1, dimensionless."""
SECOND_GAIN = 0.3
"""Factor of the initial weights of a block's second convolution, so that blocks are close to the
identity at first, dimensionless."""


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a rectifier between them, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        for layer in (self.first, self.second):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.constant_(layer.get_parameter("bias"), 0)
        with torch.no_grad():
            self.second.weight.mul_(SECOND_GAIN)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same shape (N, C, H, W)."""
        changed: Tensor = self.second(functional.relu(self.first(x)))
        return x + changed


class DenoisingNetwork(nn.Module):
    """Residual U-Net that removes white Gaussian noise of a given standard deviation.

    Parameters
    ----------
    widths : sequence of int
        Channels at each scale; the first is a half of the resolution, each further one a half of
        the one before.
    images : int
        Number of images of the same scene in the input. The first one is denoised.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, images: int = 1) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.head = nn.Conv2d(4 * images + 1, widths[0], 3, padding=1)
        self.encoders = nn.ModuleList(ResidualBlock(width) for width in widths)
        self.decoders = nn.ModuleList(ResidualBlock(width) for width in widths[:-1])
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairs)
        self.up = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in pairs)
        self.middle = ResidualBlock(widths[-1])
        self.tail = nn.Conv2d(widths[0], 4, 3, padding=1)
        for name in ("weight", "bias"):
            nn.init.constant_(self.tail.get_parameter(name), 0)

    @property
    def multiple(self) -> int:
        """Number of pixels of which height and width must be multiples."""
        return 1 << len(self.widths)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the denoised images, (N, 1, H, W).

        Parameters
        ----------
        x : (N, images, H, W)
            Noisy, white = 1; height and width multiples of `multiple`.
        sigma : (N, 1, 1, 1) or (1, 1, 1, 1)
            Standard deviation of the noise, white = 1.
        """
        unshuffled = functional.pixel_unshuffle(x, 2)
        level = (NOISE_SCALE * sigma).expand(len(x), 1, *unshuffled.shape[-2:])
        h = functional.relu(self.head(torch.cat([unshuffled, level], 1)))
        skipped = []
        for encoder, down in zip(self.encoders, self.down, strict=False):
            h = encoder(h)
            skipped.append(h)
            h = down(h)
        h = self.middle(self.encoders[-1](h))
        for decoder, up, skip in reversed(list(zip(self.decoders, self.up, skipped, strict=True))):
            h = decoder(functional.pixel_shuffle(up(h), 2) + skip)
        residual = functional.pixel_shuffle(self.tail(h), 2)
        return x[:, :1] - NOISE_SCALE * sigma * residual
