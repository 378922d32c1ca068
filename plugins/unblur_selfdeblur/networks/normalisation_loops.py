"""Compiled loops over tables of pixels (P, C): moments, activation, and their derivatives.

Sums are taken over blocks of pixels in float32 and over the blocks in float64, in an order that
does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unblur.accel.jit import compiled
from unblur.accel.threads import Memory, Span, parallel_spans

_BLOCK = 256
_0 = np.float32(0)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance (C,) of each channel."""
    first = x[0].clone()
    total, squares = _accumulate(
        x, lambda out, span: _moments(x.numpy(), first.numpy(), out, *span)
    )
    mean = total / x.shape[0]
    variance = squares / x.shape[0] - mean**2
    return (first + mean).float(), variance.clamp_min(0).float()


@dataclass(frozen=True)
class AffineLeakyReLU:
    """The leaky ReLU of `scale (x - mean) + bias`, each (C,), with `slope` for negative values."""

    mean: Tensor
    scale: Tensor
    bias: Tensor
    slope: float

    def arrays(self) -> tuple[Any, ...]:
        """Return mean, scale, bias and slope as arrays for the compiled loops."""
        return self.mean.numpy(), self.scale.numpy(), self.bias.numpy(), np.float32(self.slope)


def activate(x: Tensor, line: AffineLeakyReLU) -> Tensor:
    """Return the leaky ReLU, (P, C)."""
    out = torch.empty_like(x)
    given = (x.numpy(), *line.arrays(), out.numpy())
    _by_spans(x, lambda span: _activate(*given, *span))
    return out


def sums(x: Tensor, change: Tensor, line: AffineLeakyReLU) -> tuple[Tensor, Tensor]:
    """Return `sum g` and `sum g (x - mean)`, where g is the derivative before the leaky ReLU."""
    given = (x.numpy(), change.numpy(), *line.arrays())
    total, product = _accumulate(x, lambda out, span: _sums(*given, out, *span))
    return total.float(), product.float()


def derive(
    x: Tensor, change: Tensor, line: AffineLeakyReLU, along: Tensor, constant: Tensor
) -> Tensor:
    """Return `along (x - mean) + scale g + constant`, (P, C)."""
    out = torch.empty_like(x)
    given = (x.numpy(), change.numpy(), *line.arrays())
    rest = (along.numpy(), constant.numpy(), out.numpy())
    _by_spans(x, lambda span: _derive(*given, *rest, *span))
    return out


def _accumulate(x: Tensor, work: Callable[[Any, Span], None]) -> tuple[Tensor, Tensor]:
    """Return two sums (C,) in float64 of the partial sums that `work` writes for each block."""
    blocks = -(-x.shape[0] // _BLOCK)
    parts = torch.zeros(blocks, 2, x.shape[1])
    _by_spans(x, lambda span: work(parts.numpy(), span))
    first, second = parts.double().sum(0)
    return first, second


def _by_spans(x: Tensor, work: Callable[[Span], None]) -> None:
    def run(spans: Sequence[Span], _: Memory) -> None:
        work((spans[0][0], spans[-1][1]))

    parallel_spans(x.shape[0], _BLOCK, run)


@compiled
def _moments(x: Any, first: Any, out: Any, begin: int, end: int) -> None:
    for n in range(end - begin):
        p = begin + n
        total, squares = out[p // _BLOCK, 0], out[p // _BLOCK, 1]
        row = x[p]
        for c in range(x.shape[1]):
            value = row[c] - first[c]
            total[c] += value
            squares[c] += value * value


@compiled
def _activate(
    x: Any, mean: Any, scale: Any, bias: Any, slope: Any, out: Any, begin: int, end: int
) -> None:
    for n in range(end - begin):
        row, target = x[begin + n], out[begin + n]
        for c in range(x.shape[1]):
            value = scale[c] * (row[c] - mean[c]) + bias[c]
            target[c] = slope * value if value < _0 else value


@compiled
def _sums(
    x: Any,
    change: Any,
    mean: Any,
    scale: Any,
    bias: Any,
    slope: Any,
    out: Any,
    begin: int,
    end: int,
) -> None:
    for n in range(end - begin):
        p = begin + n
        total, product = out[p // _BLOCK, 0], out[p // _BLOCK, 1]
        row, changes = x[p], change[p]
        for c in range(x.shape[1]):
            off = row[c] - mean[c]
            g = slope * changes[c] if scale[c] * off + bias[c] < _0 else changes[c]
            total[c] += g
            product[c] += g * off


@compiled
def _derive(
    x: Any,
    change: Any,
    mean: Any,
    scale: Any,
    bias: Any,
    slope: Any,
    along: Any,
    constant: Any,
    out: Any,
    begin: int,
    end: int,
) -> None:
    for n in range(end - begin):
        row, changes, target = x[begin + n], change[begin + n], out[begin + n]
        for c in range(x.shape[1]):
            off = row[c] - mean[c]
            g = slope * changes[c] if scale[c] * off + bias[c] < _0 else changes[c]
            target[c] = along[c] * off + scale[c] * g + constant[c]
