"""Latent image and kernel in turns, from coarse to fine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from unblur.numerics.contrast import LOUD, price_against
from unblur.numerics.fourier import fast_length, fft, inverse_fft, psf_to_otf
from unblur.numerics.kernel_ops import recentre, remove_small_components
from unblur.numerics.operators import extend_periodic, gradient
from unblur.numerics.pyramid import PyramidLevel, rescale_kernel, shrink_image
from unblur_classic.map.edges import salient, threshold_for
from unblur_classic.map.kernel_update import EVEN_RIDGE, fit_kernel
from unblur_classic.map.latent_update import LAST, WeightedPrior, latent_image
from unblur_classic.map.preprocessing import Prepared

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
up to which it does not: the frames that `unblur.engine.kernels.kernel_size` finds were fitted to
images as quiet."""
FLOOR = 0.4
"""Of the fits in the last iterations, in which frequencies count alike, relative to the ridge of
those before. The strongest gradients alone tell too little of most frequencies for that."""
WAYS = ((0, -1), (-1, 0), (-1, -1), (-1, 1))
"""In which the second pixel of a first kernel may lie."""


@dataclass
class Level:
    """One scale's data, and the filled-in scenes that go from turn to turn.

    Attributes
    ----------
    known : (..., *domain)
        True where a pixel of a scene's blur was observed and may be trusted.
    known_slopes : (2, ..., *domain)
        True where a gradient of it was.
    scene : (..., *domain)
        The blurred scenes, filled in where they were not observed.
    latent : (..., *domain)
        The latent images of the last turn, at first the scenes.
    """

    known: Tensor
    known_slopes: Tensor
    scene: Tensor
    latent: Tensor

    @classmethod
    def of(cls, size: int, observed: Tensor, trusted: Tensor) -> Level:
        """Lay images (..., h, w) into scenes that are larger by the reach of a kernel of `size`.

        `trusted` (..., h, w) is 1 where a pixel may be.
        """
        domain = [fast_length(n + size - 1) for n in observed.shape[-2:]]
        known = placed(trusted > 0.999, domain, size)
        slopes = torch.stack([known & torch.roll(known, -1, axis) for axis in (-2, -1)])
        scene = extend_periodic(observed, domain, (_lead(size),) * 2)
        return cls(known, slopes, scene, scene)

    def slopes(
        self,
        kernels: Tensor,
        priors: Sequence[WeightedPrior],
        threshold: float = 0.0,
        last: float = LAST,
    ) -> tuple[Tensor, Tensor]:
        """Estimate the latent images for kernels, and return their gradients and the blurred ones.

        Both are (2, ..., *domain). Of the sharp ones, only those longer than `threshold` are left;
        the blurred ones are what they make where nothing was observed. `last` is the last penalty
        of `latent_image`.
        """
        self.latent, predicted = latent_image(self.scene, kernels, priors, self.latent, last)
        self.scene = torch.where(self.known, self.scene, predicted)
        sharp = gradient(self.latent)
        if threshold:
            sharp = salient(sharp, threshold)
        domain = self.latent.shape[-2:]
        filled = inverse_fft(psf_to_otf(kernels, domain) * fft(sharp, 2), domain)
        return sharp, torch.where(self.known_slopes, gradient(self.scene), filled)


def placed(window: Tensor, domain: Sequence[int], size: int) -> Tensor:
    """Return images (..., h, w) where `Level.of` lays them in a domain, 0 around them."""
    before = _lead(size)
    after = [n - before - m for n, m in zip(domain, window.shape[-2:], strict=True)]
    return functional.pad(window, (before, after[1], before, after[0]))


def _lead(size: int) -> int:
    return size - 1 - size // 2


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
    levels: Sequence[PyramidLevel],
    priors: Sequence[WeightedPrior],
    params: Any,
    on_turn: Callable[[Tensor], None],
    start: Tensor | None = None,
) -> Tensor:
    """Return the kernel, found from the first of the scales to the full one.

    Parameters
    ----------
    given : Prepared
        The image at the contrast that the priors' weights are meant for. The more noise it has,
        the less the first prior's weight falls, from a higher start if need be, and the more
        the ridge counts.
    levels : sequence of PyramidLevel
        The coarsest first.
    priors : sequence of WeightedPrior
        On the latent image. Beside one that is met in the gradient, others are left out of
        the refinements: they take time and change little there.
    params : Params
        With `iterations` per pyramid level, `refinements` after them, `ridge`, `whiten`, and the
        `threshold` and `min_component_mass` of `remove_small_components`, which is applied to the
        kernel after every iteration.
    on_turn : callable
        Called after every turn, with the kernel (n, n) at its scale.
    start : (n, n), optional
        Kernel to begin with, at the first of the scales; `first_kernel` if left out.
    """
    first = priors[0].weight
    highest = factor = max(price_against(given.noise) / EASY_PRICE, 1.0)
    kernel = first_kernel(levels[0].size, given.y) if start is None else start
    threshold, ratio = 0.0, levels[0].ratio
    for scale in levels:
        small = shrink_image(given.y, scale.ratio)
        limits = Limits.at(given.noise * scale.ratio)
        ridge = limits.ridge * params.ridge
        fit = partial(_fitted, params=params, ridge=ridge)
        level = Level.of(scale.size, small, shrink_image(given.trusted, scale.ratio))
        kernel, ratio = rescale_kernel(kernel, scale.size, scale.ratio / ratio), scale.ratio
        if not threshold:
            threshold = threshold_for(gradient(small), scale.size)
        for _ in range(params.iterations):
            eased = [p.lightened(factor) for p in priors]
            kernel = fit(kernel, *level.slopes(kernel, eased, threshold))
            threshold /= EASING
            factor = max(factor / EASING, min(limits.least / first, highest))
            on_turn(kernel)
        kernel = recentre(kernel, by="support")
    if params.whiten:
        fit = partial(_fitted, params=params, ridge=EVEN_RIDGE, floor=FLOOR * ridge)
    fall = (limits.finest / (factor * first)) ** (1 / max(params.refinements, 1))
    telling = [p for p in priors if p.on_gradient] or priors
    for _ in range(params.refinements):
        factor *= min(fall, 1.0)
        eased = [p.lightened(factor) for p in telling]
        kernel = fit(kernel, *level.slopes(kernel, eased))
        on_turn(kernel)
    return kernel


def first_kernel(size: int, like: Tensor, way: tuple[int, int] = WAYS[0]) -> Tensor:
    """Return a kernel (size, size) of two neighbouring pixels: any direction can grow from it.

    `way` leads from the one in the middle to the other, in rows and columns.
    """
    kernel = like.new_zeros(size, size)
    centre = size // 2
    kernel[centre, centre] = kernel[centre + way[0], centre + way[1]] = 0.5
    return kernel


def _fitted(
    kernel: Tensor,
    sharp: Tensor,
    blurred: Tensor,
    params: Any,
    ridge: float,
    floor: float | None = None,
) -> Tensor:
    """Return the non-negative least-squares fit without its specks."""
    found = fit_kernel(sharp, blurred, kernel, ridge=ridge, floor=floor)
    return remove_small_components(found, params.threshold, params.min_component_mass)
