"""The network that generates the kernel: fully connected, with a softmax at the end."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

KernelNet = Literal["none", "one", "two"]
"""Number of hidden layers (Ren Table 2)."""

INPUTS, HIDDEN = 200, 1000
"""Numbers of inputs and of units of a hidden layer."""


class KernelGenerator(nn.Module):
    """Maps noise (200,) to a kernel (size, size), non-negative and of sum 1 by its softmax.

    Parameters
    ----------
    size : int
        Extent of the kernel in pixels.
    layers : "none", "one" or "two"
        Number of hidden layers of 1000 units with ReLU6; one as published.

    References
    ----------
    D. Ren et al., "Neural blind deconvolution using deep priors", CVPR 2020 (Ren
    Sec. 3.2).
    """

    def __init__(self, size: int, layers: KernelNet = "one") -> None:
        super().__init__()
        self.size = size
        widths = [INPUTS] + [HIDDEN] * ("none", "one", "two").index(layers)
        hidden: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            hidden += [nn.Linear(inputs, outputs), nn.ReLU6()]
        self.layers = nn.Sequential(*hidden, nn.Linear(widths[-1], size * size), nn.Softmax(-1))

    def forward(self, noise: Tensor) -> Tensor:
        """Generate the kernel."""
        kernel: Tensor = self.layers(noise).view(self.size, self.size)
        return kernel
