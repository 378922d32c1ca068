"""Total-variation deconvolution in two and three dimensions."""

from __future__ import annotations

from math import hypot

import torch
from pydantic import Field
from torch import Tensor

from unblur.accel.parallel import one_thread_if_small
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.boundaries import fill_and_extend, unobserved_mask
from unblur.numerics.fourier import apply_otf, fft, inverse_fft
from unblur.numerics.inverse_filters import response_radius
from unblur.numerics.operators import Blur, gradient, gradient_adjoint, laplacian_otf
from unblur.numerics.solvers import admm
from unblur_classic.nonblind.regularization import (
    HALO_DESIGN_NOISE,
    Auto,
    RegularizedParams,
    limit_tile_halo,
    measure_contrast,
    quadratic_weight,
    relative_noise,
)

WEIGHT_FACTOR = 0.35
"""Factor of the automatic weight, dimensionless; best on photographs blurred over 13 to 35 pixels
with 0.2 to 3 % of noise."""
PENALTY = 0.1
"""Penalty of the splitting of the data term, dimensionless; it changes the speed of convergence,
hardly the result."""
GRADIENT_SCALE = 0.5
"""Scale of the gradient relative to the blurred scene in the splitting, dimensionless; it changes
the speed of convergence alone."""
RELAXATION = 1.8
"""Over-relaxation of the ADMM iterations, dimensionless."""


class TotalVariation(stages.Deconvolver):
    """Least squares with a penalty on the total variation, the integral of the gradient's length.

    The image is the minimiser over the scene `x` of::

        |M (k * x) - y|^2 / 2 + weight sum |grad x|

    where `M` keeps the valid pixels inside the border and `|grad x|` is the gradient's length
    at each pixel. It assumes Gaussian noise and a piecewise constant scene with sharp edges; fine
    texture is smoothed.

    Parameters
    ----------
    params : Params or mapping, optional
        See `TotalVariation.Params`.

    Notes
    -----
    Solved by the alternating direction method of multipliers on the splitting
    `z = (k * x, grad x)`: each iteration is one division in Fourier space, exact for unobserved
    pixels as well. The weight is `0.35 ratio^1.5 contrast`, where the ratio is that of noise to
    contrast. (With a Laplacian prior the weight is proportional to the square of the noise; with
    blur, the best exponent found is 1.5.)

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

    class Params(RegularizedParams):
        """Settings of total-variation deconvolution."""

        weight: Auto = Field(
            "auto",
            description="Weight of the gradient's length against half the squared residual, white "
            "= 1; auto derives it from the noise and the image's contrast.",
        )
        iterations: int = Field(60, ge=1, le=2000, description="Number of ADMM iterations.")

    def deconvolve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Tensor:
        """Return the sharp image of the same shape as `blurred`; see `Deconvolver`."""
        with one_thread_if_small(blurred[0].numel()):
            scene, blur = self.solve(blurred, kernel, context, mask)
        return blur.crop(scene)

    def solve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> tuple[Tensor, Blur]:
        """Return the scene (C, *domain), which extends beyond the image, and its blur operator."""
        context.checkpoint()
        psf = kernel.tensor(device=blurred.device)
        blur = Blur(psf, blurred.shape[1:], mask, context.window_axes)
        splitting = Splitting(blur, blurred, self._weight(blurred, context, mask))
        scene = admm(
            splitting.solve,
            splitting.forward,
            splitting.proximal,
            splitting.initial,
            iterations=self.params.iterations,
            relaxation=RELAXATION,
            on_step=context.ticker(self.name, self.params.iterations),
        )
        return scene, blur

    def halo(self, kernel: Kernel) -> tuple[int, ...]:
        """Return the radius of the Wiener filter for a noise of 1/40 of the contrast."""
        return response_radius(
            kernel, quadratic_weight(hypot(HALO_DESIGN_NOISE, self.params.model_error))
        )

    def tile_halo(self, kernel: Kernel, context: Context) -> tuple[int, ...]:
        """Return the halo for the image's own noise and contrast, where they are known."""
        largest = super().tile_halo(kernel, context)
        return limit_tile_halo(largest, kernel, self.params, context)

    def _weight(self, blurred: Tensor, context: Context, mask: Tensor | None) -> float | Tensor:
        if self.params.weight != "auto":
            return float(self.params.weight)
        ratio = relative_noise(blurred, self.params.noise, context, mask, self.params.model_error)
        unit = measure_contrast(blurred, context, mask).reshape(ratio.shape)
        return WEIGHT_FACTOR * ratio**1.5 * unit


class Splitting:
    """The three steps of ADMM for one image, on tensors (1 + ndim, C, *domain).

    Index 0 along the first axis is the blurred scene, the others are the scene's gradient.
    """

    def __init__(self, blur: Blur, blurred: Tensor, weight: float | Tensor) -> None:
        self.ndim = blur.ndim
        self.weight = weight
        self.otf = blur.otf
        self.initial = fill_and_extend(blur, blurred)
        self.unobserved = unobserved_mask(blur, blurred)
        self.data = blur.place(blurred)
        self.total = self.otf.abs() ** 2 + GRADIENT_SCALE**2 * laplacian_otf(blur.domain, blurred)

    def forward(self, x: Tensor) -> Tensor:
        """Map a scene to the split variables: its blur and its gradient."""
        blurred = apply_otf(x, self.otf, self.ndim)[None]
        return torch.cat([blurred, GRADIENT_SCALE * gradient(x, self.ndim)])

    def solve(self, z: Tensor) -> Tensor:
        """Return the scene whose `forward` is nearest to `z` in the least-squares sense."""
        back = GRADIENT_SCALE * gradient_adjoint(z[1:], self.ndim)
        spectrum = self.otf.conj() * fft(z[0], self.ndim) + fft(back, self.ndim)
        return inverse_fft(spectrum / self.total, z.shape[-self.ndim :])

    def proximal(self, z: Tensor) -> Tensor:
        """Move the blur towards the data at observed pixels, and shrink the gradient's length."""
        observed = (self.data + PENALTY * z[0]) / (1 + PENALTY)
        blurred = torch.where(self.unobserved > 0, z[0], observed)
        length = z[1:].square().sum(0, keepdim=True).sqrt()
        shrinkage = (
            1 - self.weight / (PENALTY * GRADIENT_SCALE) / length.clamp_min(1e-12)
        ).clamp_min(0)
        return torch.cat([blurred[None], z[1:] * shrinkage])
