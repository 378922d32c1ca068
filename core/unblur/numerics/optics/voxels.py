"""Averages of a radial function over square pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Array = NDArray[np.float64]


def centred_positions(count: int, step: float) -> Array:
    """Return the positions of `count` samples relative to index `count // 2`.

    >>> centred_positions(4, 0.5)
    array([-1. , -0.5,  0. ,  0.5])
    """
    return np.asarray((np.arange(count) - count // 2) * step, np.float64)


@dataclass(frozen=True, eq=False)
class PixelAverage:
    """Mean of a radial function over each pixel of a square plane, as a linear map.

    Parameters
    ----------
    radius : (R,) array
        Radii at which the function is given, an even grid from 0.
    matrix : (P, R) sparse array
        Weights of the P pixels of one octant.
    octant : (N, N) int array
        Number of the octant's pixel that each pixel equals.

    Example
    -------
    >>> average = PixelAverage.of(5, 0.1, 0.1, 10)
    >>> average(average.radius[:, None] ** 2).shape
    (1, 5, 5)
    """

    radius: Array
    matrix: csr_matrix
    octant: NDArray[np.int_]

    @classmethod
    def of(
        cls, count: int, pixel: float, cell: float, per_cell: int, *, integrated: bool = True
    ) -> PixelAverage:
        """Return the map for `count` x `count` pixels about index `count // 2`.

        Parameters
        ----------
        count : int
            Extent of the plane in pixels.
        pixel : float
            Edge of a pixel.
        cell : float
            Half the period of the finest structure of the function, in the unit of `pixel`.
        per_cell : int
            Number of radii per cell.
        integrated : bool
            Whether pixels are averaged over their area, rather than sampled at their centres.
        """
        half = count // 2
        spacing = cell / per_cell
        row, column = np.tril_indices(half + 1)
        nodes, weights = np.zeros(1), np.ones(1)
        if integrated:
            nodes, weights = np.polynomial.legendre.leggauss(2 + int(pixel / cell))
        offset, weight = nodes * pixel / 2, weights / weights.sum()
        y = row[:, None, None] * pixel + offset[:, None]
        x = column[:, None, None] * pixel + offset
        at = np.hypot(y, x).reshape(len(row), -1) / spacing
        size = int(at.max()) + 4
        share = np.outer(weight, weight).ravel()
        columns, values = _cubic(at)
        pixels = np.broadcast_to(np.arange(len(row))[:, None, None], columns.shape)
        entries = values * share[:, None]
        matrix = csr_matrix(
            (entries.ravel(), (pixels.ravel(), np.abs(columns).ravel())), (len(row), size)
        )
        index = np.abs(np.arange(count) - half)
        high = np.maximum(index[:, None], index)
        low = np.minimum(index[:, None], index)
        radius = np.asarray(np.arange(size) * spacing, np.float64)
        return cls(radius, matrix, high * (high + 1) // 2 + low)

    def __call__(self, values: Array) -> Array:
        """Return the averages (Z, N, N) of the functions (R, Z)."""
        octant = self.matrix @ values
        return np.asarray(np.moveaxis(octant[self.octant], -1, 0))


def _cubic(at: Array) -> tuple[NDArray[np.int_], Array]:
    """Return the four neighbours of positions on an even grid, and Lagrange's weights.

    A neighbour below 0 is that of the even continuation of the function.
    """
    first = np.floor(at).astype(int)
    t = at - first
    weights = [
        -t * (t - 1) * (t - 2) / 6,
        (t + 1) * (t - 1) * (t - 2) / 2,
        -(t + 1) * t * (t - 2) / 2,
        (t + 1) * t * (t - 1) / 6,
    ]
    return first[..., None] + np.arange(-1, 3), np.stack(weights, -1)
