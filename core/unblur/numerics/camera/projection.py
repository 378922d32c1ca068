"""Local kernels made to fit a motion of the camera."""

from __future__ import annotations

import torch
from torch import Tensor

from unblur.numerics.camera.basis import CameraBasis
from unblur.numerics.solvers import largest_eigenvalue, nonnegative_least_squares

ITERATIONS = 100
"""Steps of each fit: kernels change little after."""

FAINT = 0.05
"""Of the strongest pose. Neighbouring estimates err alike, so that more would cut motion too."""

MARGIN = 1.05
"""On the largest eigenvalue, which power iteration nears from below."""

REACH = 4
"""Pixels by which a kernel is shifted to meet its neighbours', at most."""


def project_kernels(
    kernels: Tensor, basis: CameraBasis, *, faint: float = FAINT, rounds: int = 4
) -> Tensor:
    """Return the weights of poses whose kernels are nearest to kernels that were found apart.

    Minimises `sum_r |B_r w - k_r|^2` over `w >= 0` on the poses that lose no light, sets the
    smallest weights to 0, and fits the others anew.

    Parameters
    ----------
    kernels : (R, n, n)
        One per place of `basis`, each of sum 1, with the centre of mass about in the middle.
        Blind estimates are right up to a shift of their own; the camera's mean pose being 0,
        as no picture tells it from a turn of the scene, so is each kernel's centre.
    basis : CameraBasis
        At the places of the kernels.
    faint : float
        Share of the strongest pose's weight, in [0, 1), below which a pose counts as noise, which
        is thinly spread over many poses as a motion is not.
    rounds : int
        Fits, after each of which but the last every kernel is shifted to where it agrees best
        with what the poses make of its place.

    Returns
    -------
    (A, n, n)
        Non-negative, of sum 1.

    Notes
    -----
    (Schuler Eq. 9) thresholds `sum_r B_r^T k_r`, one back-projection, which blurs the motion
    by all that its poses have in common; a least-squares fit needs no such threshold to be
    sharp. Its threshold leaves a share of the entries; how many a motion has depends on the
    motion, how much stronger they are than the rest hardly does.

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
    for _ in range(rounds - 1):
        weights = fit(weights, admitted)
        kernels = shift_towards(given, basis.forward(weights))
    weights = fit(weights, admitted)
    return fit(weights, pose_support(weights, faint))


def pose_support(weights: Tensor, faint: float) -> Tensor:
    """Return 1 for the weights of at least `faint` times the largest, 0 for the others."""
    return (weights >= faint * weights.max()).to(weights)


def shift_towards(kernels: Tensor, models: Tensor, reach: int = REACH) -> Tensor:
    """Return kernels (R, n, n), each shifted by what makes it agree best with its model.

    The shift is the peak of their correlation, to a fraction of a pixel by a parabola through
    it and its neighbours, and at most `reach` pixels. The sum stays.
    """
    n = kernels.shape[-1]
    grid = [2 * n, 2 * n]
    product = torch.fft.rfft2(models, s=grid) * torch.fft.rfft2(kernels, s=grid).conj()
    reach = min(reach, n // 2)
    span = 2 * reach + 3
    scores = torch.roll(torch.fft.irfft2(product, s=grid), [reach + 1] * 2, (-2, -1))
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
        (1 - (lag - (whole - reach - 1 + part)[:, None, None]).abs()).clamp_min(0)
        for whole, part in ((row, vertical), (column, horizontal))
    )
    moved = down @ kernels @ across.mT
    return moved / moved.sum((-2, -1), keepdim=True) * kernels.sum((-2, -1), keepdim=True)


def _vertex(before: Tensor, peak: Tensor, after: Tensor) -> Tensor:
    """Return where between -1/2 and 1/2 the parabola through three values at -1, 0, 1 peaks."""
    bend = (2 * peak - before - after).clamp_min(1e-12)
    return (0.5 * (after - before) / bend).clamp(-0.5, 0.5)
