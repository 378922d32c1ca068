"""The paper's network: features of its own for every stage of up to three scales."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from unblur.numerics.pyramid import RATIO, PyramidLevel, odd
from unblur_schuler.coarse_to_fine import Iteration, Network
from unblur_schuler.quotient import Spectra, deconvolve_gaussian, image_quotient

FILTERS = 32
"""Number of filters (Schuler Sec. 6)."""
EXTENT = 9
"""Extent of the filters in pixels, which the paper does not state."""
SIZES = (17, 25, 33)
"""Extents of the kernel at the three scales, in pixels (Schuler Sec. 6)."""
STAGES = 3
"""Number of iterations at every scale (Schuler Sec. 6)."""
RIDGE = 1e-4
"""Weight beta_k of (Schuler Eq. 4), relative to the mean power of the features."""
SMOOTHING = 0.5
"""Standard deviation in pixels of the Gaussian that kernels of the third scale are deconvolved by
(Schuler Sec. 6)."""


class Features(nn.Module):
    """Feature extraction (Schuler Eq. 2), two hidden layers: filters, tanh, linear, tanh, linear.

    Parameters
    ----------
    inputs : int
        Number of input images: the blurred one, or that and the latent one.
    pairs : int
        Number of pairs of gradient-like output images.
    """

    def __init__(self, inputs: int, pairs: int) -> None:
        super().__init__()
        self.filters = nn.Conv2d(inputs, FILTERS, EXTENT, padding=EXTENT // 2)
        self.hidden = nn.Conv2d(FILTERS, FILTERS, 1)
        self.last = nn.Conv2d(FILTERS, 2 * pairs, 1, bias=False)
        with torch.no_grad():
            # Filters of mean 0 respond to structure alone, from the first step on.
            weight = self.filters.weight
            weight -= weight.mean((-2, -1), keepdim=True)
            weight *= 3

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, inputs, h, w) to the features x_i and y_i, (B, pairs, h, w) each."""
        hidden = torch.tanh(self.hidden(torch.tanh(self.filters(images))))
        x, y = self.last(hidden).chunk(2, dim=1)
        return x, y


class PaperNetwork(Network):
    """The paper's architecture: three stages at each of up to three scales (Schuler Sec. 6).

    The input of stages after the first is the latent image of (Schuler Eq. 5) beside the blurred
    one; that of the first stage of a finer scale is the coarser scale's latent image, enlarged.
    Kernels above 33 pixels have further scales, half an octave apart, with the weights of the
    third.

    Notes
    -----
    Images are normalised to mean 0 and standard deviation 1 before (Schuler Eq. 2), and the
    beta_k of 1e-4 is relative to the features' mean power, so that neither brightness nor size
    matters.
    """

    iterations = STAGES

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            Features(1 if level == index == 0 else 2, 4 if index == STAGES - 1 else 2)
            for level in range(len(SIZES))
            for index in range(STAGES)
        )
        self.priors = nn.Parameter(torch.full((len(SIZES) * STAGES,), math.log(2e-2)))

    def levels(self, size: int) -> list[PyramidLevel]:
        """Return one scale up to 17 pixels, two up to 25, three up to 33, then more."""
        extents = [n for n in SIZES if n < size]
        while extents and extents[-1] >= SIZES[-1] and extents[-1] / RATIO < size:
            extents.append(odd(math.floor(extents[-1] / RATIO)))
        return [*(PyramidLevel(n / size, n) for n in extents), PyramidLevel(1.0, size)]

    def features(
        self, y: Tensor, kernel: Tensor | None, noise: Tensor, iteration: Iteration
    ) -> tuple[Tensor, Tensor]:
        """Return two pairs of features, four in the third stage; see `Network.features`."""
        mean = y.mean((-2, -1), keepdim=True)
        y = (y - mean) / y.std((-2, -1), keepdim=True).clamp_min(1e-6)
        stage = self._stage(iteration)
        found: tuple[Tensor, Tensor]
        if kernel is None:
            found = self.stages[stage](y)
        else:
            latent = self._latent(y, kernel, stage, iteration)
            found = self.stages[stage](torch.cat([y, latent], 1))
        return found

    def kernel(self, spectra: Spectra, iteration: Iteration) -> Tensor:
        """Return the quotient, clipped at 0; see `Network.kernel`."""
        clipped = functional.relu(spectra.kernel(iteration.size, RIDGE)) + 1e-9
        return clipped / clipped.sum((-2, -1), keepdim=True)

    def finalize(self, kernel: Tensor) -> Tensor:
        """Return a kernel of the third scale or a further one deconvolved by a Gaussian."""
        if kernel.shape[-1] <= SIZES[1]:
            return kernel
        return deconvolve_gaussian(kernel, SMOOTHING)

    def _stage(self, iteration: Iteration) -> int:
        return min(iteration.level, len(SIZES) - 1) * STAGES + iteration.index

    def _latent(self, y: Tensor, kernel: Tensor, stage: int, iteration: Iteration) -> Tensor:
        """Return the latent image of (Schuler Eq. 5) with the learned beta_x of the stage."""
        weights = self.priors[stage].exp().expand(y.shape[0], 1)
        if iteration.upscaling == 1:
            return image_quotient(y, kernel, weights, on_gradients=False)
        extent = [max(round(n / iteration.upscaling), 1) for n in y.shape[-2:]]
        coarse = functional.interpolate(y, extent, mode="bilinear", antialias=True)
        latent = image_quotient(coarse, kernel, weights, on_gradients=False)
        return functional.interpolate(latent, y.shape[-2:], mode="bilinear")
