"""Luma and chroma: deblurring one grey image instead of three channels.

Colours are full-range BT.601 as in JPEG: `Y = 0.299 R + 0.587 G + 0.114 B`, and chroma is
`(B - Y) / 1.772` and `(R - Y) / 1.402`, so that grey has none. Nothing is clipped, and the way
back is exact up to rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unblur.errors import ImageError

RED, GREEN, BLUE = 0.299, 0.587, 0.114
"""Shares of the channels in luma (ITU-R BT.601)."""


def to_luma(x: Tensor) -> Tensor:
    """Return the luma of a colour image, (3, *spatial) to (1, *spatial); one channel passes.

    Any other number of channels has no colours to speak of and is averaged.

    Example
    -------
    >>> to_luma(torch.ones(3, 1, 1)).round(decimals=5)
    tensor([[[1.]]])
    """
    if x.shape[0] == 1:
        return x
    if x.shape[0] != 3:
        return x.mean(dim=0, keepdim=True)
    return RED * x[0:1] + GREEN * x[1:2] + BLUE * x[2:3]


def split_luma(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return luma (1, *spatial) and chroma (2, *spatial), white = 1; grey has no chroma.

    Parameters
    ----------
    x : (3, *spatial) or (1, *spatial)
        One channel gives itself and a chroma of (0, *spatial).

    Raises
    ------
    ImageError
        For any other number of channels.
    """
    if x.shape[0] == 1:
        return x, x[:0]
    if x.shape[0] != 3:
        raise ImageError(
            f"luma and chroma are those of 3 channels or 1, got {x.shape[0]}; "
            "deblur the channels one by one."
        )
    luma = to_luma(x)
    chroma = torch.cat([(x[2:3] - luma) / (2 * (1 - BLUE)), (x[0:1] - luma) / (2 * (1 - RED))])
    return luma, chroma


def merge_luma(luma: Tensor, chroma: Tensor) -> Tensor:
    """Return the image that `split_luma` took apart: (1 or 3, *spatial)."""
    if chroma.shape[0] == 0:
        return luma
    blue = luma + 2 * (1 - BLUE) * chroma[0:1]
    red = luma + 2 * (1 - RED) * chroma[1:2]
    green = (luma - RED * red - BLUE * blue) / GREEN
    return torch.cat([red, green, blue])
