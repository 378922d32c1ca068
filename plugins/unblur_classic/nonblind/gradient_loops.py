"""Shrunk first and second differences of planes, summed, in one compiled pass over the rows.

The same as `Differences.shrink_sum` for planes and the exponent 2/3; no difference leaves the
processor's cache. The cube root `v` of a minimiser is the larger root of `v^4 - |d| v + constant`,
see `unblur.numerics.proximal`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unblur.accel.jit import compiled
from unblur.accel.threads import Memory, Span, parallel_spans
from unblur.numerics.proximal import least_minimiser
from unblur_classic.nonblind.differences import COMPILED_EXPONENT

TERMS = 5
"""Number of differences: along columns and rows, and the second ones, of which one is mixed."""
RING = 3
"""Number of rows whose differences are kept: a row needs its own and those of two rows above."""
ROWS = 16
"""Least number of rows of a thread, a count."""

_0, _1, _2, _3, _4 = (np.float32(n) for n in range(5))
_CUBE_ROOT = np.int32(0x2A514067)
"""Bits of the cube root of 1 less a third of the bits of 1: added to a third of the bits of a
float32, it gives its cube root to 4 %."""


def shrink_differences(x: Tensor, weight: float, curvature: float, ramp: float) -> Tensor:
    """Return the sum of the shrunk differences (C, H, W), each mapped back by its adjoint.

    Parameters
    ----------
    x : (C, H, W)
        Periodic planes of float32 on a CPU, contiguous.
    weight, ramp : float
        Positive; see `unblur.numerics.proximal.shrink`.
    curvature : float
        Weight of the second differences against the first ones.
    """
    channels, height, width = x.shape
    total = torch.empty_like(x)
    least, threshold = least_minimiser(weight, COMPILED_EXPONENT)
    numbers = (curvature, weight * COMPILED_EXPONENT, least, threshold, ramp * least)
    constants = tuple(np.float32(number) for number in numbers)

    def work(spans: Sequence[Span], memory: Memory) -> None:
        ring = memory.take(0, RING * TERMS * width)[: RING * TERMS * width]
        sizes = memory.take(1, TERMS * width)[: TERMS * width].numpy()
        sum_rows(
            x.numpy(),
            total.numpy(),
            constants,
            ring.view(RING, TERMS * width).numpy(),
            (sizes, sizes.view(np.int32)),
            (spans[0][0], spans[-1][1]),
        )

    parallel_spans(channels * height, ROWS, work)
    return total


@compiled
def sum_rows(x: Any, total: Any, constants: Any, ring: Any, scratch: Any, rows: Any) -> None:
    """Write a span of rows, numbered through all planes, into `total`.

    `constants` are the weight of second differences and, of the map, weight times exponent, least
    minimiser, size at which the minimiser jumps to it, and width of the ramp above it. `scratch` is
    an array for a row's differences, as numbers and as their bits.
    """
    curvature, constant, least, threshold, ramp = constants
    sizes, bits = scratch
    first, last = rows
    height, width = x.shape[1], x.shape[2]
    for n in range(first, last):
        plane, row = n // height, n % height
        missing = 2 if n == first or row == 0 else 0
        for above in range(missing, -1, -1):
            here = (row - above + height) % height
            upper, middle = x[plane, here], x[plane, (here + 1) % height]
            lower = x[plane, (here + 2) % height]
            found = ring[(row - above + RING) % RING]
            across, down = found[:width], found[width : 2 * width]
            across_2, mixed = found[2 * width : 3 * width], found[3 * width : 4 * width]
            down_2 = found[4 * width :]
            for k in range(width - 2):
                step, next_step = upper[k + 1] - upper[k], upper[k + 2] - upper[k + 1]
                fall = middle[k] - upper[k]
                across[k], down[k] = step, fall
                across_2[k] = next_step - step
                mixed[k] = (middle[k + 1] - middle[k]) - step
                down_2[k] = (lower[k] - middle[k]) - fall
            for k in range(max(width - 2, 0), width):
                right, second = (k + 1) % width, (k + 2) % width
                step, next_step = upper[right] - upper[k], upper[second] - upper[right]
                fall = middle[k] - upper[k]
                across[k], down[k] = step, fall
                across_2[k] = next_step - step
                mixed[k] = (middle[right] - middle[k]) - step
                down_2[k] = (lower[k] - middle[k]) - fall
            for k in range(TERMS * width):
                size = abs(found[k])
                sizes[k] = threshold if size < threshold else size
            for k in range(TERMS * width):
                bits[k] = np.int32(bits[k] // np.int32(3) + _CUBE_ROOT)
            for k in range(TERMS * width):
                d, v = found[k], sizes[k]
                size = abs(d)
                start = threshold if size < threshold else size
                cube = v * v * v
                v = (_3 * v * cube - constant) / (_4 * cube - start)
                cube = v * v * v
                v = (_3 * v * cube - constant) / (_4 * cube - start)
                cube = v * v * v
                v = (_3 * v * cube - constant) / (_4 * cube - start)
                cube = v * v * v
                v = (_3 * v * cube - constant) / (_4 * cube - start)
                cube = v * v * v
                v = (_3 * v * cube - constant) / (_4 * cube - start)
                u = v * v * v
                u = least if u < least else u
                over = (u - least) / ramp
                u *= over if over < _1 else _1
                u = u if d > _0 else -u
                found[k] = _0 * d if size <= threshold else u
        own, above_1 = ring[row % RING], ring[(row + 2) % RING]
        above_2 = ring[(row + 1) % RING]
        out = total[plane, row]
        across, across_2 = own[:width], own[2 * width : 3 * width]
        down, down_above = own[width : 2 * width], above_1[width : 2 * width]
        mixed, mixed_above = own[3 * width : 4 * width], above_1[3 * width : 4 * width]
        down_2, down_2_above = own[4 * width :], above_1[4 * width :]
        down_2_far = above_2[4 * width :]
        for k in range(width):
            second = (down_2[k] - down_2_above[k]) - (down_2_above[k] - down_2_far[k])
            second += across_2[k] + (mixed[k] - mixed_above[k])
            out[k] = down_above[k] - down[k] - across[k] + curvature * second
        for k in range(min(2, width)):
            left, far = (k - 1 + width) % width, (k - 2 + 2 * width) % width
            second = (across_2[far] - _2 * across_2[left]) - (mixed[left] - mixed_above[left])
            out[k] += across[left] + curvature * second
        for k in range(width - 2):
            second = across_2[k] - _2 * across_2[k + 1] - (mixed[k + 1] - mixed_above[k + 1])
            out[k + 2] += across[k + 1] + curvature * second
