"""Half-quadratic splitting on a scene that extends beyond the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unblur.model.stages import Prior
from unblur.numerics.boundaries import (
    lower_bound_projection,
    pad_periodic,
    solve_unobserved_saturated,
    unobserved_mask,
)
from unblur.numerics.fourier import apply_otf, fft, inverse_fft
from unblur.numerics.inverse_filters import WienerFilter
from unblur.numerics.operators import Blur
from unblur_denoiser.sigma_schedule import SigmaSchedule

COMPLETIONS = 2
"""Number of times per step that the unobserved pixels are predicted from the image that fits the
data; once more they are predicted from the priors' images, a count."""
GRID = 16
"""Extent of the cells to which the scene is aligned before a prior is applied, in pixels: a network
that halves the resolution sees the same pixels together in a tile as in the whole image."""

Denoise = Callable[[Tensor, Tensor, int], Tensor]
"""Function that returns the prior's image for the image that fits the data, the prior's image of
the step before (at first the Wiener estimate) and the number of the step."""


@dataclass(frozen=True)
class PriorTerm:
    """A prior and its weight against the data term."""

    prior: Prior
    weight: float


@dataclass(frozen=True)
class WienerStart:
    """The Wiener estimate with which the splitting begins.

    Attributes
    ----------
    completed : (C, *domain)
        The blurred scene, with the unobserved pixels solved for.
    scene : (C, *domain)
        The Wiener estimate.
    """

    completed: Tensor
    scene: Tensor

    @classmethod
    def of(
        cls, blur: Blur, blurred: Tensor, weight: float, saturated: Tensor | None = None
    ) -> WienerStart:
        """Return the estimate with that weight of the squared gradient; see `split`."""
        wiener = WienerFilter.of(blur.otf, blur.domain, weight)
        completed = solve_unobserved_saturated(blur, blurred, wiener, saturated)
        return cls(completed, apply_otf(completed, wiener.restore, blur.ndim))

    def smoothed(self, blur: Blur, weight: float) -> Tensor:
        """Return the Wiener estimate (C, *domain) of the same blurred scene with another weight."""
        wiener = WienerFilter.of(blur.otf, blur.domain, weight)
        return apply_otf(self.completed, wiener.restore, blur.ndim)


def split(
    blur: Blur,
    blurred: Tensor,
    schedule: SigmaSchedule,
    priors: Sequence[PriorTerm],
    saturated: Tensor | None = None,
    origin: Sequence[int] = (0, 0),
    on_step: Callable[..., None] = lambda *_: None,
) -> Tensor:
    """Return the scene (C, *domain) with priors in steps by rule.

    Parameters
    ----------
    blur : Blur
        Operator with the mask of valid pixels.
    blurred : (C, H, W)
        Image, white = 1.
    schedule : SigmaSchedule
        Noise levels and penalties.
    priors : sequence of PriorTerm
        Their proximal maps.
    saturated : (C, H, W), optional
        1 where a pixel is a lower bound on the blurred scene.
    origin : (int, int)
        Row and column of the first pixel in the whole image.
    on_step : callable
        Called after each step.
    """
    start = WienerStart.of(blur, blurred, schedule.wiener_weight, saturated)
    grid = AlignedGrid.of(blur, origin)

    def denoise(scene: Tensor, _: Tensor, number: int) -> Tensor:
        variance = schedule.sigmas[number] ** 2
        turned = rotate(grid.pad(scene[None])[0], number)
        images = [p.prior.proximal(turned, p.weight * variance) for p in priors]
        mean = sum(images[1:], images[0]) / len(images)
        return grid.crop(rotate_back(mean, number))

    return last_of(iterate(blur, blurred, start, schedule.penalties, denoise, saturated), on_step)


def last_of(estimates: Iterator[Tensor], on_step: Callable[..., None]) -> Tensor:
    """Return the last of one or more estimates; `on_step` is called after each."""
    result = next(estimates)
    on_step()
    for estimate in estimates:
        on_step()
        result = estimate
    return result


def iterate(
    blur: Blur,
    blurred: Tensor,
    start: WienerStart,
    penalties: Sequence[float] | Tensor,
    denoise: Denoise,
    saturated: Tensor | None = None,
) -> Iterator[Tensor]:
    """Yield the image of the prior, (C, *domain), after each step; see `split`.

    The first image that is denoised is the Wiener estimate, with itself in the place of the image
    of the step before; the first penalty has no effect.
    """
    domain, ndim = blur.domain, blur.ndim
    unobserved = unobserved_mask(blur, blurred)
    if saturated is not None:
        unobserved = torch.maximum(unobserved, blur.place(saturated))
    project = lower_bound_projection(blur, blurred, saturated)
    power = blur.otf.abs().square()
    completed = start.completed

    def complete(known: Tensor, spectrum: Tensor) -> Tensor:
        predicted = inverse_fft(blur.otf * spectrum, domain)
        return project(torch.lerp(known, predicted, unobserved))

    scene = mean = start.scene
    for number, penalty in enumerate(penalties):
        if number:
            pull = fft(mean, ndim)
            for _ in range(COMPLETIONS):
                total = blur.otf.conj() * fft(completed, ndim) + penalty * pull
                spectrum = total / (power + penalty)
                completed = complete(completed, spectrum)
            scene = inverse_fft(spectrum, domain)
        mean = denoise(scene, mean, number)
        if number + 1 < len(penalties):
            completed = complete(completed, fft(mean, ndim))
        yield mean


@dataclass(frozen=True)
class AlignedGrid:
    """Margins that align a periodic scene to multiples of `GRID` in the whole image."""

    margins: tuple[int, int, int, int]
    extent: tuple[int, int]

    @classmethod
    def of(cls, blur: Blur, origin: Sequence[int]) -> AlignedGrid:
        """Return the margins for the scene of an image whose first pixel is at `origin`."""
        height, width = blur.domain
        starts = [o - (n - 1 - n // 2) for o, n in zip(origin, blur.kernel.shape, strict=True)]
        top, left = (start % GRID for start in starts)
        bottom, right = -(top + height) % GRID, -(left + width) % GRID
        return cls((left, right, top, bottom), (height, width))

    def pad(self, scenes: Tensor) -> Tensor:
        """Return periodic scenes (N, C, H, W) with the margins."""
        return pad_periodic(scenes, self.margins)

    def crop(self, padded: Tensor) -> Tensor:
        """Return a scene without the margins."""
        left, _, top, _ = self.margins
        return padded[..., top : top + self.extent[0], left : left + self.extent[1]]


def rotate(x: Tensor, number: int) -> Tensor:
    """Return images (..., H, W) in orientation `number`: four, of which two are mirrored."""
    rotated = torch.rot90(x, number % 4, (-2, -1))
    return rotated.flip(-1).contiguous() if number % 2 else rotated.contiguous()


def rotate_back(x: Tensor, number: int) -> Tensor:
    """Undo `rotate`."""
    return torch.rot90(x.flip(-1) if number % 2 else x, -(number % 4), (-2, -1))
