"""Poses to begin with, from kernels that were found in parts of the image apart."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unblur.model.context import Context
from unblur.numerics.camera import CameraBasis, PoseGrid, project_kernels
from unblur.numerics.kernel_ops import pad_to
from unblur.numerics.operators import gradient
from unblur.numerics.pyramid import odd
from unblur.plugins.manager import registry
from unblur_classic.camera_shake.model import Piece, halfway
from unblur_classic.map.preprocessing import Prepared

SHARE = 2
"""Of the image, one in so many of its rows and columns is seen at once."""
LEAST = 3
"""Kernels that a part measures at least."""
FLAT = 0.02
"""Of the mean squared gradient of the part that has most, what tells no kernel."""


def first_poses(given: Prepared, grid: PoseGrid, scout: str, context: Context) -> Tensor:
    """Return the weights (A, n, n) of the poses whose kernels are nearest to local ones.

    Parameters
    ----------
    given : Prepared
        The image.
    grid : PoseGrid
        The poses.
    scout : str
        Estimator with a param `size`, which finds one kernel in each of nine overlapping parts of
        the image that have edges.
    context : Context
        Progress is reported for every part.
    """
    parts = _telling(given.y, grid.size)
    silent = context.silent().with_(noise=given.noise)
    kernels = [
        _local(given, part, grid.size, scout, silent)
        for part in context.track(parts, f"camera-shake, {scout}")
    ]
    basis = CameraBasis.at(grid, [part.middle for part in parts], given.y)
    return project_kernels(torch.stack(kernels).to(given.y), basis)


def _telling(y: Tensor, size: int) -> list[Piece]:
    """Return the parts of an image (H, W) that have edges."""
    edges = [min(max(-(-n // SHARE), LEAST * size), n) for n in y.shape]
    parts = halfway(tuple(y.shape), edges)
    energies = [float(gradient(y[part.rows, part.columns]).square().mean()) for part in parts]
    return [p for p, e in zip(parts, energies, strict=True) if e > FLAT * max(energies)]


def _local(given: Prepared, part: Piece, size: int, scout: str, context: Context) -> Tensor:
    """Return the kernel (size, size) of a part of the image."""
    stage: Any = registry().stage("kernel", scout)({"size": odd(size)})
    y, trusted = (x[part.rows, part.columns] for x in (given.y, given.trusted))
    kernel = pad_to(stage.estimate(y[None], context, trusted).kernel.tensor(), (size, size))
    return kernel / kernel.sum()
