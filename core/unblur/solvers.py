"""Iterative solvers that know nothing of images: conjugate gradient, splitting schedules, ADMM."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Operator = Callable[[Tensor], Tensor]


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
        direction = z + (rho / previous.clamp_min(tiny)) * direction
        if on_step is not None:
            on_step(number, x)
    return x


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
    on_step : callable, optional
        Called with the sweep's number and the iterate, for progress and cancellation.

    References
    ----------
    S. Boyd et al., "Distributed optimization and statistical learning via the alternating
    direction method of multipliers", Found. Trends Mach. Learn. 3(1), 2011, section 3.1.1.
    """
    z = proximal(forward(x))
    dual = torch.zeros_like(z)
    for step in range(iterations):
        x = solve(z - dual)
        image = forward(x)
        z = proximal(image + dual)
        dual = dual + image - z
        if on_step is not None:
            on_step(step, x)
    return x
