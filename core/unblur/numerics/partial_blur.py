"""The blur of a periodic scene at some of its pixels, and its adjoint, by small transforms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from math import prod

import torch
from torch import Tensor

from unblur.numerics.fourier import corner, fft, inverse_fft, mixed_length, psf_to_otf

CELL = 192
"""Edge of the cells in which pixels that are wanted are gathered, in pixels."""


@dataclass(frozen=True)
class Rectangle:
    """Pixels of a scene, with those around them that their blur depends on.

    Attributes
    ----------
    around : (N,) and (M,)
        Rows and columns of the scene that are transformed.
    inside : (n,) and (m,)
        Positions of the pixels themselves among these.
    grid : (int, int)
        Extent of the transform.
    """

    around: tuple[Tensor, Tensor]
    inside: tuple[Tensor, Tensor]
    grid: tuple[int, int]

    def take(self, x: Tensor) -> Tensor:
        """Return the pixels of a scene (C, *domain), (C, n, m)."""
        rows, columns = (a[i] for a, i in zip(self.around, self.inside, strict=True))
        return x[:, rows[:, None], columns]


@dataclass(frozen=True)
class PartialBlur:
    """Blur of planes on a periodic grid at rectangles of pixels only, and its adjoint.

    Parameters
    ----------
    kernel : (h, w)
        Blur kernel, centre at `n // 2`, at most as large as the grid.
    domain : (int, int)
        Extent of the grid.

    Examples
    --------
    >>> kernel, scene = torch.ones(3, 3) / 9, torch.zeros(1, 8, 8)
    >>> scene[0, 0, 0] = 9.0
    >>> wanted = torch.zeros(8, 8, dtype=torch.bool)
    >>> wanted[7, 6:] = True
    >>> blur = PartialBlur(kernel, (8, 8))
    >>> [rectangle] = blur.rectangles(wanted, (0, 0))
    >>> blur.forward(scene, rectangle).round().tolist()
    [[[0.0, 1.0]]]
    """

    kernel: Tensor
    domain: tuple[int, int]
    _otfs: dict[tuple[int, int], Tensor] = field(default_factory=dict, repr=False)

    def rectangles(
        self, wanted: Tensor, start: Sequence[int], first: Sequence[int] = (0, 0)
    ) -> list[Rectangle]:
        """Return rectangles without common pixels that contain all that are wanted.

        Parameters
        ----------
        wanted : (*domain)
            Mask of bool.
        start : (int, int)
            Row and column at which the first cell begins.
        first : (int, int)
            Extent of the first rows and columns, which are one rectangle each as wide as the grid;
            the rest is cut into cells of about `CELL` pixels, of each of which the rectangle that
            bounds its pixels is taken.
        """
        height, width = self.domain
        shifted = torch.roll(wanted, [-s for s in start], (0, 1))
        rows, columns = first
        cells = [(slice(0, rows), slice(0, width)), (slice(rows, height), slice(0, columns))]
        cells += product(_cells(rows, height), _cells(columns, width))
        found = []
        for cell in cells:
            part = shifted[cell]
            if bool(part.any()):
                spans = [_span(part.any(1 - axis), cell[axis].start) for axis in (0, 1)]
                found.append(self._rectangle(spans, start))
        return found

    def _rectangle(self, spans: Sequence[tuple[int, int]], start: Sequence[int]) -> Rectangle:
        around, inside, grid = [], [], []
        axes = zip(spans, start, self.domain, self.kernel.shape, strict=True)
        for (first, last), offset, n, k in axes:
            # Pixel i sees x[i - (j - k // 2)] for j in [0, k).
            before = k - 1 - k // 2
            length = mixed_length(last - first + k - 1)
            if length >= n:  # The whole axis, with its own period.
                around.append(torch.arange(n))
                inside.append((torch.arange(first, last) + offset) % n)
                grid.append(n)
            else:
                around.append((torch.arange(first - before, last + k // 2) + offset) % n)
                inside.append(torch.arange(before, before + last - first))
                grid.append(length)
        device = self.kernel.device
        rows, columns = (index.to(device) for index in around)
        own_rows, own_columns = (index.to(device) for index in inside)
        return Rectangle((rows, columns), (own_rows, own_columns), (grid[0], grid[1]))

    def forward(self, x: Tensor, rectangle: Rectangle) -> Tensor:
        """Return the blur of a scene (C, *domain) at the pixels of a rectangle, (C, n, m)."""
        rows, columns = rectangle.around
        part = x[:, rows[:, None], columns]
        if part.shape[1:] != rectangle.grid:
            padded = x.new_zeros((len(x), *rectangle.grid))
            padded[corner(part.shape[1:])] = part
            part = padded
        spectrum = fft(part, 2).mul_(self._otf(rectangle.grid))
        own_rows, own_columns = rectangle.inside
        return inverse_fft(spectrum, rectangle.grid)[:, own_rows[:, None], own_columns]

    def add_adjoint(self, values: Tensor, rectangle: Rectangle, total: Tensor) -> None:
        """Add to a scene (C, *domain) the adjoint of `forward` of values (C, n, m)."""
        rows, columns = rectangle.around
        own_rows, own_columns = rectangle.inside
        padded = values.new_zeros((len(values), *rectangle.grid))
        padded[:, own_rows[:, None], own_columns] = values
        spectrum = fft(padded, 2).mul_(self._otf(rectangle.grid).conj())
        spread = inverse_fft(spectrum, rectangle.grid)[corner((len(rows), len(columns)))]
        total[:, rows[:, None], columns] += spread

    def _otf(self, grid: tuple[int, int]) -> Tensor:
        if grid not in self._otfs:
            self._otfs[grid] = psf_to_otf(self.kernel, grid)
        return self._otfs[grid]


def transformed_pixels(rectangles: Sequence[Rectangle]) -> int:
    """Return the number of pixels in the transforms of rectangles."""
    return sum(prod(rectangle.grid) for rectangle in rectangles)


def _cells(first: int, last: int) -> list[slice]:
    count = max(round((last - first) / CELL), 1)
    edges = [first + (last - first) * n // count for n in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(edges)]


def _span(flags: Tensor, offset: int) -> tuple[int, int]:
    """Return the first index of a flag that is set, and one beyond the last."""
    found = flags.nonzero()
    return offset + int(found[0]), offset + int(found[-1]) + 1
