"""The kind of a photograph by evidence: a natural scene, a page of text, or lights at night."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from unblur.model.context import Context, ToneCurve
from unblur.numerics.colour import to_luma
from unblur.numerics.pyramid import shrink_image
from unblur.numerics.tone_curve import stored_values
from unblur_classic.map.preprocessing import MAX_CLIPPED, EstimationInput, clipped_pixels
from unblur_classic.map.scoring import KernelScorer
from unblur_classic.map.search.kernel_search import FoundKernel
from unblur_classic.map.search.search_track import textured_window

Content = Literal["natural", "text", "night"]

DARK, BLACK = 0.15, 0.06
"""Luma below which a pixel is dark, and black, white = 1."""
DARK_SHARE = 0.3
"""Smallest share of dark pixels at night, with clipped lights, and of black ones without."""
MIN_CLIPPED = 1e-4
"""Smallest share of clipped pixels at night, where at most `MAX_CLIPPED` are, dimensionless."""
HIGHLIGHT = 0.8
"""Smallest quantile 0.99 of the luma at night where no pixel is clipped, white = 1."""
PAPER_SHARE = 0.15
"""Smallest share of the pixels of a page within the most frequent 1/20 of its range of tones,
dimensionless; 0.05 to 0.14 in scenes without a uniform background."""
TONES = 20
"""Number of parts into which the range of tones is divided, dimensionless."""
RANGE = (0.02, 0.98)
"""Quantiles of an image between which its range of tones lies, dimensionless."""
WINDOW = 512
"""Largest edge of the window that is restored to find the tones, in pixels."""


@dataclass(frozen=True)
class Lights:
    """Darkness and clipped lights of an image; shares of its pixels, dimensionless.

    Attributes
    ----------
    dark, black, clipped : float
        Share of the pixels with a luma below `DARK`, below `BLACK`, and with a clipped channel.
    highlight : float
        Quantile 0.99 of the luma, white = 1.
    """

    dark: float
    black: float
    clipped: float
    highlight: float

    @property
    def is_night(self) -> bool:
        """Whether a large part is dark, and a small part as bright as the sensor records."""
        has_lights = self.dark >= DARK_SHARE and self.clipped >= MIN_CLIPPED
        is_black = self.black >= DARK_SHARE and self.highlight >= HIGHLIGHT
        return self.clipped <= MAX_CLIPPED and (has_lights or is_black)

    def __str__(self) -> str:
        return f"{self.dark:.0%} dark, {self.clipped:.2%} clipped"


def measure_lights(blurred: Tensor, context: Context, mask: Tensor | None = None) -> Lights:
    """Measure darkness and clipped lights of an image (C, H, W), white = 1.

    Masked pixels (0 in `mask` (H, W)) that are not clipped are left out.
    """
    luma = to_luma(stored_values(blurred, context.tone_curve))[0]
    clipped = clipped_pixels(blurred, context)
    known = torch.ones_like(clipped) if mask is None else (mask > 0) | clipped
    luma, clipped = luma[known], clipped[known]
    if not len(luma):
        return Lights(0.0, 0.0, 0.0, 0.0)
    # A rank: `torch.quantile` limits the number of values.
    highlight = luma.kthvalue(max(int(0.99 * len(luma)), 1)).values
    return Lights(
        *(float(int(found.sum()) / len(luma)) for found in (luma <= DARK, luma <= BLACK, clipped)),
        highlight=float(highlight),
    )


@dataclass(frozen=True)
class MainTone:
    """The most frequent tone of the image that the kernel of a search restores.

    Attributes
    ----------
    share : float
        Share of the pixels within the most frequent 1/20 of the range of tones, dimensionless.
    level : float
        Middle of that part of the range, 0 the darkest tone, 1 the brightest.
    """

    share: float
    level: float

    @property
    def is_page(self) -> bool:
        """Whether the image has a uniform background, as paper, that is not black."""
        return self.share >= PAPER_SHARE and self.level > 2 / TONES

    def __str__(self) -> str:
        return f"{self.share:.0%} of one tone"


def measure_tones(
    given: EstimationInput, found: FoundKernel, tone_curve: ToneCurve = "none"
) -> MainTone:
    """Measure the tones of an image, restored at the level of a search with its kernel.

    They are tones of the stored values, where the image is light undone from a tone curve.
    """
    image, valid = (shrink_image(x, found.ratio) for x in (given.y, given.valid))
    image, valid = textured_window(image, valid, WINDOW)
    spread = image[valid > 0].std()
    sharp = KernelScorer(image, valid, Context()).restore(found.kernel, image / spread)
    border = max(found.kernel.shape[-1] // 2, 2)
    if min(sharp.shape) > 4 * border:
        sharp = sharp[border:-border, border:-border]
    values = sharp.flatten()
    if tone_curve != "none":
        values = stored_values(values * spread / given.gain, tone_curve)
    low, high = (float(q) for q in torch.quantile(values, values.new_tensor(RANGE)))
    counts = torch.histc(values, TONES, low, max(high, low + 1e-6)) / values.numel()
    most = int(counts.argmax())
    return MainTone(float(counts[most]), (most + 0.5) / TONES)
