"""Which parts of an image are looked at: all of it, or the windows with the most edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

TILE, SHARED = 384, 64
"""Largest edge in pixels of the tiles that cover an image, and what neighbours share."""
SMALL = 300 * 300
"""Pixels up to which an image is looked at as a whole."""
LEAST = 128
"""Smallest edge in pixels of a telling window."""
WORTH = 0.8
"""Share of an image from which the windows are not worth choosing: all of it is taken."""

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Look:
    """How much of an image to look at: some square windows, in proportion to the kernel.

    Attributes
    ----------
    count : int
        Windows at most.
    widths : int
        Edge of a window in widths of the kernel.
    """

    count: int
    widths: int

    def windows(self, y: Tensor, size: int) -> list[Window]:
        """Return the windows with the most gradient energy, which do not overlap.

        Parameters
        ----------
        y : (1, 1, H, W)
            Image.
        size : int
            Extent of the kernel in pixels.

        Returns
        -------
        list of (rows, columns)
            All of one extent; they cover the image if it is small, or little larger than they.
        """
        extent = y.shape[-2:]
        edge = max(LEAST, self.widths * size)
        area = extent.numel()
        if area <= SMALL or self.count * edge**2 >= WORTH * area:
            return everywhere(extent)
        return _telling(y[0, 0], [min(edge, n) for n in extent], self.count)


def everywhere(extent: Sequence[int]) -> list[Window]:
    """Return windows of at most `TILE` pixels that cover an image, all of one extent."""
    rows, columns = (_spans(n) for n in extent)
    return [(row, column) for row in rows for column in columns]


def _spans(extent: int) -> list[slice]:
    count = max(-(-(extent - SHARED) // (TILE - SHARED)), 1)
    edge = -(-(extent + (count - 1) * SHARED) // count)
    starts = [round(i * (extent - edge) / max(count - 1, 1)) for i in range(count)]
    return [slice(start, start + edge) for start in starts]


def _telling(y: Tensor, extent: Sequence[int], count: int) -> list[Window]:
    """Return windows of an image (H, W) on a grid of half their extent, the best first."""
    energy = y.diff(dim=0)[:, :-1].square() + y.diff(dim=1)[:-1].square()
    # The last differences are missing, so that the outermost windows would not fit.
    energy = functional.pad(energy, (0, 1, 0, 1))
    steps = [n // 2 for n in extent]
    scores = functional.avg_pool2d(energy[None, None], tuple(extent), tuple(steps))[0, 0]
    found: list[Window] = []
    while len(found) < count and bool((scores >= 0).any()):
        row, column = divmod(int(scores.argmax()), scores.shape[1])
        starts = row * steps[0], column * steps[1]
        rows, columns = (slice(s, s + n) for s, n in zip(starts, extent, strict=True))
        found.append((rows, columns))
        scores[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = -1
    return found


def stacked(y: Tensor, windows: Sequence[Window]) -> Tensor:
    """Return windows of an image (1, 1, H, W) as a batch (N, 1, h, w)."""
    return torch.cat([y[..., rows, columns] for rows, columns in windows])
