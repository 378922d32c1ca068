"""When an optimisation has died, and when it no longer gains anything."""

from __future__ import annotations

import math
from collections import deque

from torch import Tensor

from unblur_selfdeblur.schedule import DataTerm

FLAT = 0.05
"""Contrast of the image relative to the data's below which it counts as black or blank."""
GRACE = 100
"""Iterations in which an image may still be flat: all begin so."""
PATIENCE = 8
"""Looks at the loss, 25 iterations apart, over which a gain must show."""
GAIN: dict[DataTerm, float] = {"squares": 0.02, "similarity": 0.01}
"""Share of the loss that must have been gained over that time."""


class Dead(Exception):
    """The optimisation arrived at nothing; the message says at what."""


def check_alive(loss: float, scene: Tensor, blurred: Tensor, iteration: int) -> None:
    """Raise `Dead` if the loss is no finite number or the image has turned flat.

    Parameters
    ----------
    loss : float
        The latest.
    scene : (C, *) tensor
        The generated image.
    blurred : (C, H, W)
        The data, whose contrast is the measure.
    iteration : int
        How many were run; the first 100 are spared the look at the contrast.
    """
    if not math.isfinite(loss):
        raise Dead("it diverged")
    if iteration > GRACE and float(scene.std()) < FLAT * float(blurred.std()):
        raise Dead(f"the image turned {'black' if float(scene.mean()) < 0.5 else 'white'}")


class Plateau:
    """Tells when the median of the latest losses is hardly below that of the ones before."""

    def __init__(self, data_term: DataTerm) -> None:
        self.gain = GAIN[data_term]
        self.losses: deque[float] = deque(maxlen=2 * PATIENCE)

    def is_reached(self, loss: float) -> bool:
        """Take the latest loss in and return whether nothing is gained any more."""
        self.losses.append(loss)
        if len(self.losses) < 2 * PATIENCE:
            return False
        earlier, latest = list(self.losses)[:PATIENCE], list(self.losses)[PATIENCE:]
        return _median(latest) > (1 - self.gain) * _median(earlier)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
