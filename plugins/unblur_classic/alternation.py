"""Latent image and kernel in turns, from coarse to fine, whatever the kernel is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from unblur.contrast import LOUD, price_against
from unblur.fourier import fast_length, fft, inverse_fft, psf_to_otf
from unblur.operators import extend_periodic, gradient
from unblur.pyramid import Scale, shrink_image
from unblur_classic.latent_step import WeightedPrior, latent_image
from unblur_classic.preparation import Prepared
from unblur_classic.salient_edges import salient, threshold_for

LEAST_WEIGHT = 1e-4
"""To which the first prior's weight falls on the way; the others fall in proportion."""
EASING = 1.1
"""Per iteration: the priors' weights and the salient edges' threshold are divided by it."""
FINEST_WEIGHT = 2e-5
"""At the end of the last iterations, which refine the kernel at full size."""
EASY_PRICE = 1e-3
"""Of an edge against the noise, up to which the priors have their own weights; else they grow."""
STRICTER, QUIET = 15.0, 0.1
"""By how much of itself the ridge grows where the noise is `LOUD`, and the share of that noise
up to which it does not: the frames that `unblur.extent` finds were fitted to images as quiet."""


class BlurModel(Protocol):
    """What the blur of an image is made of, as a tensor of weights.

    One kernel for all of it is the simplest one, with the kernel itself for weights.
    """

    def pieces(self, image: Tensor, scale: Scale) -> Tensor:
        """Cut an image (h, w) at a scale into pieces (..., h', w') with one kernel each."""

    def first(self, scale: Scale, like: Tensor) -> Tensor:
        """Return the weights to begin with."""

    def grown(self, weights: Tensor, scale: Scale) -> Tensor:
        """Return the weights of a coarser scale at this one."""

    def kernels(self, weights: Tensor, scale: Scale) -> Tensor:
        """Return the kernel (..., n, n) of each piece."""

    def fitted(
        self, weights: Tensor, scale: Scale, sharp: Tensor, blurred: Tensor, ridge: float
    ) -> Tensor:
        """Return the weights that turn gradients (2, ..., *domain) of pieces into blurred ones.

        Each piece's `k * sharp - blurred` is squared; `ridge` is the weight of the squared kernel.
        """

    def recentred(self, weights: Tensor, scale: Scale) -> Tensor:
        """Return the weights of the same blur in the middle of their frame."""


@dataclass
class Level:
    """One scale's data, and the filled-in scenes that go from turn to turn.

    Attributes
    ----------
    scale : Scale
        Which one.
    known : (..., *domain)
        True where a pixel of a scene's blur was observed and may be trusted.
    known_slopes : (2, ..., *domain)
        True where a gradient of it was.
    scene : (..., *domain)
        The blurred scenes, filled in where they were not observed.
    latent : (..., *domain)
        The latent images of the last turn, at first the scenes.
    """

    scale: Scale
    known: Tensor
    known_slopes: Tensor
    scene: Tensor
    latent: Tensor

    @classmethod
    def of(cls, scale: Scale, observed: Tensor, trusted: Tensor) -> Level:
        """Lay pieces (..., h, w) into scenes that are larger by the kernel's reach.

        `trusted` (..., h, w) is 1 where a pixel may be.
        """
        *lead, rows, columns = observed.shape
        domain = [fast_length(n + scale.size - 1) for n in (rows, columns)]
        before = scale.size - 1 - scale.size // 2
        window = (..., slice(before, before + rows), slice(before, before + columns))
        known = torch.zeros(*lead, *domain, dtype=torch.bool, device=observed.device)
        known[window] = trusted > 0.999
        slopes = torch.stack([known & torch.roll(known, -1, axis) for axis in (-2, -1)])
        scene = extend_periodic(observed, domain, (before, before))
        return cls(scale, known, slopes, scene, scene)

    def slopes(
        self, kernels: Tensor, priors: Sequence[WeightedPrior], threshold: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Estimate the latent images for kernels, and return their gradients and the blurred ones.

        Both are (2, ..., *domain). Of the sharp ones, only those longer than `threshold` are left;
        the blurred ones are what they make where nothing was observed.
        """
        self.latent, predicted = latent_image(self.scene, kernels, priors, self.latent)
        self.scene = torch.where(self.known, self.scene, predicted)
        sharp = gradient(self.latent)
        if threshold:
            sharp = salient(sharp, threshold)
        domain = self.latent.shape[-2:]
        filled = inverse_fft(psf_to_otf(kernels, domain) * fft(sharp, 2), domain)
        return sharp, torch.where(self.known_slopes, gradient(self.scene), filled)


@dataclass(frozen=True)
class Limits:
    """How far the weights fall at a scale, by its noise; found by trial on photographs.

    Attributes
    ----------
    least, finest : float
        To which the first prior's weight falls on the way, and at the end.
    ridge : float
        Factor on the ridge.
    """

    least: float
    finest: float
    ridge: float

    @classmethod
    def at(cls, noise: float) -> Limits:
        """Return the limits at a standard deviation of the noise, at `CONTRAST`."""
        finest = max(FINEST_WEIGHT, 2 * price_against(noise))
        ratio = noise / LOUD
        more = STRICTER * ratio * min(ratio**0.5, 1.0) if ratio > QUIET else 0.0
        return cls(max(LEAST_WEIGHT, 2 * finest), finest, 1 + more)


def alternate(
    given: Prepared,
    model: BlurModel,
    levels: Sequence[Scale],
    priors: Sequence[WeightedPrior],
    params: Any,
    tick: Callable[[], None],
) -> Tensor:
    """Return a model's weights, found from the coarsest scale to the full one.

    Parameters
    ----------
    given : Prepared
        The image at the contrast that the priors' weights are meant for. The more noise it has,
        the less the first prior's weight falls, from a higher start if need be, and the more
        the ridge counts.
    model : BlurModel
        What the blur is made of.
    levels : sequence of Scale
        The coarsest first.
    priors : sequence of WeightedPrior
        On the latent image.
    params : Params
        With `iterations` at every scale, `refinements` after them, and `ridge`.
    tick : callable
        Called after every turn.
    """
    first = priors[0].weight
    start = factor = max(price_against(given.noise) / EASY_PRICE, 1.0)
    weights, threshold = model.first(levels[0], given.y), 0.0
    for scale in levels:
        small = shrink_image(given.y, scale.ratio)
        certain = shrink_image(given.trusted, scale.ratio)
        limits = Limits.at(given.noise * scale.ratio)
        ridge = limits.ridge * params.ridge
        level = Level.of(scale, model.pieces(small, scale), model.pieces(certain, scale))
        weights = model.grown(weights, scale)
        if not threshold:
            threshold = threshold_for(gradient(small), scale.size)
        for _ in range(params.iterations):
            eased = [p.lightened(factor) for p in priors]
            slopes = level.slopes(model.kernels(weights, scale), eased, threshold)
            weights = model.fitted(weights, scale, *slopes, ridge)
            threshold /= EASING
            factor = max(factor / EASING, min(limits.least / first, start))
            tick()
        weights = model.recentred(weights, scale)
    fall = (limits.finest / (factor * first)) ** (1 / max(params.refinements, 1))
    for _ in range(params.refinements):
        factor *= min(fall, 1.0)
        eased = [p.lightened(factor) for p in priors]
        slopes = level.slopes(model.kernels(weights, scale), eased)
        weights = model.fitted(weights, scale, *slopes, ridge)
        tick()
    return weights
