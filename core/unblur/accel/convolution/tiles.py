"""Compiled transforms of Winograd's F(4x4, 3x3), several channels to an instruction.

A convolution by 3 x 3 taps is done in tiles of 4 x 4 outputs. Each tile's 6 x 6 inputs and the
taps are transformed to 36 numbers, multiplied number by number (summed over channels: 36 matrix
products), and transformed back: 36 multiplications where 144 were needed.

An image is an array (B, H, W * C), its channels beside each other; a block of tiles is flat, 36
matrices (tiles, channels) at a distance of `stride`. Tiles are counted through the images, row
by row; `grid` says how many lie below and beside each other in one. The functions are compiled
for one number of channels each, so that every distance in memory is a constant and the loops
become vector instructions without checks for overlap.

References
----------
A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks", CVPR 2016, Eqs. 8 and 15.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from unblur.accel.jit import Loops, compiled, inlined

OUT, IN = 4, 6
"""Edge in pixels of a tile's outputs, and of the inputs that they depend on."""
PRODUCTS = IN * IN
BLOCK = 96
"""Tiles that are transformed and multiplied at a time: what they need stays in cache."""
PAD = 16
"""Numbers between two of the 36 matrices, lest all begin at the same place of the cache."""

# Plain Python numbers would turn the arithmetic into float64.
_0, _2, _4, _5, _8 = (np.float32(number) for number in (0, 2, 4, 5, 8))


def stride(channels: int) -> int:
    """Return the distance between two of the 36 matrices of a block."""
    return BLOCK * channels + PAD


@inlined
def _analyse(width: int, a: Any, start: int, step: int, out: Any, at: int, leap: int) -> None:
    """Write `B^T d` for six rows of `width` numbers, `step` apart, to rows `leap` apart."""
    for c in range(width):
        a0, a1, a2 = a[start + c], a[start + step + c], a[start + 2 * step + c]
        a3, a4, a5 = a[start + 3 * step + c], a[start + 4 * step + c], a[start + 5 * step + c]
        even, odd = a4 - _4 * a2, a3 - _4 * a1
        near, far = a4 - a2, _2 * (a3 - a1)
        out[at + c] = _4 * a0 - _5 * a2 + a4
        out[at + leap + c] = even + odd
        out[at + 2 * leap + c] = even - odd
        out[at + 3 * leap + c] = near + far
        out[at + 4 * leap + c] = near - far
        out[at + 5 * leap + c] = _4 * a1 - _5 * a3 + a5


@inlined
def _synthesise(width: int, a: Any, start: int, step: int, out: Any, at: int, leap: int) -> None:
    """Write `A^T m`, four rows from six."""
    for c in range(width):
        a0, a1, a2 = a[start + c], a[start + step + c], a[start + 2 * step + c]
        a3, a4, a5 = a[start + 3 * step + c], a[start + 4 * step + c], a[start + 5 * step + c]
        even, odd = a1 + a2, a1 - a2
        wide, far = a3 + a4, _2 * (a3 - a4)
        out[at + c] = a0 + even + wide
        out[at + leap + c] = odd + far
        out[at + 2 * leap + c] = even + _4 * wide
        out[at + 3 * leap + c] = odd + _4 * far + a5


@inlined
def _spread(width: int, a: Any, start: int, step: int, out: Any, at: int, leap: int) -> None:
    """Write `A g`, six rows from four."""
    for c in range(width):
        a0, a1 = a[start + c], a[start + step + c]
        a2, a3 = a[start + 2 * step + c], a[start + 3 * step + c]
        even, odd = a0 + a2, a1 + a3
        wide, far = a0 + _4 * a2, _2 * a1 + _8 * a3
        out[at + c] = a0
        out[at + leap + c] = even + odd
        out[at + 2 * leap + c] = even - odd
        out[at + 3 * leap + c] = wide + far
        out[at + 4 * leap + c] = wide - far
        out[at + 5 * leap + c] = a3


