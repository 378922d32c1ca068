"""The kernel estimator `schuler`: learned blind estimation as a stage."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from unblur.errors import ImageError
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.model.stages import Estimate
from unblur.numerics.colour import to_luma
from unblur.numerics.contrast import contrast_of
from unblur.numerics.noise import estimate_noise
from unblur_schuler.coarse_to_fine import Network, descend
from unblur_schuler.filling import filled
from unblur_schuler.kernel_size import FIRST, grown, lit_extent, touches_border
from unblur_schuler.refinement import refined
from unblur_schuler.weights import load_network
from unblur_schuler.windows import Look

IMAGE_EDGES = 2
"""Edges of the kernel that an image measures at least."""
FAINT = 0.02
"""Share of the peak below which a value of the result counts as nothing."""
GLANCE, STUDY = Look(count=1, widths=15), Look(count=10, widths=7)
"""What the network looks at in every scale, and what the last turns do."""


class Schuler(stages.KernelEstimator):
    """The kernel by a trained network that alternates feature extraction and division.

    From a coarse scale to the full one, and in a few turns at each, a network predicts
    gradient-like images `x_i` of the sharp scene and `y_i` of the blurred one, and the kernel
    is the quotient (Eq. 4)::

        k = F^-1 [ sum_i conj(F x_i) F y_i / (sum_i |F x_i|^2 + beta) ]

    cropped to its size and freed of negative values. In the last turns, at full size, the `x_i`
    are gradients of latent images with ever more edges instead, which finds what is faint. It
    assumes one kernel for the whole image, of motion without jumps, and a scene with edges like
    the photographs that the network learned from.

    Parameters
    ----------
    params : Params or mapping, optional
        See `Schuler.Params`.

    Notes
    -----
    The spectra of Eq. 4 are summed over windows (Welch's method). With the area `telling` they
    are those with the most gradient energy: one of 15 widths of the kernel for the network, at
    every scale, and ten of 7 widths for the last turns. An estimate then takes about as long
    on a large image as on a small one. `whole` looks at all of the image, at a time linear in its
    pixels. Memory does not grow with the image. Colour images are estimated on their luma.

    With the size `auto`, a kernel of 25 pixels is estimated first; the frame grows while the
    kernel reaches its border and is then cut to what holds light, and the kernel is estimated
    once more.

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

        size: Literal["auto"] | int = Field(
            "auto",
            description="Extent of the frame of the kernel in pixels, odd, 3 to 199, or auto; it "
            "must hold all of the blur, and the image measures at least twice as much.",
        )
        model: str = Field(
            "deep",
            description="Weights: deep (our own network), paper (the paper's layout), or a "
            ".safetensors file that `unblur train schuler` wrote.",
        )

        area: Literal["telling", "whole"] = Field(
            "telling",
            description="What is looked at: telling (the windows with the most edges, larger for "
            "a larger kernel) or whole (all of the image, at several times the cost).",
        )
        refinements: int = Field(
            16,
            ge=0,
            le=100,
            description="Turns at the end, at full size and without the network, that find the "
            "faint parts of the kernel.",
        )

        @field_validator("size")
        @classmethod
        def _is_odd(cls, size: str | int) -> str | int:
            if isinstance(size, int) and not (size % 2 and 3 <= size <= 199):
                raise ValueError("an odd number of pixels from 3 to 199, or auto, is expected")
            return size

    def estimate(self, blurred: Tensor, context: Context, mask: Tensor | None = None) -> Estimate:
        """Return the kernel, without a latent image; see `KernelEstimator.estimate`."""
        context.checkpoint()
        network = load_network(self.params.model).to(blurred.device)
        y = to_luma(blurred)
        y = y if mask is None else filled(y, mask)
        contrast_of(y)
        noise = context.noise if context.noise is not None else estimate_noise(y, mask)
        level = torch.full((1,), noise, device=y.device)
        with torch.no_grad():
            if self.params.size == "auto":
                kernel = self._unframed(network, y[None], level, context)
            else:
                kernel = self._framed(network, y[None], self.params.size, level, context)
            turns = self.params.refinements
            tick = context.ticker(f"{self.name}, refining", turns)
            kernel = refined(y[None], kernel[None], turns, noise, tick, self._look(STUDY))[0]
        kernel = torch.where(kernel < FAINT * kernel.max(), 0, kernel)
        return Estimate.of(Kernel(kernel.cpu().numpy()).centred())

    def _framed(
        self, network: Network, y: Tensor, size: int, noise: Tensor, context: Context
    ) -> Tensor:
        _check_size(size, y)
        tick = context.ticker(self.name, sum(1 for _ in network.steps(size)))
        return descend(network, y, size, noise, tick, self._look(GLANCE))[0]

    def _look(self, telling: Look) -> Look | None:
        return telling if self.params.area == "telling" else None

    def _unframed(self, network: Network, y: Tensor, noise: Tensor, context: Context) -> Tensor:
        """Return the kernel in the frame that suits it."""
        most = min(y.shape[-2:]) // (2 * IMAGE_EDGES)
        size = min(FIRST, most - 1 + most % 2)
        kernel = self._framed(network, y, size, noise, context)
        while touches_border(kernel) and grown(size) <= most:
            size = grown(size)
            kernel = self._framed(network, y, size, noise, context)
        if lit_extent(kernel) < size:
            kernel = self._framed(network, y, lit_extent(kernel), noise, context)
        return kernel


def _check_size(size: int, y: Tensor) -> None:
    edge = min(y.shape[-2:])
    if size < 3 or edge < IMAGE_EDGES * size:
        raise ImageError(
            f"an image of {tuple(y.shape[-2:])} pixels is too small to estimate a kernel of "
            f"{max(size, 3)}; it takes {IMAGE_EDGES} times the kernel at least. Set kernel.size "
            "to less, or give a larger image."
        )
