"""Initial camera poses from kernels that are estimated in parts of the image."""

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
from unblur_classic.camera_shake.model import Patch, half_overlapping
from unblur_classic.map.preprocessing import EstimationInput

PARTS_PER_AXIS = 2
"""Extent of the image divided by that of a part, along each axis, dimensionless."""
MIN_PART = 3
"""Smallest extent of a part, in kernel sizes."""
MIN_GRADIENT_ENERGY = 0.02
"""Parts whose mean squared gradient is below this fraction of the largest one are skipped,
dimensionless."""


def initial_poses(
    given: EstimationInput, grid: PoseGrid, local_estimator: str, context: Context
) -> Tensor:
    """Return the pose weights (A, n, n) whose kernels are nearest to local estimates.

    Parameters
    ----------
    given : EstimationInput
        The image.
    grid : PoseGrid
        The poses.
    local_estimator : str
        Estimator with a param `size`, which estimates one kernel in each of nine overlapping
        parts of the image that have edges.
    context : Context
        Progress is reported for every part.
    """
    parts = _textured_parts(given.y, grid.size)
    silent = context.silent().with_(noise=given.noise)
    kernels = [
        _local_kernel(given, part, grid.size, local_estimator, silent)
        for part in context.track(parts, f"camera-shake, {local_estimator}")
    ]
    basis = CameraBasis.at(grid, [part.middle for part in parts], given.y)
    return project_kernels(torch.stack(kernels).to(given.y), basis)


def _textured_parts(y: Tensor, size: int) -> list[Patch]:
    """Return the parts of an image (H, W) that have edges."""
    extents = [min(max(-(-n // PARTS_PER_AXIS), MIN_PART * size), n) for n in y.shape]
    parts = half_overlapping(tuple(y.shape), extents)
    energies = [float(gradient(y[part.rows, part.columns]).square().mean()) for part in parts]
    smallest = MIN_GRADIENT_ENERGY * max(energies)
    return [part for part, energy in zip(parts, energies, strict=True) if energy > smallest]


def _local_kernel(
    given: EstimationInput, part: Patch, size: int, local_estimator: str, context: Context
) -> Tensor:
    """Return the kernel (size, size) of a part of the image."""
    stage: Any = registry().stage("kernel", local_estimator)({"size": odd(size)})
    y, valid = (x[part.rows, part.columns] for x in (given.y, given.valid))
    kernel = pad_to(stage.estimate(y[None], context, valid).kernel.tensor(), (size, size))
    return kernel / kernel.sum()
