"""Networks that start from a given image and kernel instead of from chance (Eq. 8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from unblur.accel.malloc import retained_memory
from unblur_selfdeblur.networks.generators import Generators
from unblur_selfdeblur.optimisation import deterministic
from unblur_selfdeblur.schedule import IMAGE_RATE

TOLERANCE = 10 / 255
"""Root mean square error, relative to white or to the kernel's peak, at which a fit suffices."""
KERNEL_RATE = 1e-3
"""Learning rate of the kernel network's fit, which is not stated in the paper."""
MOST = 500
"""Iterations after which a fit is taken as it is."""
LOOK = 5
"""Iterations between looks at the error."""


def start_from(
    generators: Generators,
    kernel: Tensor,
    scene: Tensor | None = None,
    on_step: Callable[[], object] = lambda: None,
) -> None:
    """Fit the networks to a kernel (n, n) and, where there is one, to a scene (C, *).

    The scene is stretched to the size of the generated one.
    """
    with deterministic(), retained_memory():
        peak = kernel.max()
        _fit(generators.kernel_net, lambda: generators.kernel() / peak, kernel / peak, KERNEL_RATE)
        if scene is not None:
            size: Any = generators.image_noise.shape[-2:]
            goal = functional.interpolate(
                scene[None], size=size, mode="bilinear", align_corners=False
            )[0]
            _fit(generators.image_net, generators.scene, goal, IMAGE_RATE, on_step)


def gaussian_start(size: int, like: Tensor) -> Tensor:
    """Return the first kernel: a Gaussian whose standard deviation is half the kernel's width."""
    offset = torch.arange(size, dtype=like.dtype, device=like.device) - size // 2
    profile = torch.exp(-0.5 * (offset / (size / 2)) ** 2)
    kernel = profile[:, None] * profile
    return kernel / kernel.sum()


def _fit(
    network: nn.Module,
    generate: Callable[[], Tensor],
    goal: Tensor,
    rate: float,
    on_step: Callable[[], object] = lambda: None,
) -> None:
    adam = torch.optim.Adam(network.parameters(), lr=rate, fused=True)
    for iteration in range(MOST):
        error = (generate() - goal).square().mean()
        if iteration % LOOK == 0 and float(error.detach()) <= TOLERANCE**2:
            return
        error.backward()  # type: ignore[no-untyped-call]
        adam.step()
        adam.zero_grad(set_to_none=True)
        on_step()
