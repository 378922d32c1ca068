"""An image made ready for blind estimation: its luma at one contrast, its noise, a frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unblur.engine.kernels.kernel_size import estimate_extent
from unblur.errors import ImageError
from unblur.model.context import Context
from unblur.numerics.colour import to_luma
from unblur.numerics.contrast import CONTRAST, contrast_of
from unblur.numerics.inpaint import fill
from unblur.numerics.noise import estimate_noise
from unblur_classic.map.median import median_filtered
from unblur_classic.map.params import BlindParams


@dataclass(frozen=True)
class Prepared:
    """An image made ready for the alternation.

    Attributes
    ----------
    y, trusted : (H, W)
        Luma at `CONTRAST`, and 1 where a pixel may be trusted, else 0.
    size : int
        Extent of the frame of the kernel.
    noise : float
        Standard deviation of the noise in `y`.
    """

    y: Tensor
    trusted: Tensor
    size: int
    noise: float


def prepared(
    blurred: Tensor,
    context: Context,
    mask: Tensor | None,
    params: BlindParams,
    look: Mapping[str, Any] | None = None,
) -> Prepared:
    """Return an image's luma at `CONTRAST`, and what is to be known of it.

    `look` are further params of the looks by which an extent of auto is found.

    Raises
    ------
    ImageError
        If the image is too small for the kernel, or shows nothing.
    """
    context.checkpoint()
    luma = median_filtered(to_luma(blurred)[0], params.median)
    trusted = torch.ones_like(luma) if mask is None else mask
    gain = gain_of(luma, trusted)
    noise = context.noise if context.noise is not None else estimate_noise(luma[None], mask)
    context = context.with_(noise=gain * noise)
    y = gain * fill(luma, trusted)
    size = estimate_extent(y[None], context, look) if params.size == "auto" else params.size
    check_size(size, y)
    return Prepared(y, trusted, size, gain * noise)


def gain_of(luma: Tensor, trusted: Tensor) -> float:
    """Return what brings an image to `CONTRAST`."""
    return CONTRAST / contrast_of(luma[trusted > 0])


def check_size(size: int, y: Tensor) -> None:
    """Raise `ImageError` for an image (H, W) that is less than twice as large as the kernel."""
    if min(y.shape) < 2 * size:
        raise ImageError(
            f"an image of {tuple(y.shape)} pixels is too small to estimate a kernel of "
            f"{size}; it takes twice the kernel at least. Set kernel.size to "
            f"{min(y.shape) // 2} or less, or give a larger image."
        )
