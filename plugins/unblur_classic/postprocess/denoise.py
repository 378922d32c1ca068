"""Denoising by shrinkage of the cosine transforms of all overlapping blocks."""

from __future__ import annotations

import copy
from typing import Literal, Self

import torch
from pydantic import Field
from torch import Tensor

from unblur.accel.threads import can_compile
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.colour import merge_luma, split_luma
from unblur.numerics.fourier import psf_to_otf
from unblur.numerics.noise import estimate_noise
from unblur_classic.nonblind.regularization import Auto
from unblur_classic.postprocess.dct_blocks import BlockDct, filtered_noise_variance

THRESHOLD = 2.7
"""Hard threshold of the first pass, in multiples of the noise."""

FLAT_FRACTION, MIN_BLOCKS = 0.01, 300
"""Fraction of the blocks, those flattest in the blurred image, on which noise is measured, and
the smallest number of them, dimensionless."""

LOWER_QUARTILE = 0.3186
"""Lower quartile of |N(0, 1)|, dimensionless; texture biases it less than the median."""

MIN_POWER = 1e-3
"""Squared transfer function of a kernel below which the noise gain is taken as constant,
dimensionless; regularised methods amplify no frequency further."""

COLOURS = 3
"""Number of channels of an image that has a chroma, dimensionless."""

COMPILED_FROM = 2**19
"""Smallest number of values of a whole image that is filtered by compiled loops, a count; to load
the loops takes about as long as they save on one such image."""

MAX_BLOCKS = 100_000
"""Largest number of blocks of a channel that are searched for flat ones, dimensionless."""


