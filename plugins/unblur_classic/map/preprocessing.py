"""An image made ready for blind estimation: its luma at one contrast, its noise, a frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unblur.model.context import Context
from unblur.model.kernel import check_kernel_size
from unblur.numerics.colour import to_luma
from unblur.numerics.contrast import CONTRAST, contrast_of
from unblur.numerics.inpaint import fill
from unblur.numerics.noise import estimate_noise
from unblur_classic.map.kernel_size import estimate_kernel_size
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
    overrides: Mapping[str, Any] | None = None,
) -> Prepared:
    """Return an image's luma at `CONTRAST`, and what is to be known of it.

    `overrides` are further params of the estimates of a size of auto.

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
    size = (
        estimate_kernel_size(y[None], context, overrides) if params.size == "auto" else params.size
    )
    check_kernel_size(size, y.shape)
    return Prepared(y, trusted, size, gain * noise)


def gain_of(luma: Tensor, trusted: Tensor) -> float:
    """Return what brings an image to `CONTRAST`."""
    return CONTRAST / contrast_of(luma[trusted > 0])
