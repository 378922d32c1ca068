"""Blur model of a shaking camera: pose weights fitted to patches with one kernel each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unblur.numerics.camera import CameraBasis, PoseGrid
from unblur.numerics.kernel_ops import remove_small_components
from unblur.numerics.regions import spans
from unblur.numerics.solvers import largest_eigenvalue, nonnegative_least_squares
from unblur.numerics.statistics import REFERENCE_NOISE
from unblur_classic.map.kernel_update import WHITENED_RIDGE, NormalEquations

MIN_KERNEL_SIZES, MAX_PATCHES = 6, 4
"""Extent of a patch: at least so many kernel sizes, and at least the image's extent divided by so
many, dimensionless."""

WHITENING_EPS = 0.3
"""Whitening constant at low noise, as a multiple of the latent images' mean power."""

ITERATIONS = 60
"""Number of iterations of the non-negative least squares in one fit, dimensionless."""

THRESHOLD, MIN_COMPONENT_MASS = 0.02, 0.03
"""Arguments of `remove_small_components` for the pose weights after every fit: fractions of the
peak and of the sum."""

LIPSCHITZ_MARGIN = 1.1
"""Factor on the largest eigenvalue, dimensionless; power iteration approaches it from below."""


@dataclass(frozen=True)
class Patch:
    """A part of the image: its rows and columns."""

    rows: slice
    columns: slice

    @property
    def middle(self) -> tuple[float, float]:
        """Row and column of its centre, in image pixels."""
        return (
            (self.rows.start + self.rows.stop - 1) / 2,
            (self.columns.start + self.columns.stop - 1) / 2,
        )


class CameraModel:
    """Linear model of the kernels of image patches by the weights (A, n, n) of camera poses.

    Parameters
    ----------
    grid : PoseGrid
        The poses, and the extent of the image.
    like : tensor
        Tensor of the image's type and device.

    Notes
    -----
    Eq. 17 of Li et al. with the fast forward approximation of Hirsch et al.: within a patch the
    blur is that of its centre, `k_r = B_r w`. Patches overlap by half and are windowed towards
    their edges. The squared residual at every frequency is divided by the latent images' power::

        sum_r sum_f |K_r S_r - B_r|^2 / (|S_r|^2 + eps) + ridge sum_r |k_r|^2,   w >= 0,

    with the spectra S_r and B_r of the patches' gradients. The plain sum of squares is dominated
    by the lowest frequencies of edges, at which piecewise constant latent images have the largest
    errors; the quotient of Schuler et al. (Eq. 4) is nearly the unconstrained minimiser of this
    one. The ridge is on kernels, not on poses, so that it does not depend on the pose sampling.

    References
    ----------
    L. Li et al., "Learning a discriminative prior for blind image deblurring", CVPR 2018,
    section 5. M. Hirsch, C. J. Schuler, S. Harmeling, B. Schoelkopf, "Fast removal of non-uniform
    camera shake", ICCV 2011. C. J. Schuler et al., "Learning to deblur", IEEE TPAMI 38(7), 2016.
    """

    def __init__(self, grid: PoseGrid, like: Tensor) -> None:
        self.grid = grid
        extents = [
            min(max(MIN_KERNEL_SIZES * grid.size, -(-n // MAX_PATCHES)), n) for n in grid.shape
        ]
        self.patches = half_overlapping(grid.shape, extents)
        self.basis = CameraBasis.at(grid, [patch.middle for patch in self.patches], like)
        self.window = cosine_window(extents).to(like)

    def extract(self, image: Tensor) -> Tensor:
        """Return the patches (R, h, w) of an image (H, W)."""
        return torch.stack([image[patch.rows, patch.columns] for patch in self.patches])

    def kernels(self, weights: Tensor) -> Tensor:
        """Return the kernel (R, n, n) at the centre of every patch."""
        return self.basis.forward(weights)

    def fit(self, weights: Tensor, sharp: Tensor, blurred: Tensor, noise: float) -> Tensor:
        """Return the weights that fit all patches jointly, without small components.

        Parameters
        ----------
        weights : (A, n, n)
            Initial weights.
        sharp, blurred : (2, R, *domain)
            Gradients of the latent and of the blurred scenes, windowed.
        noise : float
            Standard deviation of the noise, at `CONTRAST`. Above the reference noise level the
            whitening constant grows with its square.
        """
        basis, admitted = self.basis, self.basis.admitted()
        whitening = WHITENING_EPS * max(noise / REFERENCE_NOISE, 1.0) ** 2
        equations = NormalEquations.of(sharp, blurred, self.grid.size, whitening)

        def normal(w: Tensor) -> Tensor:
            kernels = basis.forward(w)
            return basis.adjoint(equations.apply(kernels) + WHITENED_RIDGE * kernels)

        fitted = nonnegative_least_squares(
            normal,
            basis.adjoint(equations.target),
            weights,
            lipschitz=LIPSCHITZ_MARGIN * largest_eigenvalue(normal, admitted),
            iterations=ITERATIONS,
            support=admitted,
        )
        total = fitted.sum()
        if not float(total) > 0:
            return weights
        return remove_small_components(fitted / total, THRESHOLD, MIN_COMPONENT_MASS)


def half_overlapping(shape: tuple[int, ...], extents: list[int]) -> list[Patch]:
    """Return patches of one extent that cover an image (rows, columns) and overlap by half."""
    rows, columns = (
        spans(n, size, -(-2 * (n - size) // size) + 1)
        for n, size in zip(shape, extents, strict=True)
    )
    return [Patch(row, column) for row in rows for column in columns]


def cosine_window(extents: list[int]) -> Tensor:
    """Return a window (h, w), 1 in the middle half, with raised-cosine edges (Tukey)."""
    rows, columns = (
        torch.sin(torch.pi * (torch.arange(n) + 0.5) / n).square().mul(2).clamp_max(1)
        for n in extents
    )
    return torch.outer(rows, columns)
