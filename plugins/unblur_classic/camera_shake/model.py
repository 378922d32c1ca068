"""The blur of a shaking camera, fitted to pieces of the image that have each their own kernel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unblur.numerics.camera import CameraBasis, PoseGrid
from unblur.numerics.contrast import LOUD
from unblur.numerics.kernel_ops import remove_small_components
from unblur.numerics.regions import spans
from unblur.numerics.solvers import largest_eigenvalue, nonnegative_least_squares
from unblur_classic.map.kernel_update import EVEN_RIDGE, NormalEquations

WIDTHS, SHARE = 6, 4
"""Edge of a piece: so many kernels, and at least this fraction of the image."""

FLOOR = 0.3
"""What of the latent images' mean power a frequency must surpass to count in full, where there
is little noise."""

ITERATIONS = 60
"""Steps of the fit of the poses in a turn."""

FAINT, SMALL = 0.02, 0.03
"""What is left out of the weights after a turn, see `remove_small_components`."""

MARGIN = 1.1
"""On the largest eigenvalue, which power iteration nears from below."""


@dataclass(frozen=True)
class Piece:
    """A part of the image: its rows and columns."""

    rows: slice
    columns: slice

    @property
    def middle(self) -> tuple[float, float]:
        """Row and column of its middle, in image pixels."""
        return (
            (self.rows.start + self.rows.stop - 1) / 2,
            (self.columns.start + self.columns.stop - 1) / 2,
        )


class CameraModel:
    """Weights (A, n, n) of camera poses, and pieces of the image that tell them.

    Parameters
    ----------
    grid : PoseGrid
        The poses, and the extent of the image.
    like : tensor
        Of the type and on the device of the image.

    Notes
    -----
    Eq. 17 of Li et al. with the fast forward approximation of Hirsch et al.: within a piece the
    blur is that of its middle, `k_r = B_r w`. Pieces overlap by half and fade towards their
    edges. Every frequency's residual is divided by what the latent images have of it::

        sum_r sum_f |K_r S_r - B_r|^2 / (|S_r|^2 + floor) + ridge sum_r |k_r|^2,   w >= 0,

    with the spectra S_r and B_r of the pieces' gradients. The plain sum of squares heeds the
    lowest frequencies of edges above all, where latent images of few edges err most; the
    quotient of Schuler et al. (Eq. 4) is nearly the unbounded minimiser of this one. The ridge is
    on kernels, not on poses, so that it does not depend on how finely these are sampled.

    References
    ----------
    L. Li et al., "Learning a discriminative prior for blind image deblurring", CVPR 2018,
    section 5. M. Hirsch, C. J. Schuler, S. Harmeling, B. Schoelkopf, "Fast removal of non-uniform
    camera shake", ICCV 2011. C. J. Schuler et al., "Learning to deblur", IEEE TPAMI 38(7), 2016.
    """

    def __init__(self, grid: PoseGrid, like: Tensor) -> None:
        self.grid = grid
        edges = [min(max(WIDTHS * grid.size, -(-n // SHARE)), n) for n in grid.shape]
        self.parts = halfway(grid.shape, edges)
        self.basis = CameraBasis.at(grid, [part.middle for part in self.parts], like)
        self.fade = fading(edges).to(like)

    def pieces(self, image: Tensor) -> Tensor:
        """Cut an image (H, W) into its pieces (R, h, w)."""
        return torch.stack([image[part.rows, part.columns] for part in self.parts])

    def kernels(self, weights: Tensor) -> Tensor:
        """Return the kernel (R, n, n) in the middle of every piece."""
        return self.basis.forward(weights)

    def fitted(self, weights: Tensor, sharp: Tensor, blurred: Tensor, noise: float) -> Tensor:
        """Return the weights that fit all pieces together, without specks.

        Parameters
        ----------
        weights : (A, n, n)
            To start from.
        sharp, blurred : (2, R, *domain)
            Gradients of the latent and of the blurred scenes, 0 but in the pieces' windows.
        noise : float
            Standard deviation of the noise, at `CONTRAST`. From `LOUD` the floor grows with its
            power.
        """
        basis, admitted = self.basis, self.basis.admitted()
        floor = FLOOR * max(noise / LOUD, 1.0) ** 2
        equations = NormalEquations.of(sharp, blurred, self.grid.size, floor)

        def normal(w: Tensor) -> Tensor:
            kernels = basis.forward(w)
            return basis.adjoint(equations.apply(kernels) + EVEN_RIDGE * kernels)

        fitted = nonnegative_least_squares(
            normal,
            basis.adjoint(equations.target),
            weights,
            lipschitz=MARGIN * largest_eigenvalue(normal, admitted),
            iterations=ITERATIONS,
            support=admitted,
        )
        total = fitted.sum()
        if not float(total) > 0:
            return weights
        return remove_small_components(fitted / total, FAINT, SMALL)


def halfway(shape: tuple[int, ...], edges: list[int]) -> list[Piece]:
    """Return pieces of one extent that cover an image (rows, columns) and overlap by half."""
    rows, columns = (
        spans(n, edge, -(-2 * (n - edge) // edge) + 1) for n, edge in zip(shape, edges, strict=True)
    )
    return [Piece(row, column) for row in rows for column in columns]


def fading(edges: list[int]) -> Tensor:
    """Return a window (h, w) that is 1 in the middle half, and falls to 0 along a cosine."""
    rows, columns = (
        torch.sin(torch.pi * (torch.arange(n) + 0.5) / n).square().mul(2).clamp_max(1)
        for n in edges
    )
    return torch.outer(rows, columns)
