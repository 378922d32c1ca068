"""The classifier of blurred and sharp images (Li Sec. 3.2)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (8, 8, 16, 16, 32, 32, 64, 64)
"""Channels of the convolutions C1 to C8, a count; C9 has one."""
POOLED = (1, 3, 5)
"""Indices, from 0, of the convolutions that are followed by 2x2 max-pooling."""
MIN_CONTRAST = 1e-3
"""Standard deviation of an image below which it counts as flat, white = 1."""


class Classifier(nn.Module):
    """Nine 3x3 convolutions with three max-poolings, and the mean of the one map of the last.

    Notes
    -----
    The paper's table of layers was not available; its text gives convolutions with ReLU,
    max-pooling between them, a ninth layer of one map, global average pooling and a sigmoid. The
    widths here, 8 to 64 channels, are chosen so that a CPU takes the gradient of 256 x 256 pixels
    in 20 ms. The image is first normalised to mean 0 and standard deviation 1, so that the output
    does not depend on brightness and contrast, and its gradient never brightens an image.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (1, *WIDTHS, 1)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))
        for layer in self.layers:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Return the log-odds of being blurred, (B,), for images (B, 1, H, W) of any size."""
        return self.activation(images).mean(dim=(1, 2, 3))

    def activation(self, images: Tensor) -> Tensor:
        """Return the map of the ninth layer, (B, 1, H / 8, W / 8), extents rounded up."""
        x = images - images.mean(dim=(1, 2, 3), keepdim=True)
        contrast = x.square().mean(dim=(1, 2, 3), keepdim=True)
        x = x * (contrast + MIN_CONTRAST**2).rsqrt()
        *inner, last = self.layers
        for number, layer in enumerate(inner):
            x = torch.relu(layer(x))
            if number in POOLED:
                x = functional.max_pool2d(x, 2, ceil_mode=True)
        activation: Tensor = last(x)
        return activation
