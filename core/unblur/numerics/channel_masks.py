"""Masks of valid pixels that differ between the channels of an image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unblur.numerics.boundaries import ROUNDING


def joint_mask(mask: Tensor | None, image: Tensor) -> Tensor | None:
    """Return the mask (*spatial) of the pixels that are valid in all channels of (C, *spatial).

    A channel without any valid pixel does not count, unless no channel has one.
    """
    if mask is None or mask.ndim < image.ndim:
        return mask
    used = mask[mask.flatten(1).any(1)]
    return (used if len(used) else mask).amin(0)


def channel_masks(mask: Tensor | None, image: Tensor) -> Sequence[Tensor | None]:
    """Return the mask (*spatial) of each channel of an image (C, *spatial)."""
    if mask is None or mask.ndim < image.ndim:
        return [mask] * len(image)
    return [None if bool(own.all()) else own for own in mask]


def can_share(
    image: Tensor, masks: Sequence[Tensor | None], saturation_level: float | None = None
) -> bool:
    """Return whether channels can be processed at once, with the pixels that are valid in all.

    Each has valid pixels, and their masks are equal, or differ in saturated pixels alone where a
    saturation level is given, for methods that take these for lower bounds.
    """
    if not all(own is None or bool(own.any()) for own in masks):
        return False
    first = masks[0]
    if all(own is first or _are_equal(own, first) for own in masks[1:]):
        return True
    if saturation_level is None:
        return False
    lost = [
        None if own is None else (own > 0) | (channel >= saturation_level - ROUNDING)
        for channel, own in zip(image, masks, strict=True)
    ]
    known = [None if own is None or bool(own.all()) else own for own in lost]
    return all(_are_equal(own, known[0]) for own in known[1:])


def _are_equal(a: Tensor | None, b: Tensor | None) -> bool:
    return a is b if a is None or b is None else torch.equal(a, b)
