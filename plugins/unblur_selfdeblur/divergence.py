"""Detection of an optimisation that has diverged, and of one whose loss has reached a plateau."""

from __future__ import annotations

import math
from collections import deque

from torch import Tensor

from unblur_selfdeblur.schedule import DataTerm

MIN_RELATIVE_CONTRAST = 0.05
"""Standard deviation of the image as a fraction of the data's, below which it counts as flat."""
CONTRAST_CHECK_START = 100
"""Number of iterations in which the image may be flat, as it is at initialisation."""
PLATEAU_WINDOW = 8
"""Number of checks of the loss, 25 iterations apart, over which a gain must show."""
MIN_GAIN: dict[DataTerm, float] = {"mse": 0.02, "ssim": 0.01}
"""Smallest relative decrease of the loss over that window, dimensionless."""


class Diverged(Exception):
    """The optimisation has diverged; the message gives the symptom."""


def raise_if_diverged(loss: float, scene: Tensor, blurred: Tensor, iteration: int) -> None:
    """Raise `Diverged` if the loss is not finite or the image has become flat.

    Parameters
    ----------
    loss : float
        Latest value.
    scene : (C, *) tensor
        Generated image.
    blurred : (C, H, W)
        Data, whose standard deviation is the reference.
    iteration : int
        Number of iterations so far; the contrast is not checked in the first 100.

    Raises
    ------
    Diverged
    """
    if not math.isfinite(loss):
        raise Diverged("it diverged")
    if iteration <= CONTRAST_CHECK_START:
        return
    if float(scene.std()) < MIN_RELATIVE_CONTRAST * float(blurred.std()):
        raise Diverged(f"the image turned {'black' if float(scene.mean()) < 0.5 else 'white'}")


class Plateau:
    """Detects that the median of the latest losses is hardly below that of the ones before.

    Parameters
    ----------
    data_term : "mse" or "ssim"
        Data term of the loss, which decides the smallest gain.
    """

    def __init__(self, data_term: DataTerm) -> None:
        self.gain = MIN_GAIN[data_term]
        self.losses: deque[float] = deque(maxlen=2 * PLATEAU_WINDOW)

    def is_reached(self, loss: float) -> bool:
        """Add the latest loss and return whether the last ones are on a plateau."""
        self.losses.append(loss)
        if len(self.losses) < 2 * PLATEAU_WINDOW:
            return False
        earlier, latest = list(self.losses)[:PLATEAU_WINDOW], list(self.losses)[PLATEAU_WINDOW:]
        return _median(latest) > (1 - self.gain) * _median(earlier)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
