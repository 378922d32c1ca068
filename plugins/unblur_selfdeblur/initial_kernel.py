"""Initialisation of the kernel network with the kernel of another estimator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from unblur.accel.malloc import no_malloc_trim
from unblur.model.context import Context
from unblur.model.kernel import Kernel, check_kernel_size
from unblur.model.params import KernelSize
from unblur.model.stages import Estimate
from unblur.numerics.kernel_ops import pad_to, recentre
from unblur.numerics.pyramid import odd
from unblur.plugins.manager import registry
from unblur_selfdeblur.adam import FusedAdam
from unblur_selfdeblur.networks.generators import Generators
from unblur_selfdeblur.optimisation import deterministic

KERNEL_TOLERANCE = 0.01
"""Root mean square error at which the fit of the kernel network ends, as a fraction of the peak of
the kernel, dimensionless."""
FIT_KERNEL_RATE = 1e-3
"""Learning rate of the fit of the kernel network, dimensionless; Kotera's paper states none."""
MAX_KERNEL_ITERATIONS = 1000
"""Number of iterations after which that fit ends whatever its error, dimensionless. It takes less
than 100 for Levin's kernels."""
FIT_CHECK_INTERVAL = 5
"""Number of iterations between two checks of the error, dimensionless."""


@dataclass(frozen=True)
class InitialKernel:
    """The kernel that an optimisation begins with.

    Attributes
    ----------
    weights : (n, n)
        Kernel of sum 1, with the middle of its support at `n // 2`.
    estimate : Estimate
        The estimate that it is taken from.
    """

    weights: Tensor
    estimate: Estimate

    @property
    def size(self) -> int:
        """Extent in pixels."""
        return int(self.weights.shape[-1])


def find_initial_kernel(
    name: str | None, size: KernelSize, blurred: Tensor, mask: Tensor | None, context: Context
) -> InitialKernel | None:
    """Estimate the initial kernel of an image.

    Parameters
    ----------
    name : str, optional
        Kernel estimator with a param `size`; with None there is no initial kernel.
    size : int or "auto"
        Extent of the kernel in pixels; auto is the estimator's choice, at most half the image.
    blurred : (C, H, W)
        Blurred image, white = 1.
    mask : (H, W), optional
        1 = valid pixel.
    context : Context
        Device, noise, progress, cancellation.

    Raises
    ------
    ImageError
        If the image measures less than twice `size` along an axis.
    UsageError
        If there is no such estimator.
    """
    if name is None:
        return None
    estimator: Any = registry().stage("kernel", name)
    if size != "auto":
        check_kernel_size(size, blurred.shape[-2:])
    settings = {"size": size if size == "auto" else odd(size - 1)}
    estimate: Estimate = estimator(settings).estimate(blurred, context, mask)
    kernel = recentre(estimate.kernel.tensor().double(), by="support")
    fitting = min(max(kernel.shape), min(blurred.shape[-2:]) // 2)
    extent = fitting if size == "auto" else size
    kernel = pad_to(kernel, (extent, extent))
    return InitialKernel((kernel / kernel.sum()).to(blurred), estimate)


def estimate_from(
    initial: InitialKernel | None, kernel: Kernel, image: Tensor | None, notes: tuple[str, ...]
) -> Estimate:
    """Return kernel, image and notes as an estimate, with the confidence of the initial kernel.

    The confidence is that of the estimator of the initial kernel, since the networks have no
    measure of their own; its notes and choices are kept too.
    """
    if initial is None:
        return Estimate.of(kernel, image, notes)
    source = initial.estimate
    return Estimate.of(
        kernel,
        image,
        (*source.notes, *notes),
        confidence=source.confidence,
        choices=source.choices,
    )


def fit_kernel(
    generators: Generators, kernel: Tensor, on_step: Callable[[], object] = lambda: None
) -> None:
    """Fit the kernel network to a kernel (n, n) of sum 1, until the error is 1 % of the peak."""
    peak = kernel.max()
    with deterministic(), no_malloc_trim():
        fit_network(
            generators.kernel_net,
            lambda: generators.kernel() / peak,
            kernel / peak,
            rate=FIT_KERNEL_RATE,
            tolerance=KERNEL_TOLERANCE,
            max_iterations=MAX_KERNEL_ITERATIONS,
            on_step=on_step,
        )


def fit_network(
    network: nn.Module,
    generate: Callable[[], Tensor],
    target: Tensor,
    *,
    rate: float,
    tolerance: float,
    max_iterations: int,
    on_step: Callable[[], object] = lambda: None,
) -> None:
    """Fit a network to an initial value by least squares (Kotera Eq. 8).

    Parameters
    ----------
    network : module
        Changed in place.
    generate : callable
        Returns the output of the network.
    target : tensor
        Initial value, of the shape of the output.
    rate : float
        Learning rate of Adam.
    tolerance : float
        Root mean square error at which the fit ends, in the unit of the target.
    max_iterations : int
        Number of iterations after which it ends whatever its error.
    on_step : callable, optional
        Called after every iteration.
    """
    adam = FusedAdam(network.parameters())
    for iteration in range(max_iterations):
        error = (generate() - target).square().mean()
        if iteration % FIT_CHECK_INTERVAL == 0 and float(error.detach()) <= tolerance**2:
            return
        error.backward()  # type: ignore[no-untyped-call]
        adam.step(rate)
        on_step()
