"""The paper's network: its own features for every stage of up to three scales."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from unblur.numerics.pyramid import RATIO, PyramidLevel, odd
from unblur_schuler.coarse_to_fine import Network, Step
from unblur_schuler.quotient import Spectra, deconvolved_by_gaussian, image_quotient

FILTERS = 32
EXTENT = 9
"""Edge of the filters in pixels; the paper does not state it."""
SIZES = (17, 25, 33)
STAGES = 3
RIDGE = 1e-4
SMOOTHING = 0.5
"""Standard deviation of the Gaussian that kernels of the third scale are rid of (section 6)."""


class Features(nn.Module):
    """Eq. 2 with two hidden layers: filters, tanh, linear, tanh, linear.

    Parameters
    ----------
    inputs : int
        Images seen: the blurred one, or that and the latent one.
    pairs : int
        Pairs of gradient-like images answered.
    """

    def __init__(self, inputs: int, pairs: int) -> None:
        super().__init__()
        self.filters = nn.Conv2d(inputs, FILTERS, EXTENT, padding=EXTENT // 2)
        self.hidden = nn.Conv2d(FILTERS, FILTERS, 1)
        self.last = nn.Conv2d(FILTERS, 2 * pairs, 1, bias=False)
        with torch.no_grad():
            # Filters without a mean answer to structure alone, from the start.
            weight = self.filters.weight
            weight -= weight.mean((-2, -1), keepdim=True)
            weight *= 3

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, inputs, h, w) to the features x and y, (B, pairs, h, w) each."""
        hidden = torch.tanh(self.hidden(torch.tanh(self.filters(images))))
        x, y = self.last(hidden).chunk(2, dim=1)
        return x, y


class PaperNetwork(Network):
    """The layout of the paper: three stages at each of up to three scales (section 6).

    Stages after the first see the latent image of Eq. 5 beside the blurred one; the first
    stage of a finer scale sees the coarser scale's latent image, enlarged. Kernels above 33
    pixels take further scales, half an octave apart, with the weights of the third.

    Notes
    -----
    Images are brought to zero mean and unit contrast before Eq. 2, and the beta_k of 1e-4 is
    relative to the features' mean power, so that neither brightness nor size matters.
    """

    turns = STAGES

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            Features(1 if scale == turn == 0 else 2, 4 if turn == STAGES - 1 else 2)
            for scale in range(len(SIZES))
            for turn in range(STAGES)
        )
        self.priors = nn.Parameter(torch.full((len(SIZES) * STAGES,), math.log(2e-2)))

    def scales(self, size: int) -> list[PyramidLevel]:
        """Return one scale up to 17 pixels, two up to 25, three up to 33, then more."""
        extents = [n for n in SIZES if n < size]
        while extents and extents[-1] >= SIZES[-1] and extents[-1] / RATIO < size:
            extents.append(odd(math.floor(extents[-1] / RATIO)))
        return [*(PyramidLevel(n / size, n) for n in extents), PyramidLevel(1.0, size)]

    def features(
        self, y: Tensor, kernel: Tensor | None, noise: Tensor, step: Step
    ) -> tuple[Tensor, Tensor]:
        """Return two pairs of features, four in the third stage; see `Network.features`."""
        mean = y.mean((-2, -1), keepdim=True)
        y = (y - mean) / y.std((-2, -1), keepdim=True).clamp_min(1e-6)
        stage = self._number(step)
        found: tuple[Tensor, Tensor]
        if kernel is None:
            found = self.stages[stage](y)
        else:
            found = self.stages[stage](torch.cat([y, self._latent(y, kernel, stage, step)], 1))
        return found

    def kernel(self, spectra: Spectra, step: Step) -> Tensor:
        """Return the quotient without its negative values; see `Network.kernel`."""
        kept = functional.relu(spectra.kernel(step.size, RIDGE)) + 1e-9
        return kept / kept.sum((-2, -1), keepdim=True)

    def finished(self, kernel: Tensor) -> Tensor:
        """Return a kernel of the third scale or a further one deconvolved by a Gaussian."""
        if kernel.shape[-1] <= SIZES[1]:
            return kernel
        return deconvolved_by_gaussian(kernel, SMOOTHING)

    def _number(self, step: Step) -> int:
        return min(step.scale, len(SIZES) - 1) * STAGES + step.turn

    def _latent(self, y: Tensor, kernel: Tensor, stage: int, step: Step) -> Tensor:
        level = self.priors[stage].exp().expand(y.shape[0], 1)
        if step.rise == 1:
            return image_quotient(y, kernel, level, slopes=False)
        extent = [max(round(n / step.rise), 1) for n in y.shape[-2:]]
        coarse = functional.interpolate(y, extent, mode="bilinear", antialias=True)
        latent = image_quotient(coarse, kernel, level, slopes=False)
        return functional.interpolate(latent, y.shape[-2:], mode="bilinear")
