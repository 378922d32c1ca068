"""Our own network: one deep edge predictor for every scale and every turn."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from unblur.numerics.contrast import CONTRAST, price_against
from unblur.numerics.operators import gradient
from unblur.numerics.pyramid import PyramidLevel, pyramid_levels, rescale_kernel
from unblur_schuler.cartoon import cartoons
from unblur_schuler.coarse_to_fine import Network, Step, first_kernel
from unblur_schuler.quotient import Spectra, image_quotient

WIDTH = 32
DILATIONS = (1, 2, 4, 2)
COARSEST = 5
"""Extent in pixels of the kernel at the coarsest scale, about."""
EDGE = 0.03
"""Length of a gradient, at `CONTRAST`, that counts as an edge: the unit of the features."""
EDGE_PRICES = (1e-2, 2e-3)
"""Least prices of the two cartoons' edges: strong ones alone, and finer ones too."""


class DeepNetwork(Network):
    """Every turn: deconvolve with the kernel so far, predict sharp edges, and divide anew.

    Three latent images are made from the kernel so far: two cartoons, of few and of more
    edges, and a smooth Wiener quotient, whose prior weight is learned. A convolutional network
    sees the gradients of all three and of the blurred image, and the noise level. It answers
    with a gate on either cartoon's gradients and an addition to their sum: the features x of
    Eq. 4. The features y are the blurred image's gradients. The same weights serve all scales
    and turns, so that any size of kernel is in reach.

    Notes
    -----
    At rest the features are the mean of the cartoons' gradients, which is a working method; the
    network learns which of their edges to trust, and what they lack. The cartoons hold no
    weights and are not differentiated.
    """

    turns = 3

    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Conv2d(9, WIDTH, 5, padding=2)]
        layers += [nn.Conv2d(WIDTH, WIDTH, 3, padding=d, dilation=d) for d in DILATIONS]
        layers.append(nn.Conv2d(WIDTH, 6, 3, padding=1))
        with torch.no_grad():
            for layer in layers:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                # Channels last is the order in which convolutions of this width run fastest.
                layer.weight.data = layer.weight.contiguous(memory_format=torch.channels_last)
                layer.bias = nn.Parameter(torch.zeros(layer.out_channels))
            layers[-1].weight.mul_(0.05)
        self.layers = nn.ModuleList(layers)
        self.smoothness = nn.Parameter(torch.tensor(math.log(5e-2)))
        self.ridge = nn.Parameter(torch.tensor(math.log(5e-2)))
        self.faint = nn.Parameter(torch.tensor(math.log(0.07)))

    def scales(self, size: int) -> list[PyramidLevel]:
        """Return scales half an octave apart, down to a kernel of about 5 pixels."""
        return pyramid_levels(size, COARSEST)

    def features(
        self, y: Tensor, kernel: Tensor | None, noise: Tensor, step: Step
    ) -> tuple[Tensor, Tensor]:
        """Return two features each, along rows and columns; see `Network.features`."""
        if kernel is None:
            kernel = first_kernel(step.size, y[:, 0])
        elif step.rise != 1:
            kernel = rescale_kernel(kernel, step.size, step.rise)
        gain = CONTRAST / y.std((-2, -1), keepdim=True).clamp_min(1e-6)
        y = gain * y
        loud = noise[:, None, None, None] * gain
        with torch.no_grad():
            drawn = cartoons(y, kernel, _prices(loud.flatten()))
        level = self.smoothness.exp().expand(y.shape[0], 1)
        slopes = gradient(torch.cat([drawn, image_quotient(y, kernel, level), y], 1))
        slopes = slopes.transpose(0, 1) / EDGE
        tag = torch.log(loud + 1e-3) / 4
        seen = [torch.asinh(slopes).flatten(1, 2), tag.expand_as(y)]
        answer = self._answer(torch.cat(seen, 1))
        gates, addition = torch.sigmoid(answer[:, :4]), answer[:, 4:]
        trusted = gates.reshape(slopes[:, :, :2].shape) * slopes[:, :, :2]
        return trusted.sum(2) + addition, slopes[:, :, 3]

    def kernel(self, spectra: Spectra, step: Step) -> Tensor:
        """Return the kernel without its faint values; see `Network.kernel`."""
        raw = spectra.kernel(step.size, self.ridge.exp())
        peak = raw.amax((-2, -1), keepdim=True)
        kept = functional.relu(raw - self.faint.exp() * peak) + 1e-9
        return kept / kept.sum((-2, -1), keepdim=True)

    def _answer(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        *inner, last = self.layers
        for layer in inner:
            x = functional.relu(layer(x))
        answer: Tensor = last(x)
        return answer


def _prices(noise: Tensor) -> Tensor:
    """Return the prices (B, 2) of the two cartoons at a noise (B,): at least what keeps it out."""
    least = torch.tensor(EDGE_PRICES, device=noise.device)
    return torch.maximum(least, price_against(noise)[:, None])
