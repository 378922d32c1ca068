"""Per-pixel filters in compiled loops that read each filter once, without intermediate arrays.

An image is (B, H + s - 1, W + s - 1), already padded; features are (B, N, H, W); a bank is
(B, N, s * s, H, W), or has a first axis of 1 and serves all images. Rows are numbered through
all images, so that they can be divided among threads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from torch import Tensor

from unblur.accel.jit import Loops, compiled
from unblur.accel.threads import Memory, Span, parallel_spans

_0 = np.float32(0)
_ROWS = 16
"""Least number of rows of a thread, a count."""


def apply(wide: Tensor, bank: Tensor) -> Tensor:
    """Return the features (B, N, H, W) of padded images (B, 1, H + s - 1, W + s - 1)."""
    out = wide.new_empty((wide.shape[0], bank.shape[1], *bank.shape[-2:]))
    _by_rows(out.shape[0] * out.shape[2], apply_loops(_side(bank)), wide[:, 0], bank, out)
    return out


def adjoint(v: Tensor, bank: Tensor) -> Tensor:
    """Return the adjoint of `apply`, padded images from features."""
    side = _side(bank)
    height, width = v.shape[-2:]
    wide = v.new_empty((v.shape[0], 1, height + side - 1, width + side - 1))
    _by_rows(wide.shape[0] * wide.shape[2], adjoint_loops(side), v, bank, wide[:, 0])
    return wide


def bank_gradient(wide: Tensor, v: Tensor, out: Tensor) -> None:
    """Write the derivative of `<v, apply(wide, bank)>` by the bank, one for each image."""
    _by_rows(v.shape[0] * v.shape[2], outer_loops(_side(out)), wide[:, 0], v, out)


def _side(bank: Tensor) -> int:
    return math.isqrt(bank.shape[2])


def _by_rows(rows: int, loops: Loops, *tensors: Tensor) -> None:
    arrays = [t.detach().numpy() for t in tensors]

    def work(spans: Sequence[Span], _: Memory) -> None:
        loops(*arrays, spans[0][0], spans[-1][1])

    parallel_spans(rows, _ROWS, work)


@cache
def apply_loops(side: int) -> Loops:
    """Return loops for `out[n, p] = sum_t bank[n, t, p] wide[p + t]` for rows `first` to `last`."""

    @compiled
    def apply(wide: Any, bank: Any, out: Any, first: int, last: int) -> None:
        height, width = out.shape[2], out.shape[3]
        for n in range(last - first):
            image, row = (first + n) // height, (first + n) % height
            own = min(image, bank.shape[0] - 1)
            for feature in range(out.shape[1]):
                target = out[image, feature, row]
                target[:] = _0
                for tap in range(side * side):
                    taps = bank[own, feature, tap, row]
                    source = wide[image, row + tap // side]
                    shift = tap % side
                    for c in range(width):
                        target[c] += taps[c] * source[c + shift]

    return apply


@cache
def adjoint_loops(side: int) -> Loops:
    """Return loops for the adjoint, `wide[p + t] += bank[n, t, p] v[n, p]`, for rows of `wide`."""

    @compiled
    def adjoint(v: Any, bank: Any, wide: Any, first: int, last: int) -> None:
        height, width = v.shape[2], v.shape[3]
        tall = wide.shape[1]
        for n in range(last - first):
            image, below = (first + n) // tall, (first + n) % tall
            own = min(image, bank.shape[0] - 1)
            target = wide[image, below]
            target[:] = _0
            for down in range(side):
                row = below - down
                if row < 0 or row >= height:
                    continue
                for feature in range(v.shape[1]):
                    source = v[image, feature, row]
                    for t in range(side):
                        taps = bank[own, feature, down * side + t, row]
                        for c in range(width):
                            target[c + t] += taps[c] * source[c]

    return adjoint


@cache
def outer_loops(side: int) -> Loops:
    """Return loops for the derivative by the bank, `v[n, p] wide[p + t]`, for rows."""

    @compiled
    def outer(wide: Any, v: Any, out: Any, first: int, last: int) -> None:
        height, width = v.shape[2], v.shape[3]
        for n in range(last - first):
            image, row = (first + n) // height, (first + n) % height
            for feature in range(v.shape[1]):
                change = v[image, feature, row]
                for tap in range(side * side):
                    target = out[image, feature, tap, row]
                    source = wide[image, row + tap // side]
                    shift = tap % side
                    for c in range(width):
                        target[c] = change[c] * source[c + shift]

    return outer
