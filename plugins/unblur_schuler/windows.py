"""Windows of an image that an estimate uses: the most textured ones, or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from unblur.numerics.regions import Window, gradient_energy, most_textured_windows, spans

TILE, OVERLAP = 384, 64
"""Largest extent of the windows that cover an image, and their overlap, in pixels."""
SMALL_IMAGE = 300 * 300
"""Number of pixels up to which all windows of an image are used."""
MIN_WINDOW = 128
"""Smallest extent of a selected window, in pixels."""
MAX_COVERAGE = 0.8
"""Fraction of the image that selected windows may cover; above it all windows are used."""


@dataclass(frozen=True)
class WindowSelection:
    """The square windows of an image with the most gradient energy.

    Attributes
    ----------
    number : int
        Largest number of windows.
    widths : int
        Extent of a window in widths of the kernel.
    """

    number: int
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
            Windows of one common extent. They cover an image that is small or hardly larger
            than they are.
        """
        extent = y.shape[-2:]
        edge = max(MIN_WINDOW, self.widths * size)
        area = extent.numel()
        if area <= SMALL_IMAGE or self.number * edge**2 >= MAX_COVERAGE * area:
            return AllWindows().windows(y, size)
        return _most_textured(y[0, 0], [min(edge, n) for n in extent], self.number)


@dataclass(frozen=True)
class AllWindows:
    """Overlapping windows of one common extent that cover an image.

    Attributes
    ----------
    tile : int
        Largest extent of a window, in pixels.
    overlap : int
        Smallest overlap of neighbouring windows, in pixels.
    """

    tile: int = TILE
    overlap: int = OVERLAP

    def windows(self, y: Tensor, size: int) -> list[Window]:
        """Return the windows of images (..., H, W), whatever the size of the kernel."""
        rows, columns = (self._spans(n) for n in y.shape[-2:])
        return [(row, column) for row in rows for column in columns]

    def _spans(self, extent: int) -> list[slice]:
        number = max(-(-(extent - self.overlap) // (self.tile - self.overlap)), 1)
        edge = -(-(extent + (number - 1) * self.overlap) // number)
        return spans(extent, edge, number)


def _most_textured(y: Tensor, size: Sequence[int], number: int) -> list[Window]:
    """Return windows of an image (H, W) on a grid of half their size, the best first."""
    # There are no differences at the last row and column; zeros keep the outermost windows.
    energy = functional.pad(gradient_energy(y), (0, 1, 0, 1))
    return most_textured_windows(energy, size, [n // 2 for n in size], number)


def stack_windows(y: Tensor, windows: Sequence[Window]) -> Tensor:
    """Return windows of an image (1, 1, H, W) as a batch (N, 1, h, w)."""
    return torch.cat([y[..., rows, columns] for rows, columns in windows])
