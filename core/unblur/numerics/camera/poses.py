"""Poses of a shaking camera: shifts in the image plane and rotation about the optical axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, cos, hypot, sin

import numpy as np
from numpy.typing import NDArray

STEP = 1.5
"""Largest displacement of a corner of the image between neighbouring angles, in pixels."""


@dataclass(frozen=True)
class PoseGrid:
    """A grid of poses: every combination of an angle and a shift.

    A pose moves a point of the scene at `position`, in image pixels, to
    `R(angle) (position - centre) + centre + shift`.

    Attributes
    ----------
    angles : tuple of float
        Rotations in radians, ascending, counter-clockwise in the displayed image.
    size : int
        Number of shifts along each axis: whole pixels, 0 at index `size // 2`.
    shape : (int, int)
        Rows and columns of the image; it rotates about its middle.

    Notes
    -----
    In-plane rotations and shifts are the homographies of a camera with a long focal length, where
    rotations about the other two axes act as shifts (O. Whyte et al., "Non-uniform deblurring for
    shaken images", IJCV 98, 2012; M. Hirsch et al., "Fast removal of non-uniform camera shake",
    ICCV 2011, use the same three numbers).
    """

    angles: tuple[float, ...]
    size: int
    shape: tuple[int, int]

    @classmethod
    def over(
        cls, shape: Sequence[int], size: int, max_rotation: float = np.inf, *, step: float = STEP
    ) -> PoseGrid:
        """Return the grid for an image whose corners move by at most `step` between angles.

        Parameters
        ----------
        shape : (rows, columns)
            Extent of the image, in pixels.
        size : int
            Edge of the kernel support that holds the blur at every position, in pixels.
        max_rotation : float
            Largest angle to either side, in radians; limited to the one that moves a corner to
            the edge of the support.
        step : float
            Largest displacement of a corner between neighbouring angles, in pixels.

        Example
        -------
        >>> grid = PoseGrid.over((301, 401), 21)
        >>> len(grid.angles), round(grid.angles[-1], 3)
        (15, 0.04)
        """
        rows, columns = shape
        radius = max(hypot(rows - 1, columns - 1) / 2, 1.0)
        largest = min(max_rotation, (size // 2) / radius)
        count = ceil(largest * radius / step)
        angles = np.linspace(-largest, largest, 2 * count + 1)
        return cls(tuple(map(float, angles)), size, (rows, columns))

    @property
    def centre(self) -> tuple[float, float]:
        """Position (row, column) about which the image rotates, in pixels."""
        return (self.shape[0] - 1) / 2, (self.shape[1] - 1) / 2

    def weights(self, path: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weights of the poses for a camera path sampled at equal intervals of time.

        Parameters
        ----------
        path : (time, 3)
            Angle in radians, rows and columns in pixels, all within the grid; each sample is
            distributed linearly over the poses around it.

        Returns
        -------
        (angles, size, size)
            Weights of sum 1.
        """
        found = np.zeros((len(self.angles), self.size, self.size))
        index = np.interp(path[:, 0], self.angles, np.arange(len(self.angles)))
        at = np.column_stack([index, path[:, 1:] + self.size // 2])
        below = np.floor(at).astype(int)
        for corner in np.ndindex(2, 2, 2):
            share = np.prod(1 - np.abs(below + corner - at), axis=1)
            used = share > 0
            np.add.at(found, tuple((below + corner)[used].T), share[used])
        return found / len(path)

    def displacements(self, positions: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
        """Return the displacement of each position by each rotation alone.

        Parameters
        ----------
        positions : sequence of (row, column)
            Positions in image pixels.

        Returns
        -------
        (angles, positions, 2)
            Displacements along rows and columns, in pixels.
        """
        offsets = np.asarray(positions, np.float64).reshape(-1, 2) - self.centre
        return np.stack([offsets @ (rotation(a) - np.eye(2)).T for a in self.angles])

    def admitted(self) -> NDArray[np.bool_]:
        """Return the poses that keep every point of the image within the kernel support.

        Returns
        -------
        (angles, size, size)
            True where a pose moves no corner, and so no point, beyond the support. A blur of
            such poses loses no mass anywhere.
        """
        rows, columns = self.shape
        corners = [(r, c) for r in (0.0, rows - 1.0) for c in (0.0, columns - 1.0)]
        moved = self.displacements(corners)
        shifts = np.arange(self.size) - self.size // 2
        total = moved[:, :, :, None] + shifts
        low, high = -(self.size // 2), self.size - 1 - self.size // 2
        inside: NDArray[np.bool_] = np.all((total >= low - 1e-6) & (total <= high + 1e-6), axis=1)
        return np.asarray(inside[:, 0, :, None] & inside[:, 1, None, :])


def rotation(angle: float) -> NDArray[np.float64]:
    """Return the matrix that rotates (row, column) counter-clockwise by `angle`, in radians."""
    return np.array([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]])
