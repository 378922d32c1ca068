"""Convolution by 3 x 3 taps with a quarter of the multiplications, and its derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from unblur.accel.convolution import tiles
from unblur.accel.threads import Memory, Span, parallel_spans

_TAPS = torch.tensor(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
_SPREAD = torch.kron(_TAPS, _TAPS)
"""(36, 9): from the taps to what the 36 numbers of a tile are multiplied by."""
_LANES = 16
"""Channels are rounded up to a multiple of this, for which matrix products are fastest."""


@dataclass(frozen=True)
class Border:
    """How many pixels are added on each side, 0 to 2, zeros or (one at most) mirrored."""

    padding: int
    mirror: bool = False


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, border: Border, rectify: bool = False
) -> Tensor:
    """Return the convolution of (B, C, H, W), float32 on a CPU, by weights (K, C, 3, 3).

    Parameters
    ----------
    x, weight, bias
        As for `torch.nn.functional.conv2d` with stride 1.
    border : Border
        What lies beyond the image.
    rectify : bool
        Set what is negative to 0; only without gradients.

    Returns
    -------
    (B, K, H + 2 padding - 2, W + 2 padding - 2)
        Channels last in memory. Rounding errors are about ten times those of the plain sum.
    """
    if rectify or not torch.is_grad_enabled():
        return _sum(x, weight, bias, border, rectify)
    y: Tensor = _Convolution.apply(x, weight, bias, border)  # type: ignore[no-untyped-call]
    return y


class _Convolution(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, border: Border) -> Tensor:
        ordered = x.contiguous(memory_format=torch.channels_last)
        ctx.save_for_backward(ordered, weight)
        ctx.border = border
        return _sum(ordered, weight, bias, border, rectify=False)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        by_x = by_weight = by_bias = None
        if ctx.needs_input_grad[0]:
            turned = weight.flip(2, 3).transpose(0, 1)
            # Under a mirror: by all that it showed first, then each part where it came from.
            reach = Border(2 if ctx.border.mirror else 2 - ctx.border.padding)
            by_x = _sum(slope, turned, None, reach, rectify=False)
            by_x = _folded(by_x) if ctx.border.mirror else by_x
        if ctx.needs_input_grad[1]:
            by_weight = _by_weight(x, slope, ctx.border)
        if ctx.needs_input_grad[2]:
            by_bias = slope.sum((0, 2, 3))
        return by_x, by_weight, by_bias, None


def _sum(x: Tensor, weight: Tensor, bias: Tensor | None, border: Border, rectify: bool) -> Tensor:
    count, channels, height, width = x.shape
    outputs = weight.shape[0]
    padded = -(-outputs // _LANES) * _LANES
    factors = x.new_zeros(tiles.PRODUCTS, channels, padded)
    spread = _SPREAD @ weight.detach().permute(2, 3, 1, 0).reshape(9, -1)
    factors[..., :outputs] = spread.view(tiles.PRODUCTS, channels, outputs)
    grown = 2 * border.padding - 2
    shape = (count, outputs, height + grown, width + grown)
    y = torch.empty(shape, memory_format=torch.channels_last)
    seen, made = _pixels(x), _pixels(y)
    shift = np.zeros(outputs, np.float32) if bias is None else bias.detach().numpy()
    low = np.float32(0) if rectify else np.finfo(np.float32).min
    gather, scatter = tiles.gather(channels), tiles.scatter(outputs, padded)
    grid = _grid(y)

    def work(blocks: Sequence[Span], memory: Memory) -> None:
        inputs, products = _Block(memory, 0, channels), _Block(memory, 1, padded)
        for first, last in blocks:
            gather(seen, border.padding, border.mirror, first, last, grid, inputs.flat)
            given, found = inputs.matrices(last - first), products.matrices(last - first)
            torch.bmm(given, factors, out=found)
            scatter(products.flat, first, last, grid, shift, low, made)

    parallel_spans(count * grid[0] * grid[1], tiles.BLOCK, work)
    return y


def _by_weight(x: Tensor, slope: Tensor, border: Border) -> Tensor:
    """Return the derivative by the weights, summed in the tiles' own domain."""
    channels, outputs = x.shape[1], slope.shape[1]
    seen, gradients = _pixels(x), _pixels(slope)
    gather, gather_slope = tiles.gather(channels), tiles.gather_gradient(outputs)
    grid = _grid(slope)

    def work(blocks: Sequence[Span], memory: Memory) -> Tensor:
        inputs, changes = _Block(memory, 0, channels), _Block(memory, 1, outputs)
        total = x.new_zeros(tiles.PRODUCTS, channels, outputs)
        for first, last in blocks:
            gather(seen, border.padding, border.mirror, first, last, grid, inputs.flat)
            gather_slope(gradients, first, last, grid, changes.flat)
            given, found = inputs.matrices(last - first), changes.matrices(last - first)
            total.baddbmm_(given.transpose(1, 2), found)
        return total

    parts = parallel_spans(x.shape[0] * grid[0] * grid[1], tiles.BLOCK, work)
    total = torch.stack(parts).sum(0).flatten(1)
    taps = (_SPREAD.T @ total).view(3, 3, channels, outputs)
    return taps.permute(3, 2, 0, 1).contiguous()


def _folded(x: Tensor) -> Tensor:
    """Add what lies in the outermost rows and columns to where a mirror took it from."""
    x[..., 2, :] += x[..., 0, :]
    x[..., -3, :] += x[..., -1, :]
    x[..., 2] += x[..., 0]
    x[..., -3] += x[..., -1]
    return x[..., 1:-1, 1:-1]


def _pixels(x: Tensor) -> np.ndarray:
    """Return the array (B, H, W * C) behind a tensor (B, C, H, W)."""
    ordered = x.detach().contiguous(memory_format=torch.channels_last)
    return ordered.permute(0, 2, 3, 1).contiguous().flatten(2).numpy()


def _grid(y: Tensor) -> tuple[int, int]:
    """Return how many tiles lie below and beside each other."""
    return -(-y.shape[2] // tiles.OUT), -(-y.shape[3] // tiles.OUT)


class _Block:
    """Memory for a block of tiles, flat and as 36 matrices (tiles, channels)."""

    def __init__(self, memory: Memory, role: int, channels: int) -> None:
        self.channels, self.apart = channels, tiles.stride(channels)
        self.memory = memory.take(role, tiles.PRODUCTS * self.apart)
        self.flat = self.memory.numpy()

    def matrices(self, count: int) -> Tensor:
        shape = (tiles.PRODUCTS, count, self.channels)
        return self.memory.as_strided(shape, (self.apart, self.channels, 1))
