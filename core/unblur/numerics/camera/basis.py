"""The linear map from weights of camera poses to local kernels, and its adjoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, hypot
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from unblur.errors import KernelError
from unblur.model.kernel import Kernel, KernelField
from unblur.numerics.camera.poses import PoseGrid

CHANGE = 0.75
"""Largest displacement of a kernel's mass between neighbouring positions of a field, root mean
square, in pixels.

Between positions farther apart, the mean of two kernels is not the kernel of the motion.
"""

CLOSEST = 2
"""Smallest distance of neighbouring positions of a field, in kernel widths.

Each kernel's part of the image is deconvolved with a halo.
"""

RELATIVE_THRESHOLD = 1e-3
"""Smallest value of a kernel that is kept at the border of its support, as a fraction of the
largest value of all kernels, dimensionless.

The support is cropped to what is larger at one position or more.
"""


@dataclass(frozen=True, eq=False)
class CameraBasis:
    """Map from weights of poses to the kernel at each position of an image.

    The kernel at a position is the image of a point source there: each pose adds its weight where
    it moves the point to, distributed bilinearly over four pixels. The shifts of a grid are whole
    pixels, so that for one angle the kernel is the array of weights itself, displaced by the
    rotation at that position. A bilinear shift is a matrix along rows and one along columns.

    Attributes
    ----------
    grid : PoseGrid
        Poses of `A` angles and `n` by `n` shifts.
    down, across : (A, R, n, n)
        Shifts along rows and columns at each of `R` positions: entry (i, j) is the fraction of
        sample j that moves to sample i.

    Notes
    -----
    `forward` is the matrix `B` of (Schuler Eq. 9) (rows of all positions stacked), and the
    geometry of (Li Eq. 14); for all W, k `<forward(W), k> = <W, adjoint(k)>`.

    Example
    -------
    >>> grid = PoseGrid.over((101, 101), 9)
    >>> basis = CameraBasis.at(grid, [(50, 50), (0, 100)])
    >>> weights = basis.identity()
    >>> [k.argmax().item() for k in basis.forward(weights)]
    [40, 40]

    References
    ----------
    C. J. Schuler et al., "Learning to deblur", IEEE TPAMI 38(7), 2016, section 6.3. L. Li et
    al., "Learning a discriminative prior for blind image deblurring", CVPR 2018, section 5.
    M. Hirsch, C. J. Schuler, S. Harmeling, B. Schoelkopf, "Fast removal of non-uniform camera
    shake", ICCV 2011.
    """

    grid: PoseGrid
    down: Tensor
    across: Tensor

    @classmethod
    def at(
        cls, grid: PoseGrid, positions: Sequence[tuple[float, float]], like: Tensor | None = None
    ) -> CameraBasis:
        """Return the basis at positions (row, column) in image pixels, of the type of `like`."""
        moved = torch.from_numpy(grid.displacements(positions))
        moved = moved.float() if like is None else moved.to(like)
        index = torch.arange(grid.size, dtype=moved.dtype, device=moved.device)
        lag = index[:, None] - index
        down, across = (
            (1 - (lag - moved[:, :, axis, None, None]).abs()).clamp_min(0) for axis in (0, 1)
        )
        return cls(grid, down, across)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Extent of the weights: angles, rows and columns of shifts."""
        return len(self.grid.angles), self.grid.size, self.grid.size

    def forward(self, weights: Tensor) -> Tensor:
        """Return the kernels (R, n, n) of weights (A, n, n) of the poses."""
        shifted = torch.matmul(torch.matmul(self.down, weights[:, None]), self.across.mT)
        return shifted.sum(0)

    def adjoint(self, kernels: Tensor) -> Tensor:
        """Return the adjoint of `forward`: weights (A, n, n) of kernels (R, n, n)."""
        return torch.matmul(torch.matmul(self.down.mT, kernels), self.across).sum(1)

    def identity(self) -> Tensor:
        """Return the weights of a camera that does not move: 1 at the middle pose."""
        weights = self.down.new_zeros(self.shape)
        weights[len(self.grid.angles) // 2, self.grid.size // 2, self.grid.size // 2] = 1
        return weights

    def admitted(self) -> Tensor:
        """Return 1 for poses that keep the blur within the kernel support everywhere, else 0."""
        return torch.from_numpy(self.grid.admitted()).to(self.down)


def camera_field(
    grid: PoseGrid,
    weights: Tensor,
    rows: Sequence[float] | None = None,
    columns: Sequence[float] | None = None,
) -> KernelField:
    """Return the kernels of weighted poses on a grid over the image.

    Parameters
    ----------
    grid : PoseGrid
        The poses.
    weights : (A, n, n)
        Non-negative, of any positive sum.
    rows, columns : sequence of float, optional
        Positions in image pixels, ascending; by default so many that kernels can be interpolated
        linearly between them.

    Raises
    ------
    KernelError
        If the weights are not as large as the grid.

    Example
    -------
    >>> grid = PoseGrid.over((401, 601), 9)
    >>> weights = torch.zeros(len(grid.angles), 9, 9)
    >>> weights[::2, 4, 4] = 1
    >>> camera_field(grid, weights).shape
    (6, 8)
    """
    if tuple(weights.shape) != (len(grid.angles), grid.size, grid.size):
        raise KernelError(
            f"a grid of {len(grid.angles)} angles and {grid.size} by {grid.size} shifts has as "
            f"many weights, got {tuple(weights.shape)}."
        )
    pitch = _pitch(grid, weights)
    rows = _even(grid.shape[0], pitch) if rows is None else rows
    columns = _even(grid.shape[1], pitch) if columns is None else columns
    positions = [(row, column) for row in rows for column in columns]
    made = CameraBasis.at(grid, positions, weights).forward(weights).clamp_min(0).cpu().numpy()
    flat = [Kernel(kernel) for kernel in _crop_support(made)]
    width = len(columns)
    kernels = tuple(tuple(flat[i : i + width]) for i in range(0, len(flat), width))
    return KernelField(kernels, tuple(map(float, rows)), tuple(map(float, columns)))


def zero_mean_rotation(grid: PoseGrid, weights: Tensor) -> tuple[PoseGrid, Tensor]:
    """Return the poses and their weights (A, n, n) with angles relative to their mean.

    Blind estimation cannot distinguish a rotation of the scene from one of the camera. The sharp
    image is given the mean orientation of the blurred one. The support grows by the displacement
    of the corners, so that no mass is lost.

    Example
    -------
    >>> grid = PoseGrid.over((401, 601), 9)
    >>> weights = torch.zeros(len(grid.angles), 9, 9)
    >>> weights[-1, 4, 4] = 1
    >>> level, _ = zero_mean_rotation(grid, weights)
    >>> level.angles[-1], level.size
    (0.0, 17)
    """
    share = (weights.sum((1, 2)) / weights.sum()).double().cpu().numpy()
    mean = float(share @ np.array(grid.angles))
    border = ceil(abs(mean) * hypot(*grid.centre) - 1e-9)
    level = PoseGrid(tuple(a - mean for a in grid.angles), grid.size + 2 * border, grid.shape)
    return level, functional.pad(weights, (border,) * 4)


def _crop_support(kernels: NDArray[Any]) -> NDArray[Any]:
    """Return kernels (R, n, n) without the border that is near 0 at every position."""
    n = kernels.shape[-1]
    peak = kernels.max(axis=0)
    above = np.argwhere(peak > RELATIVE_THRESHOLD * peak.max())
    half_width = int(np.abs(above - n // 2).max())
    inside = slice(max(n // 2 - half_width, 0), n // 2 + half_width + 1)
    # A support of even size has no last row to match its first; there it is left unchanged.
    return kernels if inside.stop > n else kernels[:, inside, inside]


def _pitch(grid: PoseGrid, weights: Tensor) -> float:
    """Return the distance in pixels at which kernels of a motion differ by `CHANGE`."""
    share = (weights.sum((1, 2)) / weights.sum()).cpu().numpy()
    angles = np.array(grid.angles)
    spread = float(np.sqrt(share @ (angles - share @ angles) ** 2))
    return max(CHANGE / spread, CLOSEST * grid.size) if spread else float("inf")


def _even(extent: int, pitch: float) -> list[float]:
    """Return positions at most `pitch` pixels apart from edge to edge, or the middle."""
    count = ceil((extent - 1) / pitch) if pitch < float("inf") else 0
    return [i * (extent - 1) / count for i in range(count + 1)] if count else [(extent - 1) / 2]
