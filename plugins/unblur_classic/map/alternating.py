"""Alternating minimisation over latent image and kernel, from coarse to fine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from unblur.numerics.fourier import fast_length, fft, inverse_fft, psf_to_otf
from unblur.numerics.kernel_ops import recentre, remove_small_components
from unblur.numerics.operators import extend_periodic, gradient
from unblur.numerics.pyramid import PyramidLevel, rescale_kernel, shrink_image
from unblur.numerics.statistics import REFERENCE_NOISE, l0_weight_for_noise
from unblur_classic.map.edges import keep_salient, salient_threshold
from unblur_classic.map.kernel_update import WHITENED_RIDGE, fit_kernel
from unblur_classic.map.latent_update import LAST_PENALTY, WeightedPrior, update_latent
from unblur_classic.map.preprocessing import EstimationInput

MIN_WEIGHT = 1e-4
"""Smallest weight of the first prior before the refinements, relative to the squared residual;
the weights of the others decrease in proportion."""
WEIGHT_DECAY = 1.1
"""Divisor per iteration of the priors' weights and of the threshold of salient edges,
dimensionless."""
FINAL_WEIGHT = 2e-5
"""Weight of the first prior at the end of the refinements, relative to the squared residual."""
MAX_UNSCALED_L0_WEIGHT = 1e-3
"""Largest noise-dependent L0 weight at which the configured prior weights are used unchanged,
relative to the squared residual. Above it they are scaled up in proportion."""
RIDGE_INCREASE, KEEP_RIDGE_BELOW = 15.0, 0.1
"""Relative increase of the ridge at the reference noise level, and the noise, as a fraction of
that level, below which the ridge is not increased, dimensionless. The kernel-size estimate
(`unblur_classic.map.kernel_size`) was calibrated on images below this noise."""
WHITENING_EPS = 0.4
"""Whitening constant of the refinements, as a multiple of the ridge. There is no whitening before:
thresholded gradients have too little energy at most frequencies."""
INITIAL_DIRECTIONS = ((0, -1), (-1, 0), (-1, -1), (-1, 1))
"""Offsets of the second pixel of an initial kernel from its centre, (rows, columns) in pixels."""


@dataclass
class ScaleState:
    """Masks and data of one pyramid level, and the images that each iteration updates.

    Attributes
    ----------
    observed : (..., *domain) bool
        True where a pixel of the blurred scene was observed and is valid.
    observed_gradients : (2, ..., *domain) bool
        True where a gradient of the blurred scene was observed.
    scene : (..., *domain)
        Blurred scenes, with predictions at unobserved pixels.
    latent : (..., *domain)
        Latent images of the last iteration, at first the scenes.
    """

    observed: Tensor
    observed_gradients: Tensor
    scene: Tensor
    latent: Tensor

    @classmethod
    def of(cls, size: int, images: Tensor, valid: Tensor) -> ScaleState:
        """Embed images (..., h, w) in scenes that are larger by a kernel of `size` pixels.

        `valid` (..., h, w) is 1 at valid pixels.
        """
        domain = [fast_length(n + size - 1) for n in images.shape[-2:]]
        observed = embed(valid > 0.999, domain, size)
        pairs = torch.stack([observed & torch.roll(observed, -1, axis) for axis in (-2, -1)])
        scene = extend_periodic(images, domain, (_offset(size),) * 2)
        return cls(observed, pairs, scene, scene)

    def update(
        self,
        kernels: Tensor,
        priors: Sequence[WeightedPrior],
        threshold: float = 0.0,
        last_penalty: float = LAST_PENALTY,
    ) -> tuple[Tensor, Tensor]:
        """Update the latent images for the kernels; return the gradients for the kernel update.

        Parameters
        ----------
        kernels : (..., n, n)
            Current kernels.
        priors : sequence of WeightedPrior
            Priors on the latent images.
        threshold : float
            Length below which gradients of the latent images are set to 0.
        last_penalty : float
            See `update_latent`.

        Returns
        -------
        sharp, blurred : (2, ..., *domain)
            Gradients of the latent images, and of the blurred scenes; where these were not
            observed, the convolution of `sharp` with the kernels.
        """
        self.latent, predicted = update_latent(
            self.scene, kernels, priors, self.latent, last_penalty
        )
        self.scene = torch.where(self.observed, self.scene, predicted)
        sharp = gradient(self.latent)
        if threshold:
            sharp = keep_salient(sharp, threshold)
        domain = self.latent.shape[-2:]
        filled = inverse_fft(psf_to_otf(kernels, domain) * fft(sharp, 2), domain)
        return sharp, torch.where(self.observed_gradients, gradient(self.scene), filled)


def embed(window: Tensor, domain: Sequence[int], size: int) -> Tensor:
    """Return images (..., h, w) zero-padded to a domain, at the position of `ScaleState.of`."""
    before = _offset(size)
    after = [n - before - m for n, m in zip(domain, window.shape[-2:], strict=True)]
    return functional.pad(window, (before, after[1], before, after[0]))


def _offset(size: int) -> int:
    return size - 1 - size // 2


@dataclass(frozen=True)
class WeightLimits:
    """Lower limits of the weights at a pyramid level, by its noise; found by trial on photographs.

    Attributes
    ----------
    smallest, final : float
        Weight of the first prior down to which it decreases before the refinements, and at their
        end, relative to the squared residual.
    ridge_factor : float
        Factor on the ridge.
    """

    smallest: float
    final: float
    ridge_factor: float

    @classmethod
    def at(cls, noise: float) -> WeightLimits:
        """Return the limits for a standard deviation of the noise, at `CONTRAST`."""
        final = max(FINAL_WEIGHT, 2 * l0_weight_for_noise(noise))
        ratio = noise / REFERENCE_NOISE
        increase = (
            RIDGE_INCREASE * ratio * min(ratio**0.5, 1.0) if ratio > KEEP_RIDGE_BELOW else 0.0
        )
        return cls(max(MIN_WEIGHT, 2 * final), final, 1 + increase)


def alternating_minimization(
    given: EstimationInput,
    levels: Sequence[PyramidLevel],
    priors: Sequence[WeightedPrior],
    params: Any,
    on_iteration: Callable[[Tensor], None],
    initial: Tensor | None = None,
) -> Tensor:
    """Return the kernel, estimated from the coarsest level to the full size.

    One iteration is a latent update (`update_latent`), then a kernel update (`fit_kernel`).

    Parameters
    ----------
    given : EstimationInput
        The image, normalised to the contrast for which the priors' weights are meant. With more
        noise the weight of the first prior decreases less, from a larger initial value if needed,
        and the ridge increases.
    levels : sequence of PyramidLevel
        The coarsest first.
    priors : sequence of WeightedPrior
        Priors on the latent image. If one acts on the gradient, those on the image are left out
        of the refinements: they take time and change little there.
    params : Params
        With `iterations` per pyramid level, `refinements` after them, `ridge`, `whiten`, and the
        `threshold` and `min_component_mass` of `remove_small_components`, which is applied to the
        kernel after every iteration.
    on_iteration : callable
        Called after every iteration with the kernel (n, n) at its level.
    initial : (n, n), optional
        Initial kernel at the first of the levels; `initial_kernel` if left out.
    """
    first = priors[0].weight
    largest = factor = max(l0_weight_for_noise(given.noise) / MAX_UNSCALED_L0_WEIGHT, 1.0)
    kernel = initial_kernel(levels[0].size, given.y) if initial is None else initial
    threshold, ratio = 0.0, levels[0].ratio
    for level in levels:
        small = shrink_image(given.y, level.ratio)
        limits = WeightLimits.at(given.noise * level.ratio)
        ridge = limits.ridge_factor * params.ridge
        fit = partial(_fit, params=params, ridge=ridge)
        state = ScaleState.of(level.size, small, shrink_image(given.valid, level.ratio))
        kernel, ratio = rescale_kernel(kernel, level.size, level.ratio / ratio), level.ratio
        if not threshold:
            threshold = salient_threshold(gradient(small), level.size)
        for _ in range(params.iterations):
            scaled = [p.scaled(factor) for p in priors]
            kernel = fit(kernel, *state.update(kernel, scaled, threshold))
            threshold /= WEIGHT_DECAY
            factor = max(factor / WEIGHT_DECAY, min(limits.smallest / first, largest))
            on_iteration(kernel)
        kernel = recentre(kernel, by="support")
    if params.whiten:
        fit = partial(_fit, params=params, ridge=WHITENED_RIDGE, whitening=WHITENING_EPS * ridge)
    decay = (limits.final / (factor * first)) ** (1 / max(params.refinements, 1))
    refining = [p for p in priors if p.on_gradient] or priors
    for _ in range(params.refinements):
        factor *= min(decay, 1.0)
        scaled = [p.scaled(factor) for p in refining]
        kernel = fit(kernel, *state.update(kernel, scaled))
        on_iteration(kernel)
    return kernel


def initial_kernel(
    size: int, like: Tensor, direction: tuple[int, int] = INITIAL_DIRECTIONS[0]
) -> Tensor:
    """Return a kernel (size, size) of two neighbouring pixels, from which any motion can evolve.

    `direction` is the offset of the second pixel from the centre, in rows and columns.
    """
    kernel = like.new_zeros(size, size)
    centre = size // 2
    kernel[centre, centre] = kernel[centre + direction[0], centre + direction[1]] = 0.5
    return kernel


def _fit(
    kernel: Tensor,
    sharp: Tensor,
    blurred: Tensor,
    params: Any,
    ridge: float,
    whitening: float | None = None,
) -> Tensor:
    """Return the non-negative least-squares fit without small components."""
    found = fit_kernel(sharp, blurred, kernel, ridge=ridge, whitening=whitening)
    return remove_small_components(found, params.threshold, params.min_component_mass)
