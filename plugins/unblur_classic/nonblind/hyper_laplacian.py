"""Deconvolution with sparse gradients: the hyper-Laplacian prior of photographs."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot, prod

import torch
from pydantic import Field
from torch import Tensor

from unblur.accel.malloc import retained_memory
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.boundaries import (
    lower_bound_projection,
    solve_unobserved_saturated,
    unobserved_mask,
)
from unblur.numerics.clipping import split_mask
from unblur.numerics.fourier import apply_otf, fft, inverse_fft
from unblur.numerics.inverse_filters import WienerFilter, response_radius
from unblur.numerics.operators import Blur, laplacian_otf
from unblur.numerics.proximal import shrink
from unblur.numerics.solvers import continuation
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

SPARSENESS = 0.7
"""Weight over the squared noise, both relative to the contrast; best on photographs."""
FIRST, LAST, GROWTH = 0.5, 200.0, 2.0
"""Penalties of the splitting relative to the weight: from nearly quadratic to nearly exact."""
SMOOTHNESS = 2.5
"""Weight of the squared gradient in the Wiener solution to start from, relative to the weight."""
RAMP = 0.1
"""Over which share of its threshold the shrinkage climbs, so that tiles agree to 1e-3."""


class HyperLaplacian(stages.Deconvolver):
    """Least squares with a sparse prior: few gradients are large, most are nearly none.

    The image is a minimiser over the scene `x` of::

        |M (k * x) - y|^2 / 2 + weight sum_i s_i |D_i x|^exponent

    where `M` keeps the trusted pixels inside the border, and `D_i` are the first differences
    (`s = 1`) and the second ones (`s = curvature`). It assumes Gaussian noise and a scene with
    the heavy-tailed gradients of photographs: edges stay sharp, flat regions come out clean.

    Parameters
    ----------
    params : Params or mapping, optional
        See `HyperLaplacian.Params`.

    Notes
    -----
    Half-quadratic splitting: `w_i` stands for `D_i x` at a penalty that doubles from step to
    step. Each step shrinks the differences to `w_i`, exactly and elementwise, then divides once
    in Fourier space. What of the blurred scene was not observed, beyond the border and under
    the mask, is a variable of the same problem, replaced after each step by what the scene
    predicts, so that the fixed points are those of the masked problem. So is what the sensor
    clipped, which is taken as recorded at first and never becomes darker. It starts from the
    Wiener solution. The problem has many minima; the quick continuation finds better images
    than a slow one, at a higher energy.

    The weight is `0.7 (noise^2 + mismatch^2)` for an image of contrast 1, and scales with the
    image's contrast.

    Examples
    --------
    >>> import torch
    >>> from unblur.model.context import Context
    >>> from unblur.model.kernel import Kernel
    >>> blurred = torch.zeros(1, 16, 16)
    >>> blurred[:, 7:10, 7:10] = 1 / 9
    >>> stage = HyperLaplacian(noise=1e-4)
    >>> sharp = stage.deconvolve(blurred, Kernel(torch.ones(3, 3)), Context())
    >>> bool(sharp[0, 8, 8] > 0.8)
    True

    References
    ----------
    D. Krishnan, R. Fergus, "Fast image deconvolution using hyper-Laplacian priors", NIPS 2009.
    Second differences: A. Levin et al., "Image and depth from a conventional camera with a
    coded aperture", ACM TOG 26(3), 2007. Unknown borders: M. S. C. Almeida, M. A. T.
    Figueiredo, IEEE TIP 22(8), 2013.
    """

    name = "hyper-laplacian"
    summary = "Sparse gradients: sharp edges and clean flat regions, for photographs."
    cites = "D. Krishnan, R. Fergus, Fast image deconvolution using hyper-Laplacian priors, 2009"
    dimensions = frozenset({2, 3})

    class Params(stages.Params):
        """Settings of hyper-Laplacian deconvolution."""

        noise: Noise = "auto"
        mismatch: Mismatch = MISMATCH
        weight: Auto = Field(
            "auto",
            description="Weight of the prior against half the squared residual, white = 1; "
            "auto follows from noise, mismatch and the image's contrast.",
        )
        exponent: float = Field(
            2 / 3, ge=0.1, le=1, description="Exponent of the gradient; smaller is sparser."
        )
        curvature: float = Field(
            0.25, ge=0, le=10, description="Weight of second differences against first ones."
        )

    def deconvolve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Tensor:
        """Return the sharp image of the same shape as `blurred`; see `Deconvolver`."""
        context.checkpoint()
        # In units of the contrast, so that the penalties suit a dim image as a bright one.
        unit = contrast(blurred, context, mask)
        unit = torch.where(unit > 0, unit, 1).reshape([-1] + [1] * kernel.ndim)
        weight = self._weight(blurred, unit, context, mask)
        seen, clipped = split_mask(blurred, mask, context.ceiling)
        blur = Blur(kernel.tensor(device=blurred.device), blurred.shape[1:], seen)
        with retained_memory():
            scene = self._split(blur, blurred / unit, weight, clipped, context)
            return unit * blur.crop(scene)

    def _weight(
        self, blurred: Tensor, unit: Tensor, context: Context, mask: Tensor | None
    ) -> Tensor:
        """Return the weight (C, 1, ...) for an image whose contrast is 1."""
        params = self.params
        if params.weight != "auto":
            scaled: Tensor = params.weight * unit ** (params.exponent - 2)
            return scaled
        noise = relative_noise(blurred, params.noise, context, mask, params.mismatch)
        return SPARSENESS * noise**2

    def _split(
        self,
        blur: Blur,
        blurred: Tensor,
        weight: Tensor,
        clipped: Tensor | None,
        context: Context,
    ) -> Tensor:
        """Return the scene (C, *domain) by half-quadratic splitting."""
        ndim, domain = blur.ndim, blur.domain
        differences = Differences(ndim, self.params.curvature)
        power, prior = blur.otf.abs() ** 2, differences.power(domain, blurred)
        unknown = unobserved_mask(blur, blurred)
        wiener = WienerFilter.of(blur.otf, domain, SMOOTHNESS * weight)
        seen = solve_unobserved_saturated(
            blur, blurred, wiener, clipped, lambda *_: context.checkpoint()
        )
        bounded = lower_bound_projection(blur, blurred, clipped)
        if clipped is not None:
            unknown = torch.maximum(unknown, blur.place(clipped))
        scene = apply_otf(seen, wiener.restore, ndim)
        for ratio in context.track(list(continuation(FIRST, LAST, GROWTH)), self.name):
            sparse = differences.sparsified(scene, 1 / ratio, self.params.exponent)
            penalty = ratio * weight
            pull = blur.otf.conj() * fft(seen, ndim) + penalty * fft(sparse, ndim)
            spectrum = pull / (power + penalty * prior)
            scene = inverse_fft(spectrum, domain)
            seen = bounded(torch.lerp(seen, inverse_fft(blur.otf * spectrum, domain), unknown))
        return scene

    def halo(self, kernel: Kernel) -> tuple[int, ...]:
        """Return the reach of the Wiener filter for a noise of 1/40 of the contrast."""
        return response_radius(kernel, quadratic_weight(hypot(QUIET, self.params.mismatch)))


class Differences:
    """First and second differences of a periodic scene, along and across the axes.

    Parameters
    ----------
    ndim : int
        Number of spatial axes.
    curvature : float
        Weight of the second differences; 0 leaves them out.
    """

    def __init__(self, ndim: int, curvature: float) -> None:
        axes = range(-ndim, 0)
        self.terms: list[tuple[float, tuple[int, ...]]] = [(1.0, (a,)) for a in axes]
        if curvature:
            self.terms += [(curvature, (a, b)) for a in axes for b in axes if a <= b]

    def sparsified(self, x: Tensor, weight: float, exponent: float) -> Tensor:
        """Return the sum of `s D'(shrink(D x))` over the differences: (C, *spatial)."""
        total = torch.zeros_like(x)
        for factor, axes in self.terms:
            slope = x
            for axis in axes:
                slope = torch.roll(slope, -1, axis) - slope
            slope = shrink(slope, weight, exponent, RAMP)
            for axis in axes:
                slope = torch.roll(slope, 1, axis) - slope
            total.add_(slope, alpha=factor)
        return total

    def power(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return the transfer function of the sum of `s D' D` on a grid of extent `shape`."""
        # The Laplacian of a grid that is flat along all other axes is one axis' share.
        alone = [
            laplacian_otf([n if a == axis else 1 for a, n in enumerate(shape)], like)
            for axis in range(len(shape))
        ]
        total = like.new_zeros(())
        for factor, axes in self.terms:
            total = total + factor * prod(alone[axis] for axis in axes)
        return total
