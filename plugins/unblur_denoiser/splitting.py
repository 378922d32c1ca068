"""Half-quadratic splitting on a scene that extends beyond the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from unblur.model.stages import Prior
from unblur.numerics.boundaries import (
    lower_bound_projection,
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


@dataclass(frozen=True)
class PriorTerm:
    """A prior and its weight against the data term."""

    prior: Prior
    weight: float


def split(
    blur: Blur,
    blurred: Tensor,
    schedule: SigmaSchedule,
    priors: Sequence[PriorTerm],
    saturated: Tensor | None = None,
    origin: Sequence[int] = (0, 0),
    on_step: Callable[..., None] = lambda *_: None,
) -> Tensor:
    """Return the scene (C, *domain); without priors it is the Wiener estimate.

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
    domain, ndim = blur.domain, blur.ndim
    wiener = WienerFilter.of(blur.otf, domain, schedule.wiener_weight)
    completed = solve_unobserved_saturated(blur, blurred, wiener, saturated)
    scene = apply_otf(completed, wiener.restore, ndim)
    if not priors:
        return scene
    unobserved = unobserved_mask(blur, blurred)
    if saturated is not None:
        unobserved = torch.maximum(unobserved, blur.place(saturated))
    project = lower_bound_projection(blur, blurred, saturated)
    grid = _AlignedGrid.of(blur, origin)
    power = blur.otf.abs().square()

    def complete(known: Tensor, spectrum: Tensor) -> Tensor:
        predicted = inverse_fft(blur.otf * spectrum, domain)
        return project(torch.lerp(known, predicted, unobserved))

    mean = scene
    for number, (sigma, penalty) in enumerate(
        zip(schedule.sigmas, schedule.penalties, strict=True)
    ):
        if number:
            pull = fft(mean, ndim)
            for _ in range(COMPLETIONS):
                total = blur.otf.conj() * fft(completed, ndim) + penalty * pull
                spectrum = total / (power + penalty)
                completed = complete(completed, spectrum)
            scene = inverse_fft(spectrum, domain)
        images = [grid.apply(p.prior, scene, p.weight * sigma**2, number) for p in priors]
        mean = sum(images[1:], images[0]) / len(images)
        completed = complete(completed, fft(mean, ndim))
        on_step()
    return mean


@dataclass(frozen=True)
class _AlignedGrid:
    """Margins that align a periodic scene to multiples of `GRID` in the whole image."""

    margins: tuple[int, int, int, int]
    extent: tuple[int, int]

    @classmethod
    def of(cls, blur: Blur, origin: Sequence[int]) -> _AlignedGrid:
        """Return the margins for the scene of an image whose first pixel is at `origin`."""
        height, width = blur.domain
        starts = [o - (n - 1 - n // 2) for o, n in zip(origin, blur.kernel.shape, strict=True)]
        top, left = (start % GRID for start in starts)
        bottom, right = -(top + height) % GRID, -(left + width) % GRID
        return cls((left, right, top, bottom), (height, width))

    def apply(self, prior: Prior, scene: Tensor, step: float, number: int) -> Tensor:
        """Return the proximal point of a scene, rotated and mirrored in a way for each number."""
        left, _, top, _ = self.margins
        padded = functional.pad(scene[None], self.margins, mode="circular")[0]
        turned = _rotate(padded, number)
        found = _rotate_back(prior.proximal(turned, step), number)
        return found[..., top : top + self.extent[0], left : left + self.extent[1]]


def _rotate(x: Tensor, number: int) -> Tensor:
    rotated = torch.rot90(x, number % 4, (-2, -1))
    return rotated.flip(-1).contiguous() if number % 2 else rotated.contiguous()


def _rotate_back(x: Tensor, number: int) -> Tensor:
    return torch.rot90(x.flip(-1) if number % 2 else x, -(number % 4), (-2, -1))
