"""Planes filtered through the cosine transforms of all their blocks, in compiled loops.

The same as `BlockDct.filtered` with the shrinkage of `denoise`, of which no coefficient leaves the
processor's cache. Rows of blocks follow one another: a transform down the columns of eight rows
serves all blocks of a row; strips of them are then transformed along the row, shrunk, and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unblur.accel.jit import compiled
from unblur.accel.threads import Memory, Span, parallel_spans
from unblur_classic.postprocess.dct_blocks import BlockDct, pad_reflect, trim

EDGE, COEFFICIENTS = 8, 64
"""Edge of a block in pixels, and number of its coefficients."""
STRIP = 128
"""Number of blocks whose coefficients are computed at a time, a count."""

_0, _1 = np.float32(0), np.float32(1)


def filter_planes(x: Tensor, guide: Tensor | None, limits: Tensor, variances: Tensor) -> Tensor:
    """Return planes (C, H, W) whose blocks are shrunk, overlaps averaged by weight.

    Parameters
    ----------
    x : (C, H, W)
        Planes of float32 on a CPU.
    guide : (C, H, W), optional
        Planes whose coefficients give the gains of the Wiener filter; without them coefficients
        below `limits` are removed.
    limits, variances : (C, 64)
        Of each coefficient: the threshold, and the variance of its noise. The weight of a block is
        the inverse of the variance that remains.
    """
    blocks = BlockDct(2)
    x = pad_reflect(x, blocks.radius).contiguous()
    given = x if guide is None else pad_reflect(guide, blocks.radius).contiguous()
    channels, height, width = x.shape
    total = torch.zeros_like(x)
    weights = x.new_empty(channels, height - blocks.radius, width - blocks.radius)
    arrays = [t.contiguous().numpy() for t in (x, given, limits, variances, total, weights)]
    along = blocks.along.to(x).contiguous().numpy()

    def work(spans: Sequence[Span], memory: Memory) -> None:
        rows = memory.take(0, 3 * EDGE * width)[: 3 * EDGE * width].view(3, EDGE, width)
        size = (2 * COEFFICIENTS + EDGE) * STRIP
        strips = memory.take(1, size)[:size].view(-1, STRIP)
        for n in range(spans[0][0], spans[-1][1]):
            plane = [array[n] for array in arrays]
            filter_plane(*plane, guide is not None, along, rows.numpy(), strips.numpy())

    parallel_spans(channels, 1, work)
    arrays.clear()
    del x, given  # which are not needed beside the sums
    return trim(total.div_(blocks.overlapped_sum(weights)), blocks.radius)


@compiled
def filter_plane(
    x: Any,
    guide: Any,
    limits: Any,
    variances: Any,
    total: Any,
    weights: Any,
    is_guided: bool,
    along: Any,
    rows: Any,
    strips: Any,
) -> None:
    """Add the filtered blocks of a plane to `total`, and write their weights."""
    width, blocks = x.shape[1], weights.shape[1]
    kept, guiding = strips[:COEFFICIENTS], strips[COEFFICIENTS : 2 * COEFFICIENTS]
    parts = strips[2 * COEFFICIENTS :]
    for top in range(weights.shape[0]):
        for source in range(2 if is_guided else 1):
            plane = guide if source == 1 else x
            for u in range(EDGE):
                down = rows[source, u]
                for c in range(width):
                    down[c] = _0
                for o in range(EDGE):
                    factor, line = along[u, o], plane[top + o]
                    for c in range(width):
                        down[c] += factor * line[c]
        back = rows[2]
        for u in range(EDGE):
            for c in range(width):
                back[u, c] = _0
        for first in range(0, blocks, STRIP):
            count = min(STRIP, blocks - first)
            for source in range(2 if is_guided else 1):
                found = guiding if source == 1 else kept
                for u in range(EDGE):
                    down = rows[source, u, first : first + count + EDGE - 1]
                    for o in range(4):
                        near, far = down[o:], down[EDGE - 1 - o :]
                        sums, differences = parts[o], parts[4 + o]
                        for k in range(count):
                            sums[k] = near[k] + far[k]
                        for k in range(count):
                            differences[k] = near[k] - far[k]
                    for v in range(EDGE):
                        a, b, c_, d = along[v, 0], along[v, 1], along[v, 2], along[v, 3]
                        half = 4 * (v % 2)
                        p, q = parts[half], parts[half + 1]
                        r, s = parts[half + 2], parts[half + 3]
                        out = found[u * EDGE + v]
                        for k in range(count):
                            out[k] = a * p[k] + b * q[k] + c_ * r[k] + d * s[k]
            denominator = parts[0]
            for k in range(count):
                denominator[k] = variances[0]
            for j in range(1, COEFFICIENTS):
                values, variance, limit = kept[j], variances[j], limits[j]
                if is_guided:
                    guides = guiding[j]
                    for k in range(count):
                        power = guides[k] * guides[k]
                        gain = power / (power + variance)
                        values[k] *= gain
                        denominator[k] += variance * gain * gain
                else:
                    for k in range(count):
                        value = values[k]
                        gain = _1 if abs(value) > limit else _0
                        values[k] = value * gain
                        denominator[k] += variance * gain
            weight = weights[top, first : first + count]
            for k in range(count):
                weight[k] = _1 / denominator[k]
            for u in range(EDGE):
                for v in range(EDGE):
                    values = kept[u * EDGE + v]
                    for k in range(count):
                        values[k] *= weight[k]
                for o in range(4):
                    even, odd = parts[o], parts[4 + o]
                    a, b, c_, d = along[0, o], along[2, o], along[4, o], along[6, o]
                    p, q = kept[u * EDGE], kept[u * EDGE + 2]
                    r, s = kept[u * EDGE + 4], kept[u * EDGE + 6]
                    for k in range(count):
                        even[k] = a * p[k] + b * q[k] + c_ * r[k] + d * s[k]
                    a, b, c_, d = along[1, o], along[3, o], along[5, o], along[7, o]
                    p, q = kept[u * EDGE + 1], kept[u * EDGE + 3]
                    r, s = kept[u * EDGE + 5], kept[u * EDGE + 7]
                    for k in range(count):
                        odd[k] = a * p[k] + b * q[k] + c_ * r[k] + d * s[k]
                    near = back[u, first + o : first + o + count]
                    far = back[u, first + EDGE - 1 - o : first + EDGE - 1 - o + count]
                    for k in range(count):
                        near[k] += even[k] + odd[k]
                    for k in range(count):
                        far[k] += even[k] - odd[k]
        for o in range(EDGE):
            line = total[top + o]
            for u in range(EDGE):
                factor, up = along[u, o], back[u]
                for c in range(width):
                    line[c] += factor * up[c]
