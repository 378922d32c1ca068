"""Clipping of values to bounds."""

from __future__ import annotations

import copy
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel

Bound = float | Literal["input", "none"]


class Clip(stages.Postprocessor):
    """Clip the values to bounds: `min(max(x, low), high)`.

    It assumes that the scene's values lie within the bounds. By default these are black and
    white. A deconvolved star is brighter than the blurred one, so that images without a fixed
    white (floats, photon counts) should have no upper bound: `high: none`. NaN stays NaN.

    Parameters
    ----------
    params : Params or mapping, optional
        See `Clip.Params`.

    Examples
    --------
    >>> x = torch.tensor([[[-0.5, 0.5, 1.5]]])
    >>> Clip(high="none").process(x, x, None, Context())
    tensor([[[0.0000, 0.5000, 1.5000]]])
    """

    name = "clip"
    summary = "Clip to black and white, or to the input's range."
    dimensions = frozenset({2, 3})

    class Params(stages.Params):
        """Bounds, white = 1."""

        low: Bound = Field(
            0.0,
            description="Lower bound; input: the blurred channel's minimum; none: no bound.",
        )
        high: Bound = Field(
            1.0,
            description="Upper bound; input: the blurred channel's maximum; none: no bound.",
        )

        @model_validator(mode="after")
        def _ordered(self) -> Clip.Params:
            low, high = self.low, self.high
            if isinstance(low, float) and isinstance(high, float) and low >= high:
                raise ValueError(f"low must be below high, got {self.low} and {self.high}")
            return self

    extremes: tuple[Tensor, Tensor] | None = None
    """Minimum and maximum of the channels of the whole blurred image, (C,); set by calibration."""

    def process(
        self, image: Tensor, blurred: Tensor, kernel: Kernel | None, context: Context
    ) -> Tensor:
        """Return the clipped image; see `Postprocessor`."""
        minimum, maximum = self.extremes or _extremes(blurred)
        low = _bound(self.params.low, minimum, -torch.inf, image)
        high = _bound(self.params.high, maximum, torch.inf, image)
        return torch.maximum(torch.minimum(image, high), low)

    def calibrate(
        self, image: Tensor, blurred: Tensor, kernel: Kernel | None, context: Context
    ) -> Self:
        """Return a copy with the range of the whole input, if a bound is `input`."""
        if "input" not in (self.params.low, self.params.high):
            return self
        calibrated = copy.copy(self)
        calibrated.extremes = _extremes(blurred)
        return calibrated


def _extremes(x: Tensor) -> tuple[Tensor, Tensor]:
    flat = x.flatten(1)
    return flat.amin(1), flat.amax(1)


def _bound(setting: Bound, measured: Tensor, unbounded: float, image: Tensor) -> Tensor:
    """Return a bound as (C, 1, ...), or () if it is one for all channels."""
    if setting == "input":
        return measured.to(image).reshape([-1] + [1] * (image.ndim - 1))
    return image.new_tensor(unbounded if setting == "none" else setting)
