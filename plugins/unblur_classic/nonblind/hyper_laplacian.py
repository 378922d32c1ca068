"""Deconvolution with the hyper-Laplacian prior on gradients."""

from __future__ import annotations

import copy
from math import hypot
from typing import Self

import torch
from pydantic import Field
from torch import Tensor

from unblur.accel.malloc import no_malloc_trim
from unblur.accel.parallel import one_thread_if_small
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.block_noise import estimate_block_noise
from unblur.numerics.boundaries import split_mask
from unblur.numerics.colour import to_luma
from unblur.numerics.inverse_filters import response_radius
from unblur.numerics.operators import Blur
from unblur.numerics.solvers import continuation
from unblur_classic.nonblind.differences import Differences
from unblur_classic.nonblind.regularization import (
    HALO_DESIGN_NOISE,
    Auto,
    RegularizedParams,
    limit_tile_halo,
    measure_contrast,
    quadratic_weight,
    relative_noise,
)
from unblur_classic.nonblind.scene_solver import Problem, SceneSolver, WholeSplitting
from unblur_classic.nonblind.tile_splitting import Predicted, TileSplitting, tile_domain

WEIGHT_FACTOR = 0.7
"""Weight divided by the squared noise, both relative to the contrast, dimensionless; best on
photographs."""
FIRST_PENALTY, LAST_PENALTY, PENALTY_GROWTH = 0.5, 200.0, 2.0
"""Penalties of the half-quadratic splitting relative to the weight, first, last and growth per
iteration, dimensionless: from nearly quadratic to nearly exact."""
WIENER_FACTOR = 2.5
"""Weight of the squared gradient in the initial Wiener solution, relative to the weight,
dimensionless."""
JPEG_SHARE = 0.6
"""Share of the errors of JPEG compression that counts as noise, dimensionless; best on photographs
of qualities 75 and 90. They have little of the high frequencies that a deconvolution amplifies."""


