"""Poses of a camera that shakes: it shifts in the image plane and turns about the optical axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, cos, hypot, sin

import numpy as np
from numpy.typing import NDArray

STEP = 1.5
"""Pixels that a corner of the image travels between two neighbouring angles, at most."""


@dataclass(frozen=True)
class PoseGrid:
    """A grid of poses: every angle of a list with every shift of a frame.

    A pose moves a point of the scene, `place` in image pixels, to
    `R(angle) (place - centre) + centre + shift`.

    Attributes
    ----------
    angles : tuple of float
        In radians, ascending, counter-clockwise as the image is seen.
    size : int
        Extent of the frame of shifts along both axes: whole pixels, 0 at index `size // 2`.
    shape : (int, int)
        Rows and columns of the image, about whose middle it turns.

    Notes
    -----
    In-plane turns and shifts are the homographies of a camera with a long lens; turns about the
    other two axes look like shifts there (O. Whyte et al., "Non-uniform deblurring for shaken
    images", IJCV 98, 2012; M. Hirsch et al., "Fast removal of non-uniform camera shake",
    ICCV 2011, use the same three numbers).
    """

    angles: tuple[float, ...]
    size: int
    shape: tuple[int, int]

    @classmethod
    def over(
        cls, shape: Sequence[int], size: int, turn: float = np.inf, *, step: float = STEP
    ) -> PoseGrid:
        """Return the grid for an image, fine enough that no corner jumps by more than `step`.

        Parameters
        ----------
        shape : (rows, columns)
            Of the image.
        size : int
            Extent of the frame that holds the blur at every place, in pixels.
        turn : float
            Largest angle to either side, in radians; at most the one that takes a corner to the
            edge of the frame.
        step : float
            In pixels.

        Example
        -------
        >>> grid = PoseGrid.over((301, 401), 21)
        >>> len(grid.angles), round(grid.angles[-1], 3)
        (15, 0.04)
        """
        rows, columns = shape
        reach = max(hypot(rows - 1, columns - 1) / 2, 1.0)
        largest = min(turn, (size // 2) / reach)
        count = ceil(largest * reach / step)
        angles = np.linspace(-largest, largest, 2 * count + 1)
        return cls(tuple(map(float, angles)), size, (rows, columns))

    @property
    def centre(self) -> tuple[float, float]:
        """The point about which the image turns, in pixels."""
        return (self.shape[0] - 1) / 2, (self.shape[1] - 1) / 2

    def weights(self, path: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weights of the poses for a camera that goes along a path at an even pace.

        Parameters
        ----------
        path : (time, 3)
            Angle in radians, rows and columns in pixels, all within the grid; each is shared
            linearly among the poses around it.

        Returns
        -------
        (angles, size, size)
            Of sum 1.
        """
        found = np.zeros((len(self.angles), self.size, self.size))
        place = np.interp(path[:, 0], self.angles, np.arange(len(self.angles)))
        at = np.column_stack([place, path[:, 1:] + self.size // 2])
        below = np.floor(at).astype(int)
        for corner in np.ndindex(2, 2, 2):
            share = np.prod(1 - np.abs(below + corner - at), axis=1)
            used = share > 0
            np.add.at(found, tuple((below + corner)[used].T), share[used])
        return found / len(path)

    def turned(self, places: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
        """Return by how much each angle alone moves each place.

        Parameters
        ----------
        places : sequence of (row, column)
            In image pixels.

        Returns
        -------
        (angles, places, 2)
            Rows and columns, in pixels.
        """
        offsets = np.asarray(places, np.float64).reshape(-1, 2) - self.centre
        return np.stack([offsets @ (rotation(a) - np.eye(2)).T for a in self.angles])

    def admitted(self) -> NDArray[np.bool_]:
        """Return the poses that keep every point of the image within the frame.

        Returns
        -------
        (angles, size, size)
            True where a pose moves no corner, and so no point, beyond the frame. A blur of such
            poses loses no light anywhere.
        """
        rows, columns = self.shape
        corners = [(r, c) for r in (0.0, rows - 1.0) for c in (0.0, columns - 1.0)]
        moved = self.turned(corners)
        shifts = np.arange(self.size) - self.size // 2
        total = moved[:, :, :, None] + shifts
        low, high = -(self.size // 2), self.size - 1 - self.size // 2
        inside: NDArray[np.bool_] = np.all((total >= low - 1e-6) & (total <= high + 1e-6), axis=1)
        return np.asarray(inside[:, 0, :, None] & inside[:, 1, None, :])


def rotation(angle: float) -> NDArray[np.float64]:
    """Return the matrix that turns (row, column) counter-clockwise as seen, `angle` in radians."""
    return np.array([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]])
