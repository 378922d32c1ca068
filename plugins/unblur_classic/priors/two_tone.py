"""A prior for pages of text, drawings and barcodes: everything is ink or paper."""

from __future__ import annotations

import torch
from torch import Tensor

from unblur.model import stages

TAIL = 0.02
"""Share of the pixels that are darker than the dark tone, and of those above the bright one."""
STIFFNESS = 20.0
"""Of the pull towards a tone: at a step of 0.25 a pixel goes five sixths of the way."""

SHARP = 0.13
"""Verdict on a page restored with the right kernel: 0.09 to 0.13 by the size of its letters."""


class TwoTone(stages.Prior):
    """How far pixels lie from the nearer of two tones, the image's own darkest and brightest.

    The energy is 10 times the sum of the squared distances. It pulls a blurred page apart into
    ink and paper, which no prior on gradients does: the cartoon of a blurred page is grey.

    Notes
    -----
    The tones are the quantiles 0.02 and 0.98 of each channel of the image that is looked at.

    Examples
    --------
    >>> import torch
    >>> page = torch.zeros(1, 8, 8)
    >>> page[..., 4:] = 1
    >>> float(TwoTone().energy(page))
    0.0

    References
    ----------
    H. Cho, J. Wang, S. Lee, "Text image deblurring using text-specific properties", ECCV 2012.
    """

    name = "two-tone"
    summary = "Distance from the nearer of two tones; for text, blind."
    cites = "H. Cho, J. Wang, S. Lee, Text Image Deblurring Using Text-Specific Properties, 2012"
    enough = SHARP

    def energy(self, x: Tensor) -> Tensor:
        """Return 10 times the sum of squared distances from the nearer tone."""
        return STIFFNESS / 2 * (x - nearer_tone(x)).square().sum()

    def gradient(self, x: Tensor) -> Tensor:
        """Return the derivative of `energy`, to which the tones contribute as they move."""
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.energy(leaf), leaf)
        return slope

    def proximal(self, x: Tensor, step: float) -> Tensor:
        """Return each pixel moved towards its tone: the exact minimum, as no tone moves."""
        pull = STIFFNESS * step
        return (x + pull * nearer_tone(x)) / (1 + pull)

    def verdict(self, x: Tensor) -> float:
        """Return how far pixels lie from the nearer tone, relative to the tones' distance.

        The root of the mean square: 0 for a page, 0.29 where all greys are alike.
        """
        tones = nearer_tone(x)
        apart = (tones.flatten(1).amax(1) - tones.flatten(1).amin(1)).square().mean()
        return float(((x - tones).square().mean() / apart.clamp_min(1e-12)).sqrt())


def nearer_tone(x: Tensor) -> Tensor:
    """Return the nearer of two tones at every pixel of images (C, *spatial)."""
    ends = torch.tensor([TAIL, 1 - TAIL], device=x.device, dtype=x.dtype)
    tones = torch.quantile(x.flatten(1), ends, dim=1)
    dark, bright = tones.reshape(2, -1, *[1] * (x.ndim - 1))
    return torch.where(x < (dark + bright) / 2, dark, bright)
