"""Matching of the brightness of a result to that of its input."""

from __future__ import annotations

import copy
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel

MAX_VALUES = 2**22
"""Largest number of values of a channel for its percentiles, dimensionless; more do not change
them."""


class MatchRange(stages.Postprocessor):
    """Match the result to the blurred image by one gain and one offset per channel.

    The result is `gain x + offset` with::

        flux          gain = sum(y) / sum(x),  offset = 0
        mean          gain = 1,                offset = mean(y) - mean(x)
        percentiles   both such that two percentiles of x equal those of y

    It assumes that blur conserves the flux, which holds for every kernel of sum 1 away from the
    border. `flux` suits counts on a dark background, `mean` images with an arbitrary zero,
    `percentiles` results whose contrast is arbitrary as well. A sharp image has more contrast
    than its blurred version, which `percentiles` removes.

    Gain and offset are measured on the whole image; tiles use those of the calibrated stage.

    Parameters
    ----------
    params : Params or mapping, optional
        See `MatchRange.Params`.

    Examples
    --------
    >>> blurred = torch.rand(1, 8, 8)
    >>> matched = MatchRange().process(0.5 * blurred, blurred, None, Context())
    >>> torch.allclose(matched, blurred)
    True
    """

    name = "match-range"
    summary = "Match flux, mean or percentiles of the result to those of the input."
    dimensions = frozenset({2, 3})

    class Params(stages.Params):
        """Settings of the match."""

        match: Literal["flux", "mean", "percentiles"] = Field(
            "flux", description="Statistic of the blurred image that the result is matched to."
        )
        low: float = Field(
            1.0, ge=0, le=100, description="Lower percentile to match, in percent of the pixels."
        )
        high: float = Field(
            99.0, ge=0, le=100, description="Upper percentile to match, in percent of the pixels."
        )

        @model_validator(mode="after")
        def _ordered(self) -> MatchRange.Params:
            if self.low >= self.high:
                raise ValueError(f"low must be below high, got {self.low:g} and {self.high:g}")
            return self

    gain_offset: tuple[Tensor, Tensor] | None = None
    """Gain and offset of each channel, (C,) each; set by calibration."""

    def process(
        self, image: Tensor, blurred: Tensor, kernel: Kernel | None, context: Context
    ) -> Tensor:
        """Return the matched image; see `Postprocessor`."""
        shape = [-1] + [1] * (image.ndim - 1)
        gain, offset = (
            v.to(image).reshape(shape) for v in self.gain_offset or self._fit(image, blurred)
        )
        return gain * image + offset

    def calibrate(
        self, image: Tensor, blurred: Tensor, kernel: Kernel | None, context: Context
    ) -> Self:
        """Return a copy with gain and offset measured on the whole image."""
        calibrated = copy.copy(self)
        calibrated.gain_offset = self._fit(image, blurred)
        return calibrated

    def _fit(self, image: Tensor, blurred: Tensor) -> tuple[Tensor, Tensor]:
        x, y = image.flatten(1).double(), blurred.flatten(1).double()
        if self.params.match == "flux":
            return _ratio(y.sum(1), x.sum(1)), torch.zeros_like(x[:, 0])
        if self.params.match == "mean":
            return torch.ones_like(x[:, 0]), y.mean(1) - x.mean(1)
        low, high = self.params.low / 100, self.params.high / 100
        (x_low, x_high), (y_low, y_high) = (_quantiles(v, low, high) for v in (x, y))
        gain = _ratio(y_high - y_low, x_high - x_low)
        return gain, y_low - gain * x_low


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Return the quotient where both are positive, else 1."""
    usable = (denominator > 0) & (numerator > 0)
    return torch.where(usable, numerator / torch.where(usable, denominator, 1.0), 1.0)


def _quantiles(x: Tensor, low: float, high: float) -> Tensor:
    """Return two quantiles of each channel: (2, C)."""
    step = -(-x.shape[1] // MAX_VALUES)
    levels = torch.tensor([low, high], dtype=x.dtype, device=x.device)
    return torch.stack([torch.quantile(channel[::step], levels) for channel in x], dim=1)