class Denoise(stages.Postprocessor):
    """Denoise by shrinkage of the cosine transforms of all overlapping blocks.

    Each block `b` of the image, at every position, is transformed, `c = D b`, and coefficients
    below the noise are set to 0. A second pass uses the result `g` as the guide of a Wiener
    filter::

        first:   c <- c  where |c| > 2.7 s, else 0
        second:  c <- c g^2 / (g^2 + s^2)

    Every pixel is the mean over the blocks that contain it, weighted by the inverse of their
    remaining noise variance. It assumes additive noise with the same statistics all over the
    image, whose standard deviation `s` depends on the frequency: deconvolution amplifies some
    frequencies far more than others.

    Parameters
    ----------
    params : Params or mapping, optional
        See `Denoise.Params`.

    Notes
    -----
    Before a deconvolution the noise is white, and its level is the context's or estimated.
    After one, `s` is measured for each frequency where the blurred image is flattest, and limited
    to the blurred image's noise after inverse filtering. An image without flat parts then loses
    some texture: lower `strength`.

    The noise is measured on the whole image; tiles use the values of the calibrated stage.

    The chroma of a photograph varies less than its luma, and its noise, which a deconvolution
    amplifies, is disturbing: with `channels` "chroma" it alone is denoised. Its noise is measured
    where the blurred chroma is flattest, without the limit, since that of a file may be smooth.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> noisy = 0.5 + 0.05 * torch.randn(1, 64, 64, generator=generator)
    >>> bool(Denoise().process(noisy, noisy, None, Context()).std() < 0.01)
    True

    References
    ----------
    G. Yu, G. Sapiro, "DCT image denoising: a simple and effective image denoising algorithm",
    Image Processing On Line 1, 2011. For the second pass: K. Dabov, A. Foi, V. Katkovnik,
    K. Egiazarian, "Image denoising by sparse 3-D transform-domain collaborative filtering",
    IEEE TIP 16(8), 2007, section III.
    """

    name = "denoise"
    summary = "Remove noise, also the coloured noise of a deconvolved image."
    cites = "G. Yu, G. Sapiro, DCT image denoising, Image Processing On Line 1, 2011"
    dimensions = frozenset({2, 3})

    class Params(stages.Params):
        """Settings of the denoiser."""

        noise: Auto = Field(
            "auto",
            description="Standard deviation of white noise, white = 1; auto measures it for each "
            "frequency.",
        )
        strength: float = Field(
            1.0, ge=0, le=10, description="Factor on the noise; smaller values keep more texture."
        )
        channels: Literal["all", "chroma"] = Field(
            "all",
            description="All channels, or the chroma of an image of three, whose luma stays as it "
            "is; an image of another number of channels then stays as it is.",
        )

    noise_levels: Tensor | None = None
    """Noise of each coefficient, (64, C), white = 1; set by calibration."""

    def process(
        self, image: Tensor, blurred: Tensor, kernel: Kernel | None, context: Context
    ) -> Tensor:
        """Return the denoised image; see `Postprocessor`."""
        context.checkpoint()
        if self.params.channels == "all":
            return self._denoised(image, blurred, kernel, context)
        if len(image) != COLOURS:
            return image
        luma, chroma = split_luma(image)
        # Only to measure the noise the blurred chroma is needed.
        before = split_luma(blurred)[1] if self.noise_levels is None else chroma
        return merge_luma(luma, self._denoised(chroma, before, kernel, context))

    def _denoised(
        self, image: Tensor, blurred: Tensor, kernel: Kernel | None, context: Context
    ) -> Tensor:
        levels = self.noise_levels
        if levels is None:
            levels = self._measure(image, blurred, kernel, context)
        noise = self.params.strength * levels.to(image)
        if not bool(noise.any()):
            return image
        noise = noise.T[:, :, None].contiguous()
        variance = noise**2 + 1e-14
        if is_compiled(image.contiguous(), context.image_values):
            from unblur_classic.postprocess.dct_loops import filter_planes

            limits, variances = THRESHOLD * noise[..., 0], variance[..., 0]
            first = filter_planes(image, None, limits, variances)
            context.checkpoint()
            return filter_planes(image, first, limits, variances)
        blocks = BlockDct(image.ndim - 1)
        variances = variance.transpose(1, 2)

        def threshold(c: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
            kept = c.abs().gt_(THRESHOLD * noise)
            kept[:, 0] = 1
            return c.mul_(kept), 1 / (variances @ kept)

        def shrink(c: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
            power = guide.square_()
            gain = power.div_(power + variance)
            gain[:, 0] = 1
            return c.mul_(gain), 1 / (variances @ gain.square_())

        first = blocks.filtered(image, image, threshold)
        context.checkpoint()
        return blocks.filtered(image, first, shrink)

    def halo(self, kernel: Kernel | None) -> tuple[int, ...]:
        """Return the radius of two passes over blocks."""
        ndim = 2 if kernel is None else kernel.ndim
        return (2 * BlockDct(ndim).radius,) * ndim

    def calibrate(
        self, image: Tensor, blurred: Tensor, kernel: Kernel | None, context: Context
    ) -> Self:
        """Return a copy with the noise measured on the whole image."""
        calibrated = copy.copy(self)
        if self.params.channels == "chroma":
            if len(image) != COLOURS:
                return calibrated
            image, blurred = split_luma(image)[1], split_luma(blurred)[1]
        calibrated.noise_levels = self._measure(image, blurred, kernel, context)
        return calibrated

    def _measure(
        self, image: Tensor, blurred: Tensor, kernel: Kernel | None, context: Context
    ) -> Tensor:
        """Return the noise of each coefficient and channel, (64, C)."""
        if self.params.noise != "auto":
            return image.new_full((64, len(image)), self.params.noise)
        if self.params.channels == "chroma":
            return _measure_flat_blocks(image, blurred)
        if context.noise is not None:
            white = image.new_full((len(image),), context.noise)
        else:
            white = image.new_tensor([estimate_noise(channel) for channel in blurred])
        if image is blurred or torch.equal(image, blurred):
            return white.expand(64, -1)
        levels = _measure_flat_blocks(image, blurred)
        if kernel is None or kernel.ndim != image.ndim - 1:
            return levels
        return torch.minimum(levels, deconvolved_noise(kernel, image)[:, None] * white)


def is_compiled(image: Tensor, image_values: int) -> bool:
    """Return whether compiled loops filter an image (C, *spatial).

    `image_values` is the number of values of the whole image that it is a part of.
    """
    is_large = max(image_values, image.numel()) >= COMPILED_FROM
    return is_large and image.ndim == 3 and can_compile(image)


def _measure_flat_blocks(image: Tensor, blurred: Tensor) -> Tensor:
    """Return the noise of each coefficient over the flattest blocks, (64, C)."""
    blocks = BlockDct(image.ndim - 1)
    if min(image.shape[1:]) < blocks.edge:
        return image.new_zeros((64, len(image)))
    step = 1
    while image[0].numel() > MAX_BLOCKS * step**blocks.ndim:
        step += 1
    lowest = (blocks.order >= 1) & (blocks.order <= 2)
    levels = []
    for x, y in zip(image, blurred, strict=True):
        gradient_energy = (
            (blocks.coefficients(y[None], step)[0, lowest.to(y.device)] ** 2).sum(0).flatten()
        )
        coefficients = blocks.coefficients(x[None], step)[0].flatten(1)
        varying = (coefficients[1:] != 0).any(0)  # clipped areas are constant: no noise to measure
        if not bool(varying.any()):
            levels.append(coefficients.new_zeros(64))
            continue
        gradient_energy, coefficients = gradient_energy[varying], coefficients[:, varying]
        number = min(
            max(int(FLAT_FRACTION * gradient_energy.numel()), MIN_BLOCKS), gradient_energy.numel()
        )
        flattest = gradient_energy.topk(number, largest=False).indices
        levels.append(coefficients[:, flattest].abs().quantile(0.25, dim=1) / LOWER_QUARTILE)
    return torch.stack(levels, dim=1)


def deconvolved_noise(kernel: Kernel, like: Tensor) -> Tensor:
    """Return the standard deviation, (64,), of the coefficients of inverse-filtered unit noise."""
    blocks = BlockDct(kernel.ndim)
    extent = [max(32, n) for n in kernel.shape]
    otf = psf_to_otf(kernel.tensor(dtype=torch.float64), extent)
    basis = blocks.basis.double().reshape(64, *[blocks.edge] * blocks.ndim)
    gain = 1 / (otf.abs() ** 2).clamp_min(MIN_POWER)
    return filtered_noise_variance(basis, gain, extent).sqrt().to(like)
