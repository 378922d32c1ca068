"""The network that predicts a bank of filters for every pixel (Dong Sec. 3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from unblur.accel.convolution import Convolution
from unblur.accel.precision import network_dtype

LAYERS = 6
"""Number of convolutions, a count."""
WIDTH = 64
"""Channels of the inner convolutions, a count."""
TILE = 256
"""Edge of the pieces that are predicted one at a time on a CPU, so that activations stay in cache,
in pixels."""


class FilterNetwork(nn.Module):
    """Six 3x3 convolutions, 64 wide, ReLU after all but the last, onto N s x s filters.

    Parameters
    ----------
    inputs : int
        Number of input images.
    base : (N, s, s)
        The filters that an untrained network predicts everywhere; the last layer starts small
        and learns the deviation from them, so that training starts from a working method.
    tile : int
        Edge of the pieces that a CPU predicts at a time, in pixels.

    Notes
    -----
    A pixel's filters depend on the `LAYERS` pixels around it on each side. Activations follow
    the memory order of the weights: channels last is fastest to predict with, but in float32 on
    a CPU the derivative by the weights then takes far longer than in the plain order.
    """

    def __init__(self, inputs: int, base: Tensor, tile: int = TILE) -> None:
        super().__init__()
        self.tile = tile
        self.n_filters = base.shape[0]
        widths = [inputs] + [WIDTH] * (LAYERS - 1) + [base.numel()]
        layers = [Convolution(a, b, 3, padding=1) for a, b in pairwise(widths)]
        with torch.no_grad():
            for layer in layers:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
            layers[-1].weight.mul_(0.02)
            layers[-1].bias = nn.Parameter(base.flatten().clone())
        self.layers = nn.ModuleList(layers)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, inputs, H, W) to a bank (B, N, s * s, H, W), in the images' dtype.

        Without gradients on a CPU the image is predicted piece by piece, with the same result.
        """
        if torch.is_grad_enabled() or images.device.type != "cpu":
            return self._folded(self._predict(images))
        bank: Tensor | None = None
        for piece, padded, kept in _pieces(images.shape[-2], images.shape[-1], self.tile):
            part = self._predict(images[(..., *padded)])[(..., *kept)]
            if bank is None:
                bank = images.new_empty((*part.shape[:2], *images.shape[-2:]))
            bank[(..., *piece)] = part
        assert bank is not None
        return self._folded(bank)

    def _predict(self, images: Tensor) -> Tensor:
        device = images.device
        reduced = images.dtype == torch.float32 and network_dtype(str(device)) == torch.bfloat16
        with torch.autocast(device.type, torch.bfloat16, enabled=reduced):
            *inner, last = cast(list[Convolution], list(self.layers))
            x = images.contiguous(memory_format=memory_order(last))
            for layer in inner:
                x = layer.rectified(x)
            x = last(x)
        bank: Tensor = x.to(images.dtype)
        return bank

    def _folded(self, bank: Tensor) -> Tensor:
        flat = bank.contiguous(memory_format=torch.contiguous_format)
        return flat.reshape(bank.shape[0], self.n_filters, -1, *bank.shape[2:])


def memory_order(layer: nn.Module) -> torch.memory_format:
    """Return the order of axes in memory that the weights of a convolution have."""
    weight = layer.get_parameter("weight")
    plain = weight.is_contiguous()
    return torch.contiguous_format if plain else torch.channels_last


Slices = tuple[slice, slice]


def _pieces(height: int, width: int, tile: int) -> Iterator[tuple[Slices, Slices, Slices]]:
    """Yield the place of a piece, the padded input it needs, and the part of the output to keep."""
    for down in _spans(height, tile):
        for across in _spans(width, tile):
            place, padded, kept = zip(down, across, strict=True)
            yield place, padded, kept


def _spans(extent: int, tile: int) -> Iterator[tuple[slice, slice, slice]]:
    for start in range(0, extent, tile):
        stop = min(start + tile, extent)
        first, last = max(start - LAYERS, 0), min(stop + LAYERS, extent)
        yield slice(start, stop), slice(first, last), slice(start - first, stop - first)
