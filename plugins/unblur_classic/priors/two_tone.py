"""Two-tone prior, for pages of text, drawings and barcodes."""

from __future__ import annotations

import torch
from torch import Tensor

from unblur.model import stages

TAIL_FRACTION = 0.02
"""Fraction of the pixels below the dark tone, and of those above the bright one."""
STIFFNESS = 20.0
"""Derivative of the energy per distance, dimensionless; at a step of 0.25 a pixel moves by 5/6 of
its distance."""

PAGE_SCORE = 0.13
"""Largest blur score of a page restored with the true kernel, dimensionless; 0.09 to 0.13,
depending on the size of its letters."""


class TwoTone(stages.Prior):
    """Squared distance of the pixels from the nearer of two tones, the darkest and the brightest.

    The energy is 10 times the sum of the squared distances. It separates a blurred page into ink
    and paper, which no prior on gradients does: the piecewise constant image nearest to a blurred
    page is grey.

    Notes
    -----
    The tones are the quantiles 0.02 and 0.98 of each channel of the image.

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
    stop_score = PAGE_SCORE

    def energy(self, x: Tensor) -> Tensor:
        """Return 10 times the sum of squared distances from the nearer tone."""
        return STIFFNESS / 2 * (x - nearer_tone(x)).square().sum()

    def proximal(self, x: Tensor, step: float) -> Tensor:
        """Return each pixel moved towards its tone: the exact minimum, as the tones stay."""
        weight = STIFFNESS * step
        return (x + weight * nearer_tone(x)) / (1 + weight)

    def blur_score(self, x: Tensor) -> float:
        """Return the RMS distance from the nearer tone, relative to the distance of the tones.

        It is 0 for a page, 0.29 for a uniform distribution of greys.
        """
        tones = nearer_tone(x)
        contrast = (tones.flatten(1).amax(1) - tones.flatten(1).amin(1)).square().mean()
        return float(((x - tones).square().mean() / contrast.clamp_min(1e-12)).sqrt())


def nearer_tone(x: Tensor) -> Tensor:
    """Return the nearer of two tones at every pixel of images (C, *spatial)."""
    ends = torch.tensor([TAIL_FRACTION, 1 - TAIL_FRACTION], device=x.device, dtype=x.dtype)
    tones = torch.quantile(x.flatten(1), ends, dim=1)
    dark, bright = tones.reshape(2, -1, *[1] * (x.ndim - 1))
    return torch.where(x < (dark + bright) / 2, dark, bright)
