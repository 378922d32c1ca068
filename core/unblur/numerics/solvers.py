"""Iterative solvers for linear least squares, splitting schedules, and ADMM, on any tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Operator = Callable[[Tensor], Tensor]
CgCoefficients = Tensor
"""Coefficients (alpha, beta) of every step of conjugate gradients: (steps, 2, ..., 1, 1)."""


def inner(a: Tensor, b: Tensor, ndim: int) -> Tensor:
    """Return the inner product over the trailing `ndim` axes, kept as axes of length 1."""
    return (a * b).sum(dim=tuple(range(-ndim, 0)), keepdim=True)


def conjugate_gradient(
    operator: Operator,
    b: Tensor,
    x: Tensor,
    *,
    iterations: int,
    ndim: int = 2,
    tolerance: float = 0.0,
    precondition: Operator | None = None,
    on_step: Callable[[int, Tensor], None] | None = None,
    on_coefficients: Callable[[tuple[Tensor, Tensor]], None] | None = None,
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
    ndim : int
        Number of trailing axes that make up one system.
    tolerance : float
        Stop when every system's residual norm is below `tolerance` times its `b`; 0 never
        stops early (and a GPU need not be synchronised for the test).
    precondition : callable, optional
        Approximate inverse of `operator`, symmetric positive definite.
    on_step : callable, optional
        Called with the step's number and the iterate, for progress and cancellation.
    on_coefficients : callable, optional
        Called after each step with `(alpha, beta)`, each (..., 1, 1): the step length along the
        search direction, and the weight of that direction in the next one.
        `replay_conjugate_gradient` takes them.

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
    rho = inner(residual, z, ndim)
    target = tolerance**2 * inner(b, b, ndim)
    for number in range(iterations):
        if tolerance and bool((inner(residual, residual, ndim) <= target).all()):
            break
        image = operator(direction)
        alpha = rho / inner(direction, image, ndim).clamp_min(tiny)
        x = x + alpha * direction
        residual = residual - alpha * image
        z = residual if precondition is None else precondition(residual)
        rho, previous = inner(residual, z, ndim), rho
        beta = rho / previous.clamp_min(tiny)
        direction = z + beta * direction
        if on_coefficients is not None:
            on_coefficients((alpha, beta))
        if on_step is not None:
            on_step(number, x)
    return x


def replay_conjugate_gradient(
    operator: Operator,
    b: Tensor,
    x: Tensor,
    coefficients: CgCoefficients,
    *,
    ndim: int = 2,
    precondition: Operator | None = None,
    on_step: Callable[[int, Tensor], None] | None = None,
) -> Tensor | None:
    """Replay the coefficients (alpha, beta) recorded from a solve on the whole image.

    No inner products are computed, so that a tile reproduces the whole image's iterate wherever
    the operators agree locally.

    Parameters
    ----------
    operator, b, x, ndim, precondition, on_step
        As in `conjugate_gradient`.
    coefficients : (steps, 2, ..., 1, 1)
        Coefficients of each step, as `conjugate_gradient` passes them to `on_coefficients`.

    Returns
    -------
    (..., *spatial) or `None`
        The last iterate; `None` if the norm of the residual, in the metric of the
        preconditioner, grew, because the systems differ too much.
    """
    residual = b - operator(x)
    z = residual if precondition is None else precondition(residual)
    direction = z
    first = inner(residual, z, ndim)
    for number, (alpha, beta) in enumerate(coefficients):
        x = x + alpha * direction
        residual = residual - alpha * operator(direction)
        z = residual if precondition is None else precondition(residual)
        direction = z + beta * direction
        if on_step is not None:
            on_step(number, x)
    return None if bool((inner(residual, z, ndim) > first).any()) else x


def nonnegative_least_squares(
    normal: Operator,
    target: Tensor,
    start: Tensor,
    *,
    lipschitz: float,
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
    lipschitz : float
        Upper bound on the largest eigenvalue of `normal`; see `largest_eigenvalue`.
    iterations : int
        Steps of an accelerated projected gradient (FISTA), restarted where momentum points uphill.
    support : tensor, optional
        0 where `x` is to be 0, 1 elsewhere.

    Example
    -------
    >>> b = torch.tensor([3.0, -1.0])
    >>> nonnegative_least_squares(lambda x: x, b, torch.zeros(2), lipschitz=1.0, iterations=5)
    tensor([3., 0.])

    References
    ----------
    A. Beck, M. Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear inverse
    problems", SIAM J. Imaging Sci. 2(1), 2009. B. O'Donoghue, E. Candes, "Adaptive restart for
    accelerated gradient schemes", Found. Comput. Math. 15, 2015.
    """
    x = extrapolated = start
    momentum = 1.0
    for _ in range(iterations):
        following = (extrapolated - (normal(extrapolated) - target) / lipschitz).clamp_min(0)
        if support is not None:
            following = following * support
        grown = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        if float(((extrapolated - following) * (following - x)).sum()) > 0:
            grown, extrapolated = 1.0, following
        else:
            extrapolated = following + (momentum - 1) / grown * (following - x)
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
