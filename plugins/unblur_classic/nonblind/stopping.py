"""When to stop an iteration that would go on to fit the noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor

from unblur.model.context import Context
from unblur.numerics.noise import estimate_noise
from unblur.numerics.operators import Blur
from unblur_classic.nonblind.rl_iteration import TINY

Stop = Literal["fixed", "discrepancy", "consensus"]

CONSENSUS = 0.05
"""Share of the pixels below which two halves of the data no longer agree where to go."""


@dataclass(frozen=True)
class Stopper:
    """Tells from a model of the data whether it explains all that is not noise.

    Attributes
    ----------
    stop : Stop
        "fixed" never tells; "discrepancy" compares the residual with the noise; "consensus"
        asks two halves of the data in which direction to go on.
    blurred : (C, *spatial)
        The data, white = 1.
    noise : (C, 1, ...)
        Its noise's standard deviation.
    halves : tuple of tensor, optional
        Two versions of the data whose noises are independent.

    Notes
    -----
    With noise `z` drawn as strong as the data's own, `n`, the noises of `y + z` and `y - z` are
    uncorrelated, `E (n + z)(n - z) = 0`. Where both pull the scene the same way, what they pull
    towards is signal; the iteration ends when hardly any place is left where they do. Gradient
    consensus elsewhere splits counted photons in two, which needs the gain of the camera; this
    needs the noise only.

    References
    ----------
    Discrepancy: V. A. Morozov, "On the solution of functional equations by the method of
    regularization", Soviet Math. Dokl. 7, 1966. Splitting: J. Leiner et al., "Data fission:
    splitting a single data point", J. Am. Stat. Assoc. 120, 2025.
    """

    stop: Stop
    blurred: Tensor
    noise: Tensor
    halves: tuple[Tensor, Tensor] | None = None

    @classmethod
    def of(cls, stop: Stop, blurred: Tensor, context: Context, mask: Tensor | None) -> Self:
        """Measure what the choice needs; the noise is the context's, where it is stated."""
        shape = [-1] + [1] * (blurred.ndim - 1)
        if stop == "fixed":
            return cls(stop, blurred, blurred.new_zeros(len(blurred)).reshape(shape))
        if context.noise is not None:
            levels = [context.noise] * len(blurred)
        else:
            levels = [estimate_noise(channel, mask) for channel in blurred]
        noise = blurred.new_tensor(levels).reshape(shape)
        if stop == "discrepancy":
            return cls(stop, blurred, noise)
        drawn = torch.randn(blurred.shape, generator=context.generator(), device=blurred.device)
        return cls(stop, blurred, noise, (blurred + noise * drawn, blurred - noise * drawn))

    def is_reached(self, blur: Blur, scene: Tensor, background: float = 0.0) -> bool:
        """Return whether to stop at a scene (C, *domain) on a background that was not blurred."""
        if self.stop == "fixed":
            return False
        model = (blur.forward(scene) + background).clamp_min_(TINY)
        if self.halves is None:
            residual = self.blurred - model
            if blur.mask is not None:
                residual = residual * blur.mask
            count = model[0].numel() if blur.mask is None else float(blur.mask.sum())
            return float(residual.square().sum()) <= count * float(self.noise.square().sum())
        first, second = (blur.adjoint((half - model) / model) for half in self.halves)
        agreement = blur.forward(first * second)  # averaged over the reach of the kernel
        return float((agreement > 0).float().mean()) < CONSENSUS