class HyperLaplacian(stages.Deconvolver):
    """Least squares with a sparse prior: few gradients are large, most are close to 0.

    The image is a minimiser over the scene `x` of::

        |M (k * x) - y|^2 / 2 + weight sum_i s_i |D_i x|^exponent

    where `M` keeps the valid pixels inside the border, and `D_i` are the first differences
    (`s = 1`) and the second ones (`s = curvature`). It assumes Gaussian noise and a scene with
    the heavy-tailed gradients of photographs: edges stay sharp, flat regions free of noise.

    Parameters
    ----------
    params : Params or mapping, optional
        See `HyperLaplacian.Params`.

    Notes
    -----
    Half-quadratic splitting: `w_i` replaces `D_i x` at a penalty that doubles from iteration to
    iteration. Each iteration shrinks the differences to `w_i`, exactly and elementwise, then
    divides once in Fourier space. The unobserved pixels of the blurred scene, beyond the border
    and under the mask, are variables of the same problem. They are replaced after each iteration
    by the prediction from the scene, so that the fixed points are those of the masked problem.
    Saturated pixels are variables too, initially the recorded values, which are their lower
    bounds. The iteration starts from the Wiener solution. The problem has many minima; the fast
    continuation finds better images than a slow one, at a higher energy.

    The weight is `0.7 (noise^2 + model_error^2)` for an image of contrast 1, and scales with the
    image's contrast. With `jpeg_noise` the errors of JPEG compression, as far as the borders of its
    blocks show them, are added to the noise; they are no white noise, and the estimated noise
    lacks them.

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
    summary = "Sparse gradients: sharp edges, flat regions without noise, for photographs."
    cites = "D. Krishnan, R. Fergus, Fast image deconvolution using hyper-Laplacian priors, 2009"
    dimensions = frozenset({2, 3})
    bounds_saturated = True

    class Params(RegularizedParams):
        """Settings of hyper-Laplacian deconvolution."""

        weight: Auto = Field(
            "auto",
            description="Weight of the prior against half the squared residual, white = 1; auto "
            "derives it from noise, model_error and contrast.",
        )
        exponent: float = Field(
            2 / 3, ge=0.1, le=1, description="Exponent of the gradient; smaller is sparser."
        )
        curvature: float = Field(
            0.25, ge=0, le=10, description="Weight of second differences against first ones."
        )
        jpeg_noise: bool = Field(
            False,
            description="Whether the errors of JPEG compression, measured at the borders of its "
            "blocks of 8 x 8 pixels, are added to the noise; an image without them is unchanged.",
        )

    block_noise: float | None = None
    """Standard deviation of the errors of JPEG compression, white = 1; set by calibration."""

    def deconvolve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Tensor:
        """Return the sharp image of the same shape as `blurred`; see `Deconvolver`."""
        with one_thread_if_small(blurred[0].numel()):
            scene, blur = self.solve(blurred, kernel, context, mask)
        return blur.crop(scene).contiguous()

    def solve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> tuple[Tensor, Blur]:
        """Return the scene (C, *domain), which extends beyond the image, and its blur operator."""
        context.checkpoint()
        # In units of the contrast, so that the penalties suit images of any contrast.
        unit = measure_contrast(blurred, context, mask)
        unit = torch.where(unit > 0, unit, 1).reshape([-1] + [1] * kernel.ndim)
        weight = self._weight(blurred, unit, context, mask)
        valid, saturated = split_mask(blurred, mask, context.saturation_level)
        psf = kernel.tensor(device=blurred.device)
        blur = _tile_blur(psf, blurred, valid, context) or Blur(
            psf, blurred.shape[1:], valid, context.window_axes
        )
        with no_malloc_trim():
            scene = self._split(blur, blurred / unit, weight, saturated, context)
            return scene.mul_(unit), blur

    def _weight(
        self, blurred: Tensor, unit: Tensor, context: Context, mask: Tensor | None
    ) -> Tensor:
        """Return the weight (C, 1, ...) for an image whose contrast is 1."""
        params = self.params
        if params.weight != "auto":
            scaled: Tensor = params.weight * unit ** (params.exponent - 2)
            return scaled
        noise = relative_noise(blurred, params.noise, context, mask, params.model_error)
        if not params.jpeg_noise:
            return WEIGHT_FACTOR * noise**2
        errors = self.block_noise
        if errors is None:
            errors = estimate_block_noise(to_luma(blurred))
        return WEIGHT_FACTOR * (noise**2 + (JPEG_SHARE * errors / unit) ** 2)

    def _split(
        self,
        blur: Blur,
        blurred: Tensor,
        weight: Tensor,
        saturated: Tensor | None,
        context: Context,
    ) -> Tensor:
        """Return the scene (C, *domain) by half-quadratic splitting."""
        exponent = self.params.exponent
        differences = Differences(blur.ndim, self.params.curvature, context.image_values)
        problem = Problem(
            blur,
            blurred,
            saturated,
            WIENER_FACTOR * weight,
            lambda: differences.power(blur.domain, blurred),
            context.checkpoint,
        )
        splitting = _splitting(problem, context)
        for ratio in context.track(
            list(continuation(FIRST_PENALTY, LAST_PENALTY, PENALTY_GROWTH)), self.name
        ):
            splitting.step(
                differences.shrink_sum(splitting.scene, 1 / ratio, exponent), ratio * weight
            )
        return splitting.scene

    def calibrate(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Self:
        """Return a copy with the errors of JPEG compression of the whole image, if they count."""
        calibrated = copy.copy(self)
        if self.params.jpeg_noise:
            calibrated.block_noise = estimate_block_noise(to_luma(blurred))
        return calibrated

    def halo(self, kernel: Kernel) -> tuple[int, ...]:
        """Return the radius of the Wiener filter for a noise of 1/40 of the contrast."""
        return response_radius(
            kernel, quadratic_weight(hypot(HALO_DESIGN_NOISE, self.params.model_error))
        )

    def tile_halo(self, kernel: Kernel, context: Context) -> tuple[int, ...]:
        """Return the halo for the image's own noise and contrast, where they are known."""
        largest = super().tile_halo(kernel, context)
        return limit_tile_halo(largest, kernel, self.params, context)


def _tile_blur(psf: Tensor, blurred: Tensor, valid: Tensor | None, context: Context) -> Blur | None:
    """Return the blur of a tile of a plane on the grid of its own, `None` for any other image."""
    if len(context.cut_axes) != 2 or psf.ndim != 2:
        return None
    shape, axes = blurred.shape[1:], (context.cut_axes, context.spanned_axes)
    return Blur(psf, shape, valid, domain=tile_domain(shape, psf.shape, *axes))


def _splitting(problem: Problem, context: Context) -> SceneSolver:
    """Return the splitting of a tile where that takes less time, or of any image."""
    is_tile = len(context.cut_axes) == problem.blur.ndim == 2
    if is_tile:
        predicted = Predicted.of(problem.blur, problem.blurred, problem.saturated)
        if predicted is not None:
            return TileSplitting(problem, predicted)
    return WholeSplitting(problem, is_lean=is_tile)
