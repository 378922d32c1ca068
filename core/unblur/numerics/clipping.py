"""Pixels that a sensor clipped: not trusted, yet they say how bright the scene was at least."""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDING = 1e-6


def split_mask(
    blurred: Tensor, mask: Tensor | None, saturation_level: float | None
) -> tuple[Tensor | None, Tensor | None]:
    """Tell pixels that nobody observed from those that were clipped.

    Parameters
    ----------
    blurred : (C, H, W)
        White = 1.
    mask : (H, W), optional
        0 where a pixel is not to be trusted, in one of its channels at least.
    saturation_level : float, optional
        Value at which the sensor clipped.

    Returns
    -------
    (H, W) or `None`
        0 where a pixel says nothing at all, `None` if there is no such pixel.
    (C, H, W) or `None`
        1 where a distrusted channel was clipped: the scene was as bright there or brighter.
        `None` if nothing clips, in this part of the image or in another.
    """
    if saturation_level is None:
        return mask, None
    if mask is None:
        return None, torch.zeros_like(blurred)
    clipped = (blurred >= saturation_level - ROUNDING) & (mask == 0)
    lost = (mask == 0) & ~clipped.any(0)
    return 1 - lost.to(blurred.dtype) if bool(lost.any()) else None, clipped.to(blurred.dtype)
