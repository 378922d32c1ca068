"""Light of an image before and after deblurring, and warnings where it tells of a fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unblur.engine.intake.normalization import Flags, Normalization
from unblur.model.stages import Deconvolver, Stage

LARGEST_ERROR = 0.02
"""Largest change of the sum of values by a method that keeps it, as a fraction of the input's."""


@dataclass(frozen=True)
class Light:
    """Sums over values in the image's units, without missing ones.

    Parameters
    ----------
    before, after : float
        Sum of the input and of the result.
    magnitude : float
        Sum of the input's absolute values.
    any_after : bool
        Whether any value of the result is not 0.
    """

    before: float = 0.0
    after: float = 0.0
    magnitude: float = 0.0
    any_after: bool = False

    @classmethod
    def of(
        cls,
        blurred: Tensor,
        result: Tensor,
        normalization: Normalization,
        missing: Flags | None,
        any_after: bool,
    ) -> Light:
        """Measure tensors with white = 1."""
        if missing is not None:
            present = torch.from_numpy(~missing).to(blurred.device)
            blurred, result = blurred[present], result[present]
        span, offset = normalization.span, normalization.black * blurred.numel()
        before, after = (
            float(x.sum(dtype=torch.float64)) * span + offset for x in (blurred, result)
        )
        magnitude = before
        if normalization.black < 0:
            own = blurred.double() * span + normalization.black
            magnitude = float(own.abs().sum())
        return cls(before, after, magnitude, any_after)

    def __add__(self, other: Light) -> Light:
        return Light(
            self.before + other.before,
            self.after + other.after,
            self.magnitude + other.magnitude,
            self.any_after or other.any_after,
        )

    def warnings(self, stages: Sequence[Stage], is_restored: bool) -> list[str]:
        """Return sentences on a result without light, and on light that was not kept.

        Parameters
        ----------
        stages : sequence of Stage
            The steps.
        is_restored : bool
            Whether light beyond a sensor's limit was restored, so that it may have become more.
        """
        if self.magnitude <= 0:
            return []
        if not self.any_after:
            return [
                "the result is 0 everywhere, though the input is not; the kernel or the params "
                "do not fit it, or its values are too small for its type (convert it to float)."
            ]
        keeping = [s.name for s in stages if isinstance(s, Deconvolver) and s.keeps_light]
        error = (self.after - self.before) / self.magnitude
        if not keeping or is_restored or abs(error) <= LARGEST_ERROR:
            return []
        change = "more" if error > 0 else "less"
        return [
            f"the result has {abs(error):.1%} {change} light than the input, which "
            f"'{keeping[0]}' should keep; bright objects that the border cuts cause it, or a "
            "kernel that does not fit."
        ]
