"""Projection of local kernels onto the kernels of a camera motion."""

from __future__ import annotations

import torch
from torch import Tensor

from unblur.numerics.camera.basis import CameraBasis
from unblur.numerics.solvers import largest_eigenvalue, nonnegative_least_squares

ITERATIONS = 100
"""Number of steps of each fit, dimensionless; kernels change little afterwards."""

RELATIVE_THRESHOLD = 0.05
"""Smallest weight of a pose that is kept, as a fraction of the largest, dimensionless.

Errors of local estimates are spatially correlated, so a higher threshold would also remove true
motion.
"""

MARGIN = 1.05
"""Factor on the largest eigenvalue, which power iteration approaches from below, dimensionless."""

MAX_SHIFT = 4
"""Largest shift of a kernel towards its model, in pixels."""


def project_kernels(
    kernels: Tensor, basis: CameraBasis, *, threshold: float = RELATIVE_THRESHOLD, n_fits: int = 4
) -> Tensor:
    """Return the weights of poses whose kernels are nearest to independently estimated kernels.

    Minimises `sum_r |B_r w - k_r|^2` over `w >= 0` on the poses that lose no mass, sets the
    smallest weights to 0, and fits the others again.

    Parameters
    ----------
    kernels : (R, n, n)
        One per position of `basis`, each of sum 1, with the centre of mass near the middle.
        Blind estimates are determined up to a shift; the camera's mean pose is defined as 0, since
        it cannot be distinguished from a motion of the scene.
    basis : CameraBasis
        Basis at the positions of the kernels.
    threshold : float
        Weight of a pose, as a fraction of the largest, in [0, 1), below which it counts as noise:
        noise is spread thinly over many poses, a motion is not.
    n_fits : int
        Number of fits. After each but the last, every kernel is shifted to maximise its
        correlation with the fitted kernel at its position.

    Returns
    -------
    (A, n, n)
        Non-negative weights of sum 1.

    Notes
    -----
    (Schuler Eq. 9) thresholds `sum_r B_r^T k_r`, one back-projection, which blurs the motion by
    the overlap of the poses' kernels; a least-squares fit is sharp without it. The threshold of
    the paper keeps a fixed fraction of the entries. Their number depends on the motion; the
    ratio of their weights to the others hardly does.

    Example
    -------
    >>> from unblur.numerics.camera import PoseGrid
    >>> grid = PoseGrid.over((101, 101), 7)
    >>> basis = CameraBasis.at(grid, [(0, 0), (0, 100), (100, 50)])
    >>> truth = basis.identity()
    >>> found = project_kernels(basis.forward(truth), basis)
    >>> bool(found.argmax() == truth.argmax())
    True

    References
    ----------
    C. J. Schuler, M. Hirsch, S. Harmeling, B. Schoelkopf, "Learning to deblur", IEEE TPAMI
    38(7), 2016, section 6.3, Eq. 9.
    """

    def normal(w: Tensor) -> Tensor:
        return basis.adjoint(basis.forward(w))

    admitted = basis.admitted()
    lipschitz = MARGIN * largest_eigenvalue(normal, admitted)

    def fit(start: Tensor, support: Tensor) -> Tensor:
        target = basis.adjoint(kernels)
        weights = nonnegative_least_squares(
            normal, target, start, lipschitz=lipschitz, iterations=ITERATIONS, support=support
        )
        return weights / weights.sum()

    given, weights = kernels, admitted / admitted.sum()
    for _ in range(n_fits - 1):
        weights = fit(weights, admitted)
        kernels = shift_towards(given, basis.forward(weights))
    weights = fit(weights, admitted)
    return fit(weights, pose_support(weights, threshold))


def pose_support(weights: Tensor, threshold: float) -> Tensor:
    """Return 1 for weights of at least `threshold` times the largest, 0 for the others."""
    return (weights >= threshold * weights.max()).to(weights)


def shift_towards(kernels: Tensor, models: Tensor, max_shift: int = MAX_SHIFT) -> Tensor:
    """Return kernels (R, n, n), each shifted to maximise its correlation with its model.

    The peak of the correlation is located to a fraction of a pixel by a parabola through it and
    its neighbours; the shift is at most `max_shift` pixels. The sum is preserved.
    """
    n = kernels.shape[-1]
    grid = [2 * n, 2 * n]
    product = torch.fft.rfft2(models, s=grid) * torch.fft.rfft2(kernels, s=grid).conj()
    max_shift = min(max_shift, n // 2)
    span = 2 * max_shift + 3
    scores = torch.roll(torch.fft.irfft2(product, s=grid), [max_shift + 1] * 2, (-2, -1))
    scores = scores[..., :span, :span]
    inner = scores[..., 1:-1, 1:-1].flatten(1).argmax(1)
    row, column = inner // (span - 2) + 1, inner % (span - 2) + 1
    each = torch.arange(len(kernels), device=kernels.device)
    peak = scores[each, row, column]
    vertical = _vertex(scores[each, row - 1, column], peak, scores[each, row + 1, column])
    horizontal = _vertex(scores[each, row, column - 1], peak, scores[each, row, column + 1])
    index = torch.arange(n, dtype=kernels.dtype, device=kernels.device)
    lag = index[:, None] - index
    down, across = (
        (1 - (lag - (whole - max_shift - 1 + part)[:, None, None]).abs()).clamp_min(0)
        for whole, part in ((row, vertical), (column, horizontal))
    )
    moved = down @ kernels @ across.mT
    return moved / moved.sum((-2, -1), keepdim=True) * kernels.sum((-2, -1), keepdim=True)


def _vertex(before: Tensor, peak: Tensor, after: Tensor) -> Tensor:
    """Return the maximum, in [-1/2, 1/2], of the parabola through values at -1, 0 and 1."""
    bend = (2 * peak - before - after).clamp_min(1e-12)
    return (0.5 * (after - before) / bend).clamp(-0.5, 0.5)
