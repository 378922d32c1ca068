"""The last iterations, without the network: L0-regularised latent images of ever more edges."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from functools import partial

import torch
from torch import Tensor

from unblur.numerics.kernel_ops import recentre, remove_small_components
from unblur.numerics.operators import gradient
from unblur.numerics.statistics import (
    CONTRAST,
    REFERENCE_L0_WEIGHT,
    REFERENCE_NOISE,
    l0_weight_for_noise,
)
from unblur_schuler.coarse_to_fine import OnStep, accumulate_spectra
from unblur_schuler.l0_images import l0_latent_images
from unblur_schuler.windows import AllWindows, WindowSelection

INITIAL_L0_WEIGHT = 1e-2
"""L0 weight of the first iteration, relative to the squared residual."""
MIN_COMPONENT_MASS = 0.03
"""Smallest mass of a connected component of the kernel that is kept, as a fraction of the sum."""


@dataclass(frozen=True)
class RefinementThresholds:
    """Constants of the refinement that depend on the noise.

    Attributes
    ----------
    final_l0_weight : float
        L0 weight of the last iteration, relative to the squared residual.
    ridge : float
        Weight beta_k of (Schuler Eq. 4), relative to the mean power of the features.
    threshold : float
        Value of the kernel relative to its peak, below which it becomes 0 in each iteration.
    """

    final_l0_weight: float
    ridge: float
    threshold: float

    @classmethod
    def at(cls, noise: float) -> RefinementThresholds:
        """Return the constants for noise of a standard deviation, for images of std `CONTRAST`.

        Up to the reference noise they are interpolated between `NOISE_FREE` and
        `AT_REFERENCE_NOISE`; above it the L0 weight is `l0_weight_for_noise`, and the ridge grows
        in proportion to the noise.
        """
        ratio = noise / REFERENCE_NOISE
        if ratio < 1:
            pairs = zip(astuple(NOISE_FREE), astuple(AT_REFERENCE_NOISE), strict=True)
            return cls(*(low + ratio * (high - low) for low, high in pairs))
        reference = AT_REFERENCE_NOISE
        return cls(l0_weight_for_noise(noise), reference.ridge * ratio, reference.threshold)


NOISE_FREE = RefinementThresholds(1e-4, 0.1, 0.04)
"""Constants without noise."""
AT_REFERENCE_NOISE = RefinementThresholds(REFERENCE_L0_WEIGHT, 0.4, 0.06)
"""Constants at the reference noise of `unblur.numerics`, about 1 % in photographs."""


def refine_kernel(
    y: Tensor,
    kernel: Tensor,
    iterations: int,
    noise: float,
    on_step: OnStep | None = None,
    selection: WindowSelection | AllWindows | None = None,
) -> Tensor:
    """Refine kernels at full resolution, without the network, to recover their low values.

    In each iteration the latent image is L0-regularised, with the kernel so far and a smaller
    weight than before, and the kernel is the quotient of the gradients (Schuler Eq. 4).

    Parameters
    ----------
    y : (B, 1, H, W)
        Blurred image, white = 1.
    kernel : (B, n, n)
        Initial kernels, of sum 1.
    iterations : int
        Number of iterations.
    noise : float
        Standard deviation of the noise, white = 1, which sets the thresholds.
    on_step : callable, optional
        Called after every iteration.
    selection : WindowSelection or AllWindows, optional
        Windows that are used; by default they cover the image. A `WindowSelection` is for a
        single image.
    """
    gain = CONTRAST / y.std((-2, -1), keepdim=True).clamp_min(1e-6)
    y = gain * y
    thresholds = RefinementThresholds.at(noise * float(gain.mean()))
    size = kernel.shape[-1]
    windows = (selection or AllWindows()).windows(y, size)
    decay = thresholds.final_l0_weight / INITIAL_L0_WEIGHT
    for weight in torch.logspace(0, 1, iterations, base=decay).mul(INITIAL_L0_WEIGHT).tolist():
        predict = partial(gradient_features, kernel=kernel, l0_weight=weight)
        raw = accumulate_spectra(y, windows, predict).kernel(size, thresholds.ridge)
        cleaned = [
            remove_small_components(k, thresholds.threshold, MIN_COMPONENT_MASS) for k in raw
        ]
        kernel = recentre(torch.stack(cleaned), by="unit-mass")
        if on_step is not None:
            on_step()
    return kernel


def gradient_features(y: Tensor, kernel: Tensor, l0_weight: float) -> tuple[Tensor, Tensor]:
    """Return the gradients of the L0-regularised and the blurred image, (B, 2, h, w) each."""
    latent = l0_latent_images(y, kernel, y.new_tensor([l0_weight]))
    sharp, blurred = (gradient(x)[:, :, 0].transpose(0, 1) for x in (latent, y))
    return sharp, blurred
