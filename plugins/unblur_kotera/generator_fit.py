"""Initialisation of the networks by a fit to a given image and kernel (Kotera Eq. 8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from unblur.accel.malloc import no_malloc_trim
from unblur_selfdeblur.initial_kernel import FIT_KERNEL_RATE, fit_network
from unblur_selfdeblur.networks.generators import Generators
from unblur_selfdeblur.optimisation import deterministic
from unblur_selfdeblur.schedule import IMAGE_RATE

FIT_TOLERANCE = 10 / 255
"""Root mean square error at which a fit ends, relative to white or to the peak of the kernel."""
MAX_FIT_ITERATIONS = 500
"""Number of iterations after which a fit ends whatever its error."""


def fit_generators(
    generators: Generators,
    kernel: Tensor,
    scene: Tensor | None = None,
    on_step: Callable[[], object] = lambda: None,
) -> None:
    """Fit the networks to a kernel and, if there is one, to a scene (Kotera Eq. 8).

    Parameters
    ----------
    generators : Generators
        Changed in place.
    kernel : (n, n)
        Kernel k_0 that the kernel network is to generate, of sum 1.
    scene : (C, *), optional
        Scene x_0 that the image network is to generate, resized to the size of its output.
    on_step : callable, optional
        Called after every iteration of the fit of the image network.
    """
    with deterministic(), no_malloc_trim():
        peak = kernel.max()
        fit_network(
            generators.kernel_net,
            lambda: generators.kernel() / peak,
            kernel / peak,
            rate=FIT_KERNEL_RATE,
            tolerance=FIT_TOLERANCE,
            max_iterations=MAX_FIT_ITERATIONS,
        )
        if scene is not None:
            size: Any = generators.image_noise.shape[-2:]
            target = functional.interpolate(
                scene[None], size=size, mode="bilinear", align_corners=False
            )[0]
            fit_network(
                generators.image_net,
                generators.scene,
                target,
                rate=IMAGE_RATE,
                tolerance=FIT_TOLERANCE,
                max_iterations=MAX_FIT_ITERATIONS,
                on_step=on_step,
            )


def gaussian_kernel(size: int, like: Tensor) -> Tensor:
    """Return the kernel of the coarsest scale, a Gaussian (Kotera Sec. 3).

    Parameters
    ----------
    size : int
        Extent of the kernel in pixels; the standard deviation is half of it.
    like : tensor
        Tensor whose dtype and device the kernel takes.

    Returns
    -------
    (size, size), of sum 1
    """
    offset = torch.arange(size, dtype=like.dtype, device=like.device) - size // 2
    profile = torch.exp(-0.5 * (offset / (size / 2)) ** 2)
    kernel = profile[:, None] * profile
    return kernel / kernel.sum()
