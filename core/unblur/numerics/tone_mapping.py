"""Brightening of dark or flat images for methods that were trained on photographs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from torch import Tensor

MIN_CONTRAST = 0.1
"""Standard deviation of an image below which it is brightened, since the networks were trained on
photographs, white = 1."""
MAX_NOISE_FOR_BRIGHTENING = 0.02
"""Largest noise after brightening: dark images with more noise were restored better without it,
white = 1."""
MAX_MEAN_FOR_BRIGHTENING = 0.5
"""Largest mean of a brightened image; an image of a higher mean keeps it and gains contrast only,
white = 1."""


@dataclass(frozen=True)
class ToneMapping:
    """Linear map of a dark or flat image to the range of photographs, and its inverse.

    Attributes
    ----------
    gain : float
        Factor of the values, at least 1.
    offset : float
        Added after it, white = 1.
    """

    gain: float = 1.0
    offset: float = 0.0

    @classmethod
    def of(cls, contrast: float, mean: float, noise: float) -> Self:
        """Return the map for an image, the identity where its contrast is that of a photograph.

        Parameters
        ----------
        contrast, mean, noise : float
            Standard deviation and mean of the image and standard deviation of its noise,
            white = 1.

        Example
        -------
        >>> ToneMapping.of(contrast=0.2, mean=0.4, noise=0.01)
        ToneMapping(gain=1.0, offset=0.0)
        >>> ToneMapping.of(contrast=0.02, mean=0.05, noise=0.001)
        ToneMapping(gain=5.0, offset=0.0)
        """
        if contrast <= 0:
            return cls()
        max_gain = MAX_NOISE_FOR_BRIGHTENING / noise if noise > 0 else math.inf
        gain = max(1.0, min(MIN_CONTRAST / contrast, max_gain))
        return cls(gain, min(0.0, max(mean, MAX_MEAN_FOR_BRIGHTENING) - gain * mean))

    def apply(self, image: Tensor) -> Tensor:
        """Return the mapped image."""
        return self.gain * image + self.offset

    def undo(self, image: Tensor) -> Tensor:
        """Return the image whose mapped one is given."""
        return (image - self.offset) / self.gain
