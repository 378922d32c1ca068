"""Half-quadratic splitting with the pixels of the blurred scene that were not observed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from unblur.numerics.boundaries import (
    lower_bound_projection,
    solve_unobserved_saturated,
    unobserved_mask,
)
from unblur.numerics.fourier import apply_otf, fft, inverse_fft
from unblur.numerics.inverse_filters import WienerFilter
from unblur.numerics.operators import Blur


class SceneSolver(Protocol):
    """The scene, and the half of an iteration that is a division in Fourier space.

    Attributes
    ----------
    scene : (C, *domain)
        The present solution; at first that of the Wiener filter.
    """

    scene: Tensor

    def step(self, sparse: Tensor, penalty: Tensor) -> None:
        """Replace the scene by that of least cost for given sparse differences.

        Parameters
        ----------
        sparse : (C, *domain)
            Sum of the shrunk differences, each mapped back by its adjoint; may be overwritten.
        penalty : (C, 1, ...)
            Weight of the distance between the scene's differences and the shrunk ones.
        """


@dataclass
class Problem:
    """An image to deconvolve.

    Attributes
    ----------
    blur : Blur
        The blur, with the mask of valid pixels.
    blurred : (C, *spatial)
        The image.
    saturated : (C, *spatial), optional
        1 where a pixel is saturated.
    wiener_weight : (C, 1, ...)
        Weight of the squared gradient in the first solution.
    prior : callable
        Returns the transfer function of the differences and their adjoint, weighted.
    on_step : callable
        Called at each step of the first solution, for cancellation.
    """

    blur: Blur
    blurred: Tensor
    saturated: Tensor | None
    wiener_weight: Tensor
    prior: Callable[[], Tensor]
    on_step: Callable[[], None]

    def initial_solution(self, is_lean: bool = False) -> tuple[WienerFilter, Tensor]:
        """Return the Wiener filter, and the blurred scene (C, *domain) completed by it.

        `is_lean` is whether memory is scarce, see `unblur.numerics.border_bands.BorderBands`.
        """
        wiener = WienerFilter.of(self.blur.otf, self.blur.domain, self.wiener_weight)
        return wiener, solve_unobserved_saturated(
            self.blur,
            self.blurred,
            wiener,
            self.saturated,
            lambda *_: self.on_step(),
            is_lean=is_lean,
        )


class WholeSplitting:
    """The scene of any image, with four transforms in an iteration; see `SceneSolver`.

    Parameters
    ----------
    problem : Problem
        The image.
    is_lean : bool
        Whether memory is scarce, as it is for tiles.
    """

    def __init__(self, problem: Problem, is_lean: bool = False) -> None:
        self._blur = blur = problem.blur
        saturated = problem.saturated
        self._power, self._prior = blur.otf.abs() ** 2, problem.prior()
        self._unobserved = unobserved_mask(blur, problem.blurred)
        wiener, self._completed = problem.initial_solution(is_lean)
        self._project = lower_bound_projection(blur, problem.blurred, saturated)
        if saturated is not None:
            self._unobserved = torch.maximum(self._unobserved, blur.place(saturated))
        self.scene = apply_otf(self._completed, wiener.restore, blur.ndim)

    def step(self, sparse: Tensor, penalty: Tensor) -> None:
        """Replace the scene, and predict the pixels that were not observed from it."""
        otf, ndim, domain = self._blur.otf, self._blur.ndim, self._blur.domain
        target = otf.conj() * fft(self._completed, ndim) + penalty * fft(sparse, ndim)
        spectrum = target / (self._power + penalty * self._prior)
        self.scene = inverse_fft(spectrum, domain)
        predicted = inverse_fft(otf * spectrum, domain)
        self._completed = self._project(torch.lerp(self._completed, predicted, self._unobserved))
