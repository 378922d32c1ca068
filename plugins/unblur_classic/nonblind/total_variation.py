"""Total-variation deconvolution: flat regions, sharp edges, in two and three dimensions."""

from __future__ import annotations

from math import hypot

import torch
from pydantic import Field
from torch import Tensor

from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.boundaries import fill_and_extend, unobserved_mask
from unblur.numerics.fourier import apply_otf, fft, inverse_fft
from unblur.numerics.inverse_filters import response_radius
from unblur.numerics.operators import Blur, gradient, gradient_adjoint, laplacian_otf
from unblur.numerics.solvers import admm
from unblur_classic.nonblind.regularization import (
    MISMATCH,
    QUIET,
    Auto,
    Mismatch,
    Noise,
    contrast,
    quadratic_weight,
    relative_noise,
)

STRENGTH = 0.35
"""Of the weight; best on photographs blurred over 13 to 35 pixels, at 0.2 to 3 % of noise."""
PENALTY = 0.1
"""Penalty of the splitting of the data term; results hardly depend on it, the pace does."""
STEEPNESS = 0.5
"""Scale of the gradient beside the blurred scene inside the splitting; it too decides the pace."""
RELAXATION = 1.8
"""Over-relaxation of the sweeps."""


class TotalVariation(stages.Deconvolver):
    """Least squares with a price on the total length of the gradient.

    The image is the minimiser over the scene `x` of::

        |M (k * x) - y|^2 / 2 + weight sum |grad x|

    where `M` keeps the trusted pixels inside the border and `|grad x|` is the gradient's length
    at each pixel. It assumes Gaussian noise and a scene of flat regions with sharp edges;
    fine texture is flattened.

    Parameters
    ----------
    params : Params or mapping, optional
        See `TotalVariation.Params`.

    Notes
    -----
    Solved by the alternating direction method of multipliers on the splitting
    `z = (k * x, grad x)`: each step is one division in Fourier space, exact for the pixels that
    were not observed as well. The weight is `0.35 ratio^1.5 contrast`, where the ratio is that
    of noise to contrast. (A Laplacian prior would have it grow as the square; it is the blur that
    makes heavy noise bear less.)

    Examples
    --------
    >>> import torch
    >>> from unblur.model.context import Context
    >>> from unblur.model.kernel import Kernel
    >>> blurred = torch.zeros(1, 16, 16)
    >>> blurred[:, 7:10, 7:10] = 1 / 9
    >>> stage = TotalVariation(noise=0.001, iterations=50)
    >>> sharp = stage.deconvolve(blurred, Kernel(torch.ones(3, 3)), Context())
    >>> bool(sharp[0, 8, 8] > 0.5)
    True

    References
    ----------
    L. I. Rudin, S. Osher, E. Fatemi, "Nonlinear total variation based noise removal
    algorithms", Physica D 60, 1992. Borders: M. S. C. Almeida, M. A. T. Figueiredo,
    "Deconvolving images with unknown boundaries using the alternating direction method of
    multipliers", IEEE TIP 22(8), 2013.
    """

    name = "tv"
    summary = "Total variation: flat regions and sharp edges, 2-D or 3-D."
    cites = "L. I. Rudin, S. Osher, E. Fatemi, Physica D 60, 1992"
    dimensions = frozenset({2, 3})

    class Params(stages.Params):
        """Settings of total-variation deconvolution."""

        noise: Noise = "auto"
        mismatch: Mismatch = MISMATCH
        weight: Auto = Field(
            "auto",
            description="Weight of the gradient's length against half the squared residual, "
            "white = 1; auto follows from the noise and the image's contrast.",
        )
        iterations: int = Field(60, ge=1, le=2000, description="Steps of the splitting.")

    def deconvolve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Tensor:
        """Return the sharp image of the same shape as `blurred`; see `Deconvolver`."""
        context.checkpoint()
        blur = Blur(kernel.tensor(device=blurred.device), blurred.shape[1:], mask)
        splitting = Splitting(blur, blurred, self._weight(blurred, context, mask))
        scene = admm(
            splitting.solve,
            splitting.forward,
            splitting.proximal,
            splitting.start,
            iterations=self.params.iterations,
            relaxation=RELAXATION,
            on_step=context.ticker(self.name, self.params.iterations),
        )
        return blur.crop(scene)

    def halo(self, kernel: Kernel) -> tuple[int, ...]:
        """Return the reach of the Wiener filter for a noise of 1/40 of the contrast."""
        return response_radius(kernel, quadratic_weight(hypot(QUIET, self.params.mismatch)))

    def _weight(self, blurred: Tensor, context: Context, mask: Tensor | None) -> float | Tensor:
        if self.params.weight != "auto":
            return float(self.params.weight)
        ratio = relative_noise(blurred, self.params.noise, context, mask, self.params.mismatch)
        spread = contrast(blurred, context, mask).reshape(ratio.shape)
        return STRENGTH * ratio**1.5 * spread


class Splitting:
    """The three steps of the method for one image, on tensors (1 + ndim, C, *domain).

    Index 0 along the first axis stands for the blurred scene, the others for its gradient.
    """

    def __init__(self, blur: Blur, blurred: Tensor, weight: float | Tensor) -> None:
        self.ndim = blur.ndim
        self.weight = weight
        self.otf = blur.otf
        self.start = fill_and_extend(blur, blurred)
        self.unknown = unobserved_mask(blur, blurred)
        self.data = blur.place(blurred)
        self.total = self.otf.abs() ** 2 + STEEPNESS**2 * laplacian_otf(blur.domain, blurred)

    def forward(self, x: Tensor) -> Tensor:
        """Map a scene to what is split off: its blur and its gradient."""
        blurred = apply_otf(x, self.otf, self.ndim)[None]
        return torch.cat([blurred, STEEPNESS * gradient(x, self.ndim)])

    def solve(self, z: Tensor) -> Tensor:
        """Return the scene whose `forward` is nearest to `z`."""
        back = STEEPNESS * gradient_adjoint(z[1:], self.ndim)
        spectrum = self.otf.conj() * fft(z[0], self.ndim) + fft(back, self.ndim)
        return inverse_fft(spectrum / self.total, z.shape[-self.ndim :])

    def proximal(self, z: Tensor) -> Tensor:
        """Pull the blur towards the data where there are any, and shorten the gradient."""
        known = (self.data + PENALTY * z[0]) / (1 + PENALTY)
        blurred = torch.where(self.unknown > 0, z[0], known)
        length = z[1:].square().sum(0, keepdim=True).sqrt()
        shorter = (1 - self.weight / (PENALTY * STEEPNESS) / length.clamp_min(1e-12)).clamp_min(0)
        return torch.cat([blurred[None], z[1:] * shorter])
