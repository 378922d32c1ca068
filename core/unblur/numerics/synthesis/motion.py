"""Kernels of motion: straight, from a Gaussian process, or of a hand-held camera.

The image of a point moves along a trajectory during the exposure; the kernel is the fraction of
the exposure time spent at each pixel.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from unblur.errors import KernelError
from unblur.model.kernel import Kernel

Trajectory = NDArray[np.float64]
"""Positions (time, 2), rows first, at equal time steps, in pixels."""


def motion_kernel(length: float, angle: float = 0.0, size: int | None = None) -> Kernel:
    """Return the kernel of a straight motion at constant speed.

    Parameters
    ----------
    length : float
        Distance travelled during the exposure, in pixels; 0 gives the identity.
    angle : float
        Direction in degrees, counter-clockwise from the x axis in the displayed image.
    size : int, optional
        Extent along both axes; by default the smallest odd size that contains the path.

    Example
    -------
    >>> motion_kernel(2).weights.round(2)
    array([[0.  , 0.  , 0.  ],
           [0.25, 0.5 , 0.25],
           [0.  , 0.  , 0.  ]], dtype=float32)
    """
    if not (np.isfinite(length) and length >= 0):
        raise KernelError(f"the length of a motion is finite and not negative, got {length}.")
    direction = np.array([-np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))])
    direction[np.abs(direction) < 1e-12] = 0
    ends = np.outer([-length / 2, length / 2], direction)
    needed = 2 * int(np.ceil(np.abs(ends).max() - 1e-9)) + 1
    size = needed if size is None else size
    if size < needed:
        raise KernelError(
            f"a motion of {length:g} pixels at {angle:g} degrees needs a kernel of {needed} "
            f"pixels, got size {size}."
        )
    return trajectory_kernel(ends, size)


def gaussian_process_kernel(
    size: int,
    generator: torch.Generator,
    *,
    length_scale: float = 0.3,
    deviation: float = 0.25,
) -> Kernel:
    """Draw the kernel of a smooth random motion, x(t) and y(t) from a Gaussian process each.

    Parameters
    ----------
    size : int
        Extent along both axes, in pixels.
    generator : torch.Generator
        Source of the random numbers.
    length_scale : float
        Correlation length of the motion, as a fraction of the exposure.
    deviation : float
        Standard deviation of each coordinate, as a fraction of `size`.

    Returns
    -------
    Kernel
        (size, size) with its centre of mass at `size // 2`. A path that does not fit is
        shrunk to the size.

    Notes
    -----
    The covariance is (Schuler Eq. 6) as printed, `s^2 (1 + r + r^2 / 3) exp(-r)` with
    `r = sqrt(5) |t - t'| / l`; the text calls it Matern 3/2, elsewhere its name is Matern 5/2.

    References
    ----------
    C. J. Schuler, M. Hirsch, S. Harmeling, B. Schoelkopf, "Learning to deblur", IEEE TPAMI
    38(7), 2016, section 3.3, Eq. 6.
    """
    factor = matern_factor(length_scale)
    path = deviation * size * (factor @ _normal((len(factor), 2), generator))
    return _rasterise(_fit(path, size), size)


def shake_kernel(
    size: int, generator: torch.Generator, *, unsteadiness: float | None = None
) -> Kernel:
    """Draw the kernel of a hand-held camera: a random walk with inertia, tremor and impulses.

    Parameters
    ----------
    size : int
        Extent along both axes, in pixels.
    generator : torch.Generator
        Source of the random numbers.
    unsteadiness : float, optional
        Amplitude of the perturbations, from 0 (nearly straight) to 1 (irregular); drawn at random
        by default.

    Returns
    -------
    Kernel
        (size, size) with its centre of mass at `size // 2`; the path spans 60 to 100 percent
        of the size.

    References
    ----------
    G. Boracchi, A. Foi, "Modeling the performance of image restoration from motion blur",
    IEEE TIP 21(8), 2012: random walks with inertia, perturbation and impulses.
    """
    steps, pull, agility = 500, 0.7, 0.25
    amount, span, heading = _uniform(3, generator)
    amount = amount if unsteadiness is None else unsteadiness
    tremor = _normal((steps, 2), generator)
    impulse, deflection = _uniform(steps, generator), _uniform(steps, generator)
    position, velocity = 0j, np.exp(2j * np.pi * heading)
    path = np.empty(steps, complex)
    for t in range(steps):
        path[t] = position
        push = complex(*tremor[t]) - pull * position / steps
        velocity = velocity + agility * amount * push
        if impulse[t] < 4 * amount / steps:  # about four impulses per exposure at amplitude 1
            velocity = velocity * (1 + 2 * np.exp(1j * np.pi * (0.5 + deflection[t])))
        velocity = velocity / abs(velocity)
        position = position + velocity
    points = np.stack([path.imag, path.real], axis=1)
    points = points * ((size - 1) * (0.6 + 0.4 * span) / np.ptp(points, axis=0).max())
    return _rasterise(_fit(points, size), size)


def trajectory_kernel(path: Trajectory, size: int) -> Kernel:
    """Return the kernel of a trajectory with its centre of mass at `size // 2`.

    Parameters
    ----------
    path : (time, 2)
        Positions in pixels, rows first, at equal time steps; linear in between.
    size : int
        Extent of the kernel along both axes.

    Raises
    ------
    KernelError
        If the centred trajectory leaves the support.

    Notes
    -----
    Each segment is divided into steps of at most a quarter pixel, and the time of each step is
    distributed bilinearly over the four pixels around it. This preserves the total time and the
    centre of mass exactly and avoids aliasing.
    """
    if size < 1:
        raise KernelError(f"a kernel has at least one pixel, got size {size}.")
    points = _centre(_resample(np.asarray(path, np.float64)))
    before, after = size // 2, size - 1 - size // 2
    if points.min() < -before - 1e-9 or points.max() > after + 1e-9:
        raise KernelError(
            f"the path spans {np.ptp(points, axis=0).max():.1f} pixels about its centre of mass "
            f"and leaves a kernel of size {size}; choose a larger size."
        )
    return _rasterise(points, size)


def _rasterise(points: Trajectory, size: int) -> Kernel:
    """Rasterise points (time, 2) relative to the centre, each with the same weight."""
    points = (points + size // 2).clip(0, size - 1)
    base = np.minimum(points.astype(int), max(size - 2, 0))
    fraction = points - base
    weights = np.zeros((size + 1, size + 1))
    for row in (0, 1):
        for column in (0, 1):
            weight = np.abs(1 - row - fraction[:, 0]) * np.abs(1 - column - fraction[:, 1])
            np.add.at(weights, (base[:, 0] + row, base[:, 1] + column), weight)
    return Kernel(weights[:size, :size].astype(np.float32))


def _resample(path: Trajectory) -> Trajectory:
    """Divide each segment into the same number of steps, at most a quarter pixel long."""
    if len(path) < 2:
        return path
    longest = float(np.linalg.norm(np.diff(path, axis=0), axis=1).max())
    steps = max(int(np.ceil(4 * longest)), 1)
    middle = (np.arange((len(path) - 1) * steps) + 0.5) / steps
    knots = np.arange(len(path))
    return np.stack([np.interp(middle, knots, path[:, axis]) for axis in (0, 1)], axis=1)


def _centre(points: Trajectory) -> Trajectory:
    centred: Trajectory = points - points.mean(axis=0)
    return centred


def _fit(path: Trajectory, size: int) -> Trajectory:
    """Shrink a trajectory about its centre of mass so that it fits a kernel of `size`."""
    points = _centre(_resample(path))
    before, after = size // 2, size - 1 - size // 2
    excess = max(
        float((-points).max()) / before if before else np.inf,
        float(points.max()) / after if after else np.inf,
    )
    return points if excess <= 1 else points / (excess * (1 + 1e-9))


@lru_cache(maxsize=8)
def matern_factor(length_scale: float, steps: int = 128) -> Trajectory:
    """Return a Cholesky factor of the covariance (Schuler Eq. 6) on `steps` times in [0, 1]."""
    time = np.linspace(0, 1, steps)
    r = np.sqrt(5) * np.abs(time[:, None] - time) / length_scale
    covariance = (1 + r + r**2 / 3) * np.exp(-r)
    factor: Trajectory = np.linalg.cholesky(covariance + 1e-9 * np.eye(steps))
    return factor


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Trajectory:
    draw = torch.randn(shape, generator=generator, device=generator.device, dtype=torch.float64)
    return np.asarray(draw.cpu(), np.float64)


def _uniform(count: int, generator: torch.Generator) -> Trajectory:
    draw = torch.rand(count, generator=generator, device=generator.device, dtype=torch.float64)
    return np.asarray(draw.cpu(), np.float64)
