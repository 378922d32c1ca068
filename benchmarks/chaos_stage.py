"""A deconvolver that waits, so that there is time for faults while its tiles are processed."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from pydantic import Field
from scipy.ndimage import convolve

from unblur.model import stages
from unblur.plugins.manager import registry


class SlowSharpen(stages.Deconvolver):
    """Two steps of Van Cittert's iteration, a finite filter, after a wait."""

    name = "slow-sharpen"
    summary = "x = y + (y - k * y), twice; border replicated."

    class Params(stages.Params):
        """Params of the stage."""

        seconds: float = Field(0.0, ge=0, description="Time before each call, seconds.")

    def deconvolve(self, blurred: Any, kernel: Any, context: Any, mask: Any = None) -> Any:
        """Return the sharpened image."""
        time.sleep(self.params.seconds)
        values = blurred.numpy()
        x = values
        for _ in range(2):
            x = x + values - np.stack([convolve(c, kernel.weights, mode="nearest") for c in x])
        return torch.from_numpy(x)

    def halo(self, kernel: Any) -> tuple[int, ...]:
        """Return twice the half-width of the kernel."""
        return tuple(2 * r for r in kernel.half_width)


def register() -> None:
    """Add the stage to those of the installed plugins, in this process."""
    registry().stages[SlowSharpen.kind, SlowSharpen.name] = SlowSharpen
