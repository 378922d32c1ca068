"""The blur of a shaking camera as what is sought in turns with the latent image."""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor
from torch.nn import functional

from unblur.camera import CameraBasis, PoseGrid
from unblur.pruning import pruned
from unblur.pyramid import Scale
from unblur.solvers import largest_eigenvalue, nonnegative_least_squares
from unblur_classic.kernel_step import NormalEquations, recentred

PIECE = 3
"""Edge of a piece of the image, in kernels: small enough to have one kernel, large for an edge."""

ITERATIONS = 30
"""Steps of the fit of the poses in a turn."""

FAINT, SMALL = 0.02, 0.03
"""What is left out of the weights after a turn, see `pruned`."""

MARGIN = 1.1
"""On the largest eigenvalue, which power iteration nears from below."""


class CameraModel:
    """Weights of camera poses: a `BlurModel` whose pieces have each a kernel of its place.

    Parameters
    ----------
    shape : (rows, columns)
        Of the image at full size.
    size : int
        Extent in pixels of the frame that holds the blur at every place.
    turn : float
        Largest angle of the camera to either side, in radians.

    Notes
    -----
    Eq. 17 of Li et al. with the fast forward approximation of Hirsch et al.: within a piece the
    blur is that of its middle, `k_r = B_r w`, so that the squares to be least are

        sum_r |(B_r w) * s_r - b_r|^2 + ridge / R sum_r |B_r w|^2,

    over `w >= 0`, with the pieces' gradients s_r and b_r. The ridge is on kernels, not on poses,
    so that it does not depend on how finely these are sampled.
    """

    def __init__(self, shape: tuple[int, int], size: int, turn: float) -> None:
        self.shape = shape
        self.largest = PoseGrid.over(shape, size, turn).angles[-1]
        self.counts = tuple(max(round(n / (PIECE * size)), 1) for n in shape)

    def grid(self, scale: Scale) -> PoseGrid:
        """Return the poses at a scale, in its pixels."""
        shape = [max(1, round(n * scale.ratio)) for n in self.shape]
        return PoseGrid.over(shape, scale.size, self.largest)

    def basis(self, scale: Scale, like: Tensor) -> CameraBasis:
        """Return the kernels of the poses in the middle of every piece."""
        grid = self.grid(scale)
        rows, columns = (_spans(n, c) for n, c in zip(grid.shape, self.counts, strict=True))
        middles = [
            ((r.start + r.stop - 1) / 2, (c.start + c.stop - 1) / 2) for r in rows for c in columns
        ]
        return CameraBasis.at(grid, middles, like)

    def pieces(self, image: Tensor, scale: Scale) -> Tensor:
        """Cut an image (h, w) into pieces (R, h', w'), of one extent, that cover it."""
        rows, columns = (_spans(n, c) for n, c in zip(image.shape, self.counts, strict=True))
        return torch.stack([image[r, c] for r in rows for c in columns])

    def first(self, scale: Scale, like: Tensor) -> Tensor:
        """Return the weights of two neighbouring poses of the same angle."""
        weights = like.new_zeros(self.basis(scale, like).shape)
        angle, centre = len(weights) // 2, scale.size // 2
        weights[angle, centre, centre - 1 : centre + 1] = 0.5
        return weights

    def grown(self, weights: Tensor, scale: Scale) -> Tensor:
        """Return the weights stretched to a finer scale, without poses not admitted."""
        grid = self.grid(scale)
        spread = functional.interpolate(
            weights[None], size=(grid.size, grid.size), mode="bilinear", align_corners=False
        )
        columns = spread.reshape(1, len(weights), -1).mT
        turned = functional.interpolate(
            columns, size=len(grid.angles), mode="linear", align_corners=True
        )
        finer = turned.mT.reshape(len(grid.angles), grid.size, grid.size)
        return _admitted(finer, grid)

    def kernels(self, weights: Tensor, scale: Scale) -> Tensor:
        """Return the kernel (R, n, n) in the middle of every piece."""
        return self.basis(scale, weights).forward(weights)

    def fitted(
        self, weights: Tensor, scale: Scale, sharp: Tensor, blurred: Tensor, ridge: float
    ) -> Tensor:
        """Return the weights that fit all pieces together, without specks."""
        basis = self.basis(scale, weights)
        admitted = basis.admitted()
        equations = NormalEquations.of(sharp, blurred, scale.size)
        share = ridge / len(equations.target)

        def normal(w: Tensor) -> Tensor:
            kernels = basis.forward(w)
            return basis.adjoint(equations.apply(kernels) + share * kernels)

        fitted = nonnegative_least_squares(
            normal,
            basis.adjoint(equations.target),
            weights,
            pace=MARGIN * largest_eigenvalue(normal, admitted),
            iterations=ITERATIONS,
            support=admitted,
        )
        total = fitted.sum()
        return pruned(fitted / total, FAINT, SMALL) if float(total) > 0 else weights

    def recentred(self, weights: Tensor, scale: Scale) -> Tensor:
        """Return the weights with the box around the strong poses in the middle of the grid."""
        return _admitted(recentred(weights), self.grid(scale))


def _admitted(weights: Tensor, grid: PoseGrid) -> Tensor:
    """Return the weights of poses that lose no light, of sum 1."""
    kept = weights * torch.from_numpy(grid.admitted()).to(weights)
    return kept / kept.sum()


def _spans(extent: int, count: int) -> list[slice]:
    """Return spans of one length that cover an extent evenly."""
    length = ceil(extent / count)
    starts = [round(i * (extent - length) / max(count - 1, 1)) for i in range(count)]
    return [slice(start, start + length) for start in starts]
