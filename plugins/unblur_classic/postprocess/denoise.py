"""Denoising by shrinking the cosine transforms of all overlapping blocks."""

from __future__ import annotations

import copy
from typing import Self

import torch
from pydantic import Field
from torch import Tensor

from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.fourier import psf_to_otf
from unblur.numerics.noise import estimate_noise
from unblur_classic.nonblind.regularization import Auto
from unblur_classic.postprocess.dct_blocks import Blocks, energy_through

THRESHOLD = 2.7
"""Multiple of the noise below which a coefficient of the first pass is set to 0."""

FLATTEST, FEWEST_BLOCKS = 0.01, 300
"""Share of the blocks, those flattest in the blurred image, on which noise is measured."""

LOWER_QUARTILE = 0.3186
"""Lower quartile of |N(0, 1)|. It suffers less from texture than the median does."""

LEAST_GAIN = 1e-3
"""Squared transfer function of a kernel below which no method amplifies noise any further."""

MOST_BLOCKS = 100_000
"""Blocks of a channel among which the flattest are looked for."""


class Denoise(stages.Postprocessor):
    """Noise is taken away where blocks of the image are no more than noise.

    Each block `b` of the image, in every position, is transformed to cosines, `c = D b`, and
    coefficients that noise explains are set to 0. A second pass uses the result `g` to shrink
    like a Wiener filter::

        first:   c <- c  where |c| > 2.7 s, else 0
        second:  c <- c g^2 / (g^2 + s^2)

    Every pixel is the mean over the blocks that hold it, quieter blocks counting more. It
    assumes additive noise, alike all over the image, whose strength `s` differs between
    frequencies: deconvolution amplifies some far more than others.

    Parameters
    ----------
    params : Params or mapping, optional
        See `Denoise.Params`.

    Notes
    -----
    Before a deconvolution the noise is white, and its level is the context's or estimated.
    After one, `s` is measured for each frequency where the blurred image is flattest; it is no
    more than inverse filtering makes of the blurred image's noise. An image without any flat
    part then loses some texture: lower `strength`.

    What is measured belongs to the whole image: tiles share what `settled` measured.

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
    summary = "Remove noise, also the coloured noise that deconvolution leaves."
    cites = "G. Yu, G. Sapiro, DCT image denoising, Image Processing On Line 1, 2011"
    dimensions = frozenset({2, 3})

    class Params(stages.Params):
        """Settings of the denoiser."""

        noise: Auto = Field(
            "auto",
            description="Standard deviation of white noise, white = 1; auto measures it for "
            "each frequency.",
        )
        strength: float = Field(
            1.0, ge=0, le=10, description="Factor on the noise; less keeps more texture."
        )

    levels: Tensor | None = None
    """Noise of each coefficient, (64, C), once settled."""

    def process(
        self, image: Tensor, blurred: Tensor, kernel: Kernel | None, context: Context
    ) -> Tensor:
        """Return the denoised image; see `Postprocessor`."""
        context.checkpoint()
        levels = self.levels
        if levels is None:
            levels = self._measure(image, blurred, kernel, context)
        noise = self.params.strength * levels.to(image)
        if not bool(noise.any()):
            return image
        blocks = Blocks(image.ndim - 1)
        noise = noise.reshape(*noise.shape, *[1] * blocks.ndim)
        variance = noise**2 + 1e-14

        def threshold(seen: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
            kept = seen.abs() > THRESHOLD * noise
            kept[0] = True
            return seen * kept, 1 / (kept * variance).sum(0, keepdim=True)

        def shrink(seen: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
            gain = guide**2 / (guide**2 + variance)
            gain[0] = 1
            return seen * gain, 1 / (gain**2 * variance).sum(0, keepdim=True)

        first = blocks.filtered(image, image, threshold)
        context.checkpoint()
        return blocks.filtered(image, first, shrink)

    def halo(self, kernel: Kernel | None) -> tuple[int, ...]:
        """Return the reach of two passes over blocks."""
        ndim = 2 if kernel is None else kernel.ndim
        return (2 * Blocks(ndim).reach,) * ndim

    def settled(
        self, image: Tensor, blurred: Tensor, kernel: Kernel | None, context: Context
    ) -> Self:
        """Return the stage with the noise measured."""
        decided = copy.copy(self)
        decided.levels = self._measure(image, blurred, kernel, context)
        return decided

    def _measure(
        self, image: Tensor, blurred: Tensor, kernel: Kernel | None, context: Context
    ) -> Tensor:
        """Return the noise of each coefficient and channel, (64, C)."""
        if self.params.noise != "auto":
            return image.new_full((64, len(image)), self.params.noise)
        if context.noise is not None:
            white = image.new_full((len(image),), context.noise)
        else:
            white = image.new_tensor([estimate_noise(channel) for channel in blurred])
        if image is blurred or torch.equal(image, blurred):
            return white.expand(64, -1)
        levels = _measured(image, blurred)
        if kernel is None or kernel.ndim != image.ndim - 1:
            return levels
        return torch.minimum(levels, amplified(kernel, image)[:, None] * white)


def _measured(image: Tensor, blurred: Tensor) -> Tensor:
    """Return the noise of each coefficient over the flattest blocks, (64, C)."""
    blocks = Blocks(image.ndim - 1)
    if min(image.shape[1:]) < blocks.edge:
        return image.new_zeros((64, len(image)))
    step = 1
    while image[0].numel() > MOST_BLOCKS * step**blocks.ndim:
        step += 1
    smooth = (blocks.order >= 1) & (blocks.order <= 2)
    levels = []
    for x, y in zip(image, blurred, strict=True):
        slope = (blocks.coefficients(y[None], step)[smooth.to(y.device)] ** 2).sum(0).flatten()
        seen = blocks.coefficients(x[None], step).flatten(1)
        alive = (seen[1:] != 0).any(0)  # clipped plains have no noise to measure
        if not bool(alive.any()):
            levels.append(seen.new_zeros(64))
            continue
        slope, seen = slope[alive], seen[:, alive]
        count = min(max(int(FLATTEST * slope.numel()), FEWEST_BLOCKS), slope.numel())
        flattest = slope.topk(count, largest=False).indices
        levels.append(seen[:, flattest].abs().quantile(0.25, dim=1) / LOWER_QUARTILE)
    return torch.stack(levels, dim=1)


def amplified(kernel: Kernel, like: Tensor) -> Tensor:
    """Return the deviation of each coefficient of unit white noise after inverse filtering."""
    blocks = Blocks(kernel.ndim)
    extent = [max(32, n) for n in kernel.shape]
    otf = psf_to_otf(kernel.tensor(dtype=torch.float64), extent)
    basis = blocks.basis.double().reshape(64, *[blocks.edge] * blocks.ndim)
    gain = 1 / (otf.abs() ** 2).clamp_min(LEAST_GAIN)
    return energy_through(basis, gain, extent).sqrt().to(like)
