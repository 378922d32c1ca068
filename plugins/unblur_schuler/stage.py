"""The kernel estimator `schuler`: learned blind estimation as a stage."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from unblur.accel.parallel import one_thread_if_small
from unblur.errors import ImageError
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel, check_kernel_size
from unblur.model.params import KernelSize
from unblur.model.stages import Estimate
from unblur.numerics.colour import to_luma
from unblur.numerics.inpaint import fill
from unblur.numerics.noise import estimate_noise
from unblur.numerics.statistics import contrast_of
from unblur_schuler.coarse_to_fine import Network, estimate_coarse_to_fine
from unblur_schuler.refinement import refine_kernel
from unblur_schuler.size_search import INITIAL_SIZE, next_size, support_size, touches_border
from unblur_schuler.weights import load_network
from unblur_schuler.windows import AllWindows, WindowSelection

MIN_IMAGE_TO_KERNEL = 2
"""Smallest extent of an image, in extents of the kernel, dimensionless."""
RELATIVE_THRESHOLD = 0.02
"""Value of the resulting kernel relative to its peak, below which it becomes 0, dimensionless."""
NETWORK_WINDOWS = WindowSelection(number=1, widths=15)
"""Windows of every scale that the network is applied to, one of 15 widths of the kernel."""
REFINEMENT_WINDOWS = WindowSelection(number=10, widths=7)
"""Windows that the refinement uses, ten of 7 widths of the kernel."""


class Schuler(stages.KernelEstimator):
    """The kernel by a trained network that alternates feature extraction and division.

    From a coarse scale to the full one, and in a few iterations at each, a network predicts
    gradient-like images `x_i` of the sharp scene and `y_i` of the blurred one, and the kernel
    is the quotient (Schuler Eq. 4)::

        k = F^-1 [ sum_i conj(F x_i) F y_i / (sum_i |F x_i|^2 + beta) ]

    cropped to its size and clipped at 0. In the last iterations, at full size and without the
    network, the `x_i` are gradients of L0-regularised latent images with ever more edges, which
    recovers the low values of the kernel. It assumes one kernel for the whole image, of motion
    without jumps, and a scene with edges like the photographs of the training.

    Parameters
    ----------
    params : Params or mapping, optional
        See `Schuler.Params`.

    Notes
    -----
    The spectra of (Schuler Eq. 4) are summed over windows (Welch's method). With `windows:
    textured` they are those with the most gradient energy: one of 15 widths of the kernel for the
    network, at every scale, and ten of 7 widths for the refinement. An estimate then takes about
    as long on a large image as on a small one. `windows: all` uses all of the image, in a time
    linear in its pixels. Memory does not grow with the image. Colour images are estimated on their
    luma.

    With `size: auto`, a kernel of 25 pixels is estimated first; the size grows while the kernel
    touches its border and is then reduced to the support, for which the kernel is estimated once
    more.

    Examples
    --------
    >>> from unblur.model.context import Context
    >>> from unblur.numerics.metrics import kernel_similarity
    >>> from unblur.testing import gaussian, synthetic_scene
    >>> given = synthetic_scene((96, 96), gaussian((9, 9), 1.5))
    >>> estimate = Schuler(size=9).estimate(given.blurred, Context(noise=0.01))
    >>> kernel_similarity(estimate.kernel.weights, given.kernel.weights) > 0.8
    True

    References
    ----------
    C. J. Schuler, M. Hirsch, S. Harmeling, B. Schoelkopf, "Learning to deblur", IEEE TPAMI
    38(7), 2016.
    """

    name = "schuler"
    summary = "Learned kernel estimation in about a second; for one shaken photograph."
    cites = "Schuler, Hirsch, Harmeling, Schoelkopf, Learning to Deblur, IEEE TPAMI 38(7), 2016"

    class Params(stages.Params):
        """Settings of `schuler`."""

        size: KernelSize = Field(
            "auto",
            description="Extent of the kernel in pixels, odd, 3 to 199, or auto; it must hold all "
            "of the blur, and the image measures at least twice as much.",
        )
        model: str = Field(
            "deep",
            description="Weights: deep (our own network), paper (the paper's layout), or a "
            ".safetensors file that `unblur train schuler` wrote.",
        )

        windows: Literal["textured", "all"] = Field(
            "textured",
            description="Windows of the image that are used: textured (those with the most edges, "
            "larger for a larger kernel) or all (the whole image, at several times the cost).",
        )
        refinements: int = Field(
            16,
            ge=0,
            le=100,
            description="Iterations at the end, at full size and without the network, that "
            "recover the low values of the kernel.",
        )

        @field_validator("size")
        @classmethod
        def _is_odd(cls, size: KernelSize) -> KernelSize:
            if size != "auto" and size % 2 == 0:
                raise ValueError("an odd number of pixels from 3 to 199, or auto, is expected")
            return size

    def estimate(self, blurred: Tensor, context: Context, mask: Tensor | None = None) -> Estimate:
        """Return the kernel, without a latent image; see `KernelEstimator.estimate`."""
        context.checkpoint()
        network = load_network(self.params.model).to(blurred.device)
        y = to_luma(blurred)
        y = fill(y, mask, "pyramid")
        contrast_of(y)
        noise = context.noise if context.noise is not None else estimate_noise(y, mask)
        noises = torch.full((1,), noise, device=y.device)
        with torch.no_grad(), one_thread_if_small(y.numel()):
            if self.params.size == "auto":
                kernel = self._estimate_with_size(network, y[None], noises, context)
            else:
                kernel = self._estimate(network, y[None], self.params.size, noises, context)
            iterations = self.params.refinements
            tick = context.ticker(f"{self.name}, refining", iterations)
            windows = self._windows(REFINEMENT_WINDOWS)
            kernel = refine_kernel(y[None], kernel[None], iterations, noise, tick, windows)[0]
        kernel = torch.where(kernel < RELATIVE_THRESHOLD * kernel.max(), 0, kernel)
        return Estimate.of(Kernel(kernel.cpu().numpy()).centred())

    def _estimate(
        self, network: Network, y: Tensor, size: int, noise: Tensor, context: Context
    ) -> Tensor:
        check_kernel_size(size, y.shape[-2:], MIN_IMAGE_TO_KERNEL)
        tick = context.ticker(self.name, sum(1 for _ in network.schedule(size)))
        windows = self._windows(NETWORK_WINDOWS)
        return estimate_coarse_to_fine(network, y, size, noise, tick, windows)[0]

    def _windows(self, textured: WindowSelection) -> WindowSelection | AllWindows:
        return textured if self.params.windows == "textured" else AllWindows()

    def _estimate_with_size(
        self, network: Network, y: Tensor, noise: Tensor, context: Context
    ) -> Tensor:
        """Return the kernel, with the size that suits it."""
        largest = min(y.shape[-2:]) // (2 * MIN_IMAGE_TO_KERNEL)
        if largest < 3:
            raise ImageError(
                f"an image of {tuple(y.shape[-2:])} pixels is too small to estimate the size of a "
                f"kernel; it takes {6 * MIN_IMAGE_TO_KERNEL} pixels along each axis. Set "
                "kernel.size, or give a larger image."
            )
        size = min(INITIAL_SIZE, largest - 1 + largest % 2)
        kernel = self._estimate(network, y, size, noise, context)
        while touches_border(kernel) and next_size(size) <= largest:
            size = next_size(size)
            kernel = self._estimate(network, y, size, noise, context)
        if support_size(kernel) < size:
            kernel = self._estimate(network, y, support_size(kernel), noise, context)
        return kernel
