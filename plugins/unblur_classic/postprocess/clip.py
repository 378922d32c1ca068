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
from unblur.numerics.nonnegative import clip_negative

Bound = float | Literal["limit", "input", "none"]

RADIUS = 8
"""Distance over which the light of a negative value is shared where no kernel is known, in pixels;
the kernel's extent otherwise."""


class Clip(stages.Postprocessor):
    """Clip the values to bounds: `min(max(x, low), high)`.

    It assumes that the scene's values lie within the bounds. By default these are the limits of
    the image's type or bit depth (`Context.value_range`). Floats have no limit above: a
    deconvolved star is brighter than the blurred one; below they are clipped at 0 where the
    input has no negative value, and the light that this would add is taken from the positive
    values around (`unblur.numerics.nonnegative.clip_negative`). NaN stays NaN.

    Parameters
    ----------
    params : Params or mapping, optional
        See `Clip.Params`.

    Examples
    --------
    >>> x = torch.tensor([[[-0.5, 0.5, 1.5]]])
    >>> Clip().process(x, x, None, Context())
    tensor([[[0.0000, 0.5000, 1.0000]]])
    >>> Clip().process(x, x, None, Context(value_range=(0.0, torch.inf)))
    tensor([[[0.0000, 0.3750, 1.1250]]])
    """

    name = "clip"
    summary = "Clip to the limits of the image's type, or to the input's range."
    dimensions = frozenset({2, 3})

    class Params(stages.Params):
        """Bounds, white = 1."""

        low: Bound = Field(
            "limit",
            description="Lower bound; limit: that of the image's type, 0 for floats without "
            "negative values; input: the blurred channel's minimum; none: no bound.",
        )
        high: Bound = Field(
            "limit",
            description="Upper bound; limit: that of the image's type or bit depth, none for "
            "floats; input: the blurred channel's maximum; none: no bound.",
        )

        @model_validator(mode="after")
        def _ordered(self) -> Clip.Params:
            low, high = self.low, self.high
            if isinstance(low, float) and isinstance(high, float) and low >= high:
                raise ValueError(f"low must be below high, got {self.low} and {self.high}")
            return self

    extremes: tuple[Tensor, Tensor] | None = None
    """Minimum and maximum of the channels of the whole blurred image, (C,); set by calibration."""

    reads_around: bool = False
    """Whether negative values are shared by pixels around them; set by calibration."""

    def process(
        self, image: Tensor, blurred: Tensor, kernel: Kernel | None, context: Context
    ) -> Tensor:
        """Return the clipped image; see `Postprocessor`."""
        minimum, maximum = self.extremes or _extremes(blurred)
        least, largest = context.value_range
        if self._keeps_light(context):
            radius = _radius(kernel, image.ndim - 1)
            image = clip_negative(image, radius)
        low = _bound(self.params.low, minimum, least, -torch.inf, image)
        high = _bound(self.params.high, maximum, largest, torch.inf, image)
        return torch.maximum(torch.minimum(image, high), low)

    def calibrate(
        self, image: Tensor, blurred: Tensor, kernel: Kernel | None, context: Context
    ) -> Self:
        """Return a copy with the range of the whole input, if a bound is `input`."""
        calibrated = copy.copy(self)
        calibrated.reads_around = self._keeps_light(context)
        if "input" in (self.params.low, self.params.high):
            calibrated.extremes = _extremes(blurred)
        return calibrated

    def halo(self, kernel: Kernel | None) -> tuple[int, ...]:
        """Return how far the light of a negative value is shared; see `Postprocessor.halo`."""
        if not self.reads_around:
            return super().halo(kernel)
        return tuple(2 * n for n in _radius(kernel, 2 if kernel is None else kernel.ndim))

    def _keeps_light(self, context: Context) -> bool:
        """Return whether values are clipped at 0 without a limit above: non-negative floats."""
        return self.params.low == "limit" and context.value_range == (0.0, torch.inf)


def _radius(kernel: Kernel | None, ndim: int) -> tuple[int, ...]:
    return (RADIUS,) * ndim if kernel is None else kernel.half_width


def _extremes(x: Tensor) -> tuple[Tensor, Tensor]:
    flat = x.flatten(1)
    return flat.amin(1), flat.amax(1)


def _bound(
    setting: Bound, measured: Tensor, limit: float, unbounded: float, image: Tensor
) -> Tensor:
    """Return a bound as (C, 1, ...), or () if it is one for all channels."""
    if setting == "input":
        return measured.to(image).reshape([-1] + [1] * (image.ndim - 1))
    named = {"limit": limit, "none": unbounded}
    return image.new_tensor(named[setting] if isinstance(setting, str) else setting)
