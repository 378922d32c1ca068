"""Iterative solvers that know nothing of images: least squares, splitting schedules, ADMM."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Operator = Callable[[Tensor], Tensor]
Lengths = Tensor
"""Step lengths of conjugate gradients and shares of the last direction: (steps, 2, ..., 1, 1)."""


def inner(a: Tensor, b: Tensor, count: int) -> Tensor:
    """Return the inner product over the trailing `count` axes, kept as axes of length 1."""
    return (a * b).sum(dim=tuple(range(-count, 0)), keepdim=True)


def conjugate_gradient(
    operator: Operator,
    b: Tensor,
    x: Tensor,
    *,
    iterations: int,
    count: int = 2,
    tolerance: float = 0.0,
    precondition: Operator | None = None,
    on_step: Callable[[int, Tensor], None] | None = None,
    on_lengths: Callable[[tuple[Tensor, Tensor]], None] | None = None,
) -> Tensor:
    """Solve `operator(x) = b` for a symmetric positive definite operator.

    Parameters
    ----------
    operator : callable
        Maps (..., *spatial) to the same shape; symmetric positive definite.
    b, x : (..., *spatial)
        Right-hand side and starting point. Leading axes are independent systems.
    iterations : int
        Upper bound on the steps; differentiable through all of them.
    count : int
        Number of trailing axes that make up one system.
    tolerance : float
        Stop when every system's residual norm is below `tolerance` times its `b`; 0 never
        stops early (and spares a GPU the wait for that decision).
    precondition : callable, optional
        Approximate inverse of `operator`, symmetric positive definite.
    on_step : callable, optional
        Called with the step's number and the iterate, for progress and cancellation.
    on_lengths : callable, optional
        Called with each step's length along its direction, and with the share of that direction
        in the next one; each (..., 1, 1). `follow_gradient` takes them.

    Returns
    -------
    (..., *spatial)
        The last iterate.

    References
    ----------
    M. R. Hestenes, E. Stiefel, "Methods of conjugate gradients for solving linear systems",
    J. Res. Nat. Bur. Standards 49, 1952.
    """
    tiny = torch.finfo(b.dtype).tiny
    residual = b - operator(x)
    z = residual if precondition is None else precondition(residual)
    direction = z
    rho = inner(residual, z, count)
    target = tolerance**2 * inner(b, b, count)
    for number in range(iterations):
        if tolerance and bool((inner(residual, residual, count) <= target).all()):
            break
        image = operator(direction)
        step = rho / inner(direction, image, count).clamp_min(tiny)
        x = x + step * direction
        residual = residual - step * image
        z = residual if precondition is None else precondition(residual)
        rho, previous = inner(residual, z, count), rho
        share = rho / previous.clamp_min(tiny)
        direction = z + share * direction
        if on_lengths is not None:
            on_lengths((step, share))
        if on_step is not None:
            on_step(number, x)
    return x


def follow_gradient(
    operator: Operator,
    b: Tensor,
    x: Tensor,
    lengths: Lengths,
    *,
    count: int = 2,
    precondition: Operator | None = None,
    on_step: Callable[[int, Tensor], None] | None = None,
) -> Tensor | None:
    """Take the steps of another run of conjugate gradients, without any sum over the system.

    Where the systems are alike in the neighbourhood of a place, so are the results there: this
    is how a part of an image gets what the whole image got.

    Parameters
    ----------
    operator, b, x, count, precondition, on_step
        As in `conjugate_gradient`.
    lengths : (steps, 2, ..., 1, 1)
        Length and share of each step, as `conjugate_gradient` tells them.

    Returns
    -------
    (..., *spatial) or `None`
        The last iterate; `None` if the residual, measured by the preconditioner, grew, because
        the systems are too unlike.
    """
    residual = b - operator(x)
    z = residual if precondition is None else precondition(residual)
    direction = z
    first = inner(residual, z, count)
    for number, (step, share) in enumerate(lengths):
        x = x + step * direction
        residual = residual - step * operator(direction)
        z = residual if precondition is None else precondition(residual)
        direction = z + share * direction
        if on_step is not None:
            on_step(number, x)
    return None if bool((inner(residual, z, count) > first).any()) else x


def nonnegative_least_squares(
    normal: Operator,
    target: Tensor,
    start: Tensor,
    *,
    pace: float,
    iterations: int,
    support: Tensor | None = None,
) -> Tensor:
    """Return about `argmin_{x >= 0} <x, normal(x)> / 2 - <target, x>`.

    With `normal = A^T A + ridge` and `target = A^T b` that is
    `argmin_{x >= 0} |A x - b|^2 + ridge |x|^2`.

    Parameters
    ----------
    normal : callable
        Symmetric and positive semi-definite.
    target, start : tensor
        Of one shape.
    pace : float
        At least the largest eigenvalue of `normal`; see `largest_eigenvalue`.
    iterations : int
        Steps of an accelerated projected gradient, restarted where momentum misleads.
    support : tensor, optional
        0 where `x` is to be 0, 1 elsewhere.

    Example
    -------
    >>> b = torch.tensor([3.0, -1.0])
    >>> nonnegative_least_squares(lambda x: x, b, torch.zeros(2), pace=1.0, iterations=5)
    tensor([3., 0.])

    References
    ----------
    A. Beck, M. Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear inverse
    problems", SIAM J. Imaging Sci. 2(1), 2009. B. O'Donoghue, E. Candes, "Adaptive restart for
    accelerated gradient schemes", Found. Comput. Math. 15, 2015.
    """
    x = ahead = start
    momentum = 1.0
    for _ in range(iterations):
        following = (ahead - (normal(ahead) - target) / pace).clamp_min(0)
        if support is not None:
            following = following * support
        grown = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        if float(((ahead - following) * (following - x)).sum()) > 0:
            grown, ahead = 1.0, following
        else:
            ahead = following + (momentum - 1) / grown * (following - x)
        x, momentum = following, grown
    return x


def largest_eigenvalue(normal: Operator, start: Tensor, *, iterations: int = 10) -> float:
    """Return the largest eigenvalue of a symmetric positive semi-definite operator, from below.

    Power iteration from `start`, which must have a part along the eigenvector sought: a
    positive tensor does for an operator that keeps tensors positive. 0 for the operator 0.
    """
    x = start / start.norm()
    value = 0.0
    for _ in range(iterations):
        image = normal(x)
        value = float(image.norm())
        if value == 0:
            return 0.0
        x = image / value
    return value


def continuation(start: float, stop: float, factor: float) -> Iterator[float]:
    """Yield penalties `start, start * factor, ...` up to `stop`, for half-quadratic splitting.

    The penalty of half-quadratic splitting grows until the auxiliary variable equals what it
    stands for (D. Geman, C. Yang, IEEE TIP 4(7), 1995).
    """
    if not (start > 0 and factor > 1):
        raise ValueError(f"continuation needs start > 0 and factor > 1, got {start}, {factor}")
    penalty = start
    while penalty <= stop:
        yield penalty
        penalty *= factor


def admm(
    solve: Callable[[Tensor], Tensor],
    forward: Operator,
    proximal: Operator,
    x: Tensor,
    *,
    iterations: int,
    relaxation: float = 1.0,
    on_step: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Minimise `f(x) + g(forward(x))` by the alternating direction method of multipliers.

    Parameters
    ----------
    solve : callable
        Maps `v` to `argmin_x f(x) + rho/2 |forward(x) - v|^2` for a fixed rho.
    forward : callable
        The linear map inside `g`.
    proximal : callable
        Maps `v` to `argmin_z g(z) + rho/2 |z - v|^2` for the same rho.
    x : tensor
        Starting point.
    iterations : int
        Number of sweeps.
    relaxation : float
        How far to go from the last `z` to the new `forward(x)`, in (0, 2); 1.5 to 1.8 reaches the
        minimum of a convex sum in about half the sweeps.
    on_step : callable, optional
        Called with the sweep's number and the iterate, for progress and cancellation.

    References
    ----------
    S. Boyd et al., "Distributed optimization and statistical learning via the alternating
    direction method of multipliers", Found. Trends Mach. Learn. 3(1), 2011, sections 3.1.1
    and 3.4.3.
    """
    z = proximal(forward(x))
    dual = torch.zeros_like(z)
    for step in range(iterations):
        x = solve(z - dual)
        image = torch.lerp(z, forward(x), relaxation)
        z = proximal(image + dual)
        dual = dual + image - z
        if on_step is not None:
            on_step(step, x)
    return x