@inlined
def _load(
    width: int, edge: int, x: Any, tile: int, margin: int, mirror: bool, grid: Any, patch: Any
) -> None:
    """Copy `edge` x `edge` pixels from `margin` before a tile, mirrored or 0 beyond the image."""
    image, rest = tile // (grid[0] * grid[1]), tile % (grid[0] * grid[1])
    top, left = OUT * (rest // grid[1]) - margin, OUT * (rest % grid[1]) - margin
    height, breadth = x.shape[1], x.shape[2] // width
    if top >= 0 and left >= 0 and top + edge <= height and left + edge <= breadth:
        for i in range(edge):
            for c in range(edge * width):
                patch[i * edge * width + c] = x[image, top + i, left * width + c]
        return
    for i in range(edge):
        for j in range(edge):
            row, column = top + i, left + j
            if mirror:
                row, column = abs(row), abs(column)
                row = min(row, 2 * height - 2 - row)
                column = min(column, 2 * breadth - 2 - column)
            start = (i * edge + j) * width
            inside = 0 <= row < height and 0 <= column < breadth
            for c in range(width):
                patch[start + c] = x[image, row, column * width + c] if inside else _0


# What is compiled below encloses numbers alone, by which its code is found again on disk.


@cache
def gather(channels: int) -> Loops:
    """Return the transform of inputs: `B^T d B` of 6 x 6 pixels around each tile."""
    width, apart = channels, stride(channels)

    @compiled
    def transform(
        x: Any, margin: int, mirror: bool, first: int, last: int, grid: Any, out: Any
    ) -> None:
        patch = np.empty(PRODUCTS * width, np.float32)
        half = np.empty(PRODUCTS * width, np.float32)
        for n in range(last - first):
            _load(width, IN, x, first + n, margin, mirror, grid, patch)
            for j in range(IN):
                _analyse(width, patch, j * width, IN * width, half, j * width, IN * width)
            for i in range(IN):
                start = n * width + i * IN * apart
                _analyse(width, half, i * IN * width, width, out, start, apart)

    return transform


@cache
def gather_gradient(channels: int) -> Loops:
    """Return the adjoint of `scatter`: `A g A^T` of each tile's 4 x 4 derivatives."""
    width, apart = channels, stride(channels)

    @compiled
    def transform(x: Any, first: int, last: int, grid: Any, out: Any) -> None:
        patch = np.empty(OUT * OUT * width, np.float32)
        half = np.empty(IN * OUT * width, np.float32)
        for n in range(last - first):
            _load(width, OUT, x, first + n, 0, False, grid, patch)
            for j in range(OUT):
                _spread(width, patch, j * width, OUT * width, half, j * width, OUT * width)
            for i in range(IN):
                start = n * width + i * IN * apart
                _spread(width, half, i * OUT * width, width, out, start, apart)

    return transform


@cache
def scatter(channels: int, padded: int) -> Loops:
    """Return the transform back: `A^T m A`, plus bias, at least `low`, into 4 x 4 pixels.

    `padded` numbers lie from one tile to the next, the first `channels` of which count.
    """
    width, far, apart = channels, padded, stride(padded)

    @compiled
    def transform(m: Any, first: int, last: int, grid: Any, bias: Any, low: Any, y: Any) -> None:
        half = np.empty(OUT * IN * width, np.float32)
        patch = np.empty(OUT * OUT * width, np.float32)
        height, breadth = y.shape[1], y.shape[2] // width
        for n in range(last - first):
            image, rest = divmod(first + n, grid[0] * grid[1])
            top, left = OUT * (rest // grid[1]), OUT * (rest % grid[1])
            for j in range(IN):
                start = n * far + j * apart
                _synthesise(width, m, start, IN * apart, half, j * width, IN * width)
            for i in range(OUT):
                _synthesise(width, half, i * IN * width, width, patch, i * OUT * width, width)
            for i in range(min(OUT, height - top)):
                for j in range(min(OUT, breadth - left)):
                    start = (i * OUT + j) * width
                    at = (left + j) * width
                    for c in range(width):
                        value = patch[start + c] + bias[c]
                        y[image, top + i, at + c] = low if value < low else value

    return transform
