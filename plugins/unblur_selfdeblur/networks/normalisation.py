"""Normalisation of each channel over a map, fused with the leaky ReLU after it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

from unblur.accel.jit import has_compiler
from unblur.accel.threads import can_share

MIN_COMPILED_PIXELS = 1024
"""Number of pixels of a map below which the library normalises it faster."""


class Normalisation(nn.BatchNorm2d):
    """Batch normalisation with the statistics of the map itself, then a leaky ReLU.

    Parameters
    ----------
    channels : int
        Channels of the maps (1, C, H, W).
    slope : float
        Slope for negative values; 1 leaves out the ReLU.
    compiled : bool
        Use the compiled loops where they can be and are faster.
    """

    def __init__(self, channels: int, slope: float = 1.0, *, compiled: bool = True) -> None:
        super().__init__(channels, track_running_stats=False)
        self.slope = slope
        self.compiled = compiled

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (1, C, H, W)."""
        if self._compiles(input):
            y: Tensor = _NormalisationFunction.apply(  # type: ignore[no-untyped-call]
                input, self.weight, self.bias, self.eps, self.slope
            )
            return y
        y = super().forward(input)
        # The derivative of the normalisation does not need its result, so that it is overwritten.
        return y if self.slope == 1 else functional.leaky_relu_(y, self.slope)

    def _compiles(self, x: Tensor) -> bool:
        return (
            self.compiled
            and x.device.type == "cpu"
            and x.dtype == self.weight.dtype == torch.float32
            and x.is_contiguous(memory_format=torch.channels_last)
            and x.shape[0] * x.shape[2] * x.shape[3] >= MIN_COMPILED_PIXELS
            and has_compiler()
            and can_share()
        )


class _NormalisationFunction(Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, slope: float
    ) -> Tensor:
        # numba takes a second to import.
        from unblur_selfdeblur.networks import normalisation_loops as loops

        pixels = _pixels(x)
        mean, variance = loops.moments(pixels)
        rate = (variance + eps).rsqrt()
        scale = weight.detach() * rate
        line = loops.AffineLeakyReLU(mean, scale, bias.detach(), slope)
        ctx.save_for_backward(x, rate)
        ctx.line = line
        return _image(loops.activate(pixels, line), x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, change: Tensor) -> tuple[Tensor | None, ...]:
        from unblur_selfdeblur.networks import normalisation_loops as loops

        x, rate = ctx.saved_tensors
        pixels, changes = _pixels(x), _pixels(change)
        by_bias, product = loops.sums(pixels, changes, ctx.line)
        by_weight = product * rate
        # d x = scale (g - mean(g) - n mean(g n)), where n is x normalised.
        falling = -ctx.line.scale / pixels.shape[0]
        along, constant = falling * rate * by_weight, falling * by_bias
        out = loops.derive(pixels, changes, ctx.line, along, constant)
        return _image(out, x), by_weight, by_bias, None, None


def _pixels(x: Tensor) -> Tensor:
    """Return (B, C, H, W) as a table (B * H * W, C)."""
    return x.detach().permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def _image(pixels: Tensor, like: Tensor) -> Tensor:
    """Return a table of pixels as an image of the shape of `like`."""
    batch, channels, height, width = like.shape
    return pixels.view(batch, height, width, channels).permute(0, 3, 1, 2)
