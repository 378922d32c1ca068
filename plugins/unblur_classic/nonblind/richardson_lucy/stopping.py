"""Stopping rules of iterations that would fit the noise if continued."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor

from unblur.model.context import Context
from unblur.numerics.noise import estimate_noise
from unblur.numerics.operators import Blur
from unblur_classic.nonblind.richardson_lucy.image_quotient import MIN_PREDICTION

Stop = Literal["fixed", "discrepancy", "gradient-consensus", "local-gradient-consensus"]

MIN_CONSENSUS = 0.05
"""Fraction of the pixels where the gradients of both data splits agree in sign, below which the
iteration stops, dimensionless."""


@dataclass(frozen=True)
class StoppingRule:
    """Test whether the residual of a scene is noise alone.

    Attributes
    ----------
    stop : Stop
        "fixed" and "local-gradient-consensus" never stop; "discrepancy" compares the residual
        with the noise;
        "gradient-consensus" compares the update directions of two splits of the data.
    blurred : (C, *spatial)
        The data, white = 1.
    noise : (C, 1, ...)
        Standard deviation of its noise.
    splits : tuple of tensor, optional
        Two versions of the data with uncorrelated noise.

    Notes
    -----
    With random noise `z` of the same variance as the data's own noise `n`, the noise of `y + z`
    and that of `y - z` are uncorrelated, `E (n + z)(n - z) = 0`. Where the gradients for both
    have the same sign, they follow the signal; the iteration ends when the fraction of such
    pixels is small. Gradient consensus elsewhere splits counted photons in two, which requires the
    gain of the camera; this requires only the noise level.

    References
    ----------
    Discrepancy: V. A. Morozov, "On the solution of functional equations by the method of
    regularization", Soviet Math. Dokl. 7, 1966. Splitting: J. Leiner et al., "Data fission:
    splitting a single data point", J. Am. Stat. Assoc. 120, 2025.
    """

    stop: Stop
    blurred: Tensor
    noise: Tensor
    splits: tuple[Tensor, Tensor] | None = None

    @classmethod
    def of(cls, stop: Stop, blurred: Tensor, context: Context, mask: Tensor | None) -> Self:
        """Measure what the rule needs; the noise is the context's, if it is set, else estimated."""
        shape = [-1] + [1] * (blurred.ndim - 1)
        if stop in ("fixed", "local-gradient-consensus"):
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

    def is_reached(self, blur: Blur, scene: Tensor, background: float | Tensor = 0.0) -> bool:
        """Return whether to stop at a scene (C, *domain) on an unblurred background."""
        if self.stop in ("fixed", "local-gradient-consensus"):
            return False
        prediction = (blur.forward(scene) + background).clamp_min_(MIN_PREDICTION)
        if self.splits is None:
            residual = self.blurred - prediction
            if blur.mask is not None:
                residual = residual * blur.mask
            n_valid = prediction[0].numel() if blur.mask is None else float(blur.mask.sum())
            return float(residual.square().sum()) <= n_valid * float(self.noise.square().sum())
        first, second = (blur.adjoint((split - prediction) / prediction) for split in self.splits)
        agreement = blur.forward(first * second)  # averaged over the kernel's support
        return float((agreement > 0).float().mean()) < MIN_CONSENSUS
