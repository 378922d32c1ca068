"""Extent of the kernel of a blind estimate: as the params state it, or found by a search."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from unblur.model.context import Context
from unblur.model.kernel import check_kernel_size
from unblur_classic.map.preprocessing import EstimationInput, preprocess, unclipped_pixels
from unblur_classic.map.search.kernel_search import search_kernel


def estimate_kernel_size(image: Tensor, context: Context) -> int:
    """Return an odd extent in pixels that holds the blur kernel of an image.

    Parameters
    ----------
    image : (C, H, W) float32
        Finite everywhere, white = 1. Its luma is used.
    context : Context
        Device, progress, cancellation, and the standard deviation of the noise where it is known.

    Returns
    -------
    int
        At most half the image's smaller side; see `search_kernel`.
    """
    given = preprocess(image, context, unclipped_pixels(image, context, None))
    return resolve_kernel_size("auto", given, context)


def resolve_kernel_size(
    size: int | Literal["auto"], given: EstimationInput, context: Context
) -> int:
    """Return the extent of the kernel in pixels: `size` or, if that is "auto", a searched one.

    Raises
    ------
    ImageError
        If the image is too small for the kernel.
    """
    if size == "auto":
        return fitting_size(search_kernel(given, context).size, given)
    check_kernel_size(size, given.y.shape)
    return size


def fitting_size(size: int, given: EstimationInput) -> int:
    """Return an extent, or the largest odd one of at most half the image's smaller side.

    Raises
    ------
    ImageError
        If the image is too small for any kernel.
    """
    largest = min(given.y.shape) // 2
    size = min(size, max(largest - 1 + largest % 2, 3))
    check_kernel_size(size, given.y.shape)
    return size
