"""Regions of an image: gradient energy, the most textured windows, spans along an axis."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

Window = tuple[slice, slice]
"""Rows and columns of a window."""


def gradient_energy(x: Tensor) -> Tensor:
    """Return the squared length of the forward differences: (..., H, W) to (..., H - 1, W - 1).

    Example
    -------
    >>> import torch
    >>> gradient_energy(torch.tensor([[0.0, 3.0], [4.0, 0.0]])).tolist()
    [[25.0]]
    """
    down, across = x.diff(dim=-2)[..., :-1], x.diff(dim=-1)[..., :-1, :]
    return down.square() + across.square()


def most_textured_windows(
    energy: Tensor, size: Sequence[int], step: Sequence[int], count: int = 1
) -> list[Window]:
    """Return the windows with the most gradient energy that do not overlap, the best first.

    Parameters
    ----------
    energy : (H, W)
        Gradient energy per pixel, non-negative; 0 where a pixel is invalid.
    size : (int, int)
        Rows and columns of a window, at most those of `energy`.
    step : (int, int)
        Rows and columns between candidate windows, at least 1.
    count : int
        Largest number of windows.
    """
    scores = functional.avg_pool2d(energy[None, None], tuple(size), tuple(step))[0, 0]
    # Windows so many candidates apart overlap; for an odd size and half of it by one pixel more.
    down, across = (max(n // s - 1, 0) for n, s in zip(size, step, strict=True))
    found: list[Window] = []
    while len(found) < count and bool((scores >= 0).any()):
        row, column = divmod(int(scores.argmax()), scores.shape[1])
        starts = row * step[0], column * step[1]
        rows, columns = (slice(s, s + n) for s, n in zip(starts, size, strict=True))
        found.append((rows, columns))
        top, left = max(row - down, 0), max(column - across, 0)
        scores[top : row + down + 1, left : column + across + 1] = -1
    return found


def spans(extent: int, size: int, count: int) -> list[slice]:
    """Return `count` spans of `size` samples spread evenly from end to end of an axis.

    Example
    -------
    >>> spans(10, 4, 3)
    [slice(0, 4, None), slice(3, 7, None), slice(6, 10, None)]
    """
    starts = [round(i * (extent - size) / max(count - 1, 1)) for i in range(count)]
    return [slice(start, start + size) for start in starts]
