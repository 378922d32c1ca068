"""Replacing invalid pixels by values of their surroundings."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import scipy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from unblur.errors import ImageError
from unblur.numerics.operators import Blur

MIN_KERNEL_WEIGHT = 1e-3
"""Smallest total kernel weight of valid pixels at which their kernel-weighted mean is used,
as a fraction of the kernel's sum."""


def fill(
    x: Tensor,
    valid: Tensor | None,
    method: Literal["nearest", "pyramid", "kernel-weighted"] = "nearest",
    *,
    blur: Blur | None = None,
) -> Tensor:
    """Replace invalid pixels by values of valid ones.

    Parameters
    ----------
    x : (..., *spatial)
        Image; leading axes share one mask unless it has them too ("kernel-weighted" only).
    valid : (*spatial), optional
        1 = valid pixel; `x` is returned if all are valid or the mask is left out.
    method : str
        What replaces an invalid pixel:

        - "nearest": the value of the nearest valid pixel (Euclidean distance);
        - "pyramid": the mean of the valid or already filled pixels in the box of 3 x 3 around
          it, then in boxes of twice the radius, until all are filled; (..., H, W) only;
        - "kernel-weighted": the mean of the valid pixels around it weighted by the mirrored
          kernel of `blur`, or the mean of all valid pixels where the kernel reaches too few.
    blur : Blur, optional
        Blur whose kernel weights the mean; its own mask is ignored.

    Raises
    ------
    ImageError
        By "nearest" if no pixel is valid.

    Example
    -------
    >>> x = torch.tensor([[1.0, 9.0, 3.0]])
    >>> fill(x, torch.tensor([[1, 0, 0]])).tolist()
    [[1.0, 1.0, 1.0]]
    """
    if valid is None:
        return x
    if method == "kernel-weighted":
        assert blur is not None, "a blur is needed to weight the mean"
        return _fill_kernel_weighted(x, blur if blur.mask is valid else blur.with_mask(valid))
    if bool((valid > 0).all()):
        return x
    return _fill_pyramid(x, valid) if method == "pyramid" else _fill_nearest(x, valid)


def nearest_valid(valid: NDArray[np.bool_]) -> tuple[NDArray[Any], ...]:
    """Return the index of the nearest True element, for every element of an array."""
    nearest = scipy.ndimage.distance_transform_edt(
        ~valid, return_distances=False, return_indices=True
    )
    return tuple(np.asarray(index) for index in nearest)


def fill_nearest(block: NDArray[np.float32], missing: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return a block (C, *spatial) whose missing values are those of the nearest valid pixel.

    A channel without any valid value becomes 0.
    """
    result = block.copy()
    for channel, gaps in zip(result, missing, strict=True):
        if gaps.all():
            channel[...] = 0
        elif gaps.any():
            channel[gaps] = channel[tuple(index[gaps] for index in nearest_valid(~gaps))]
    return result


def _fill_nearest(x: Tensor, valid: Tensor) -> Tensor:
    if not bool((valid > 0).any()):
        raise ImageError("no pixel of the image is valid, so that no blur can be estimated.")
    nearest = nearest_valid((valid > 0).cpu().numpy())
    index: tuple[Any, ...] = (..., *(torch.from_numpy(i).to(x.device) for i in nearest))
    return x[index]


def _fill_pyramid(x: Tensor, valid: Tensor) -> Tensor:
    known = (valid > 0).to(x).expand_as(x)
    result = x * known
    radius = 1
    while not bool(known.all()) and radius < max(x.shape):
        box = 2 * radius + 1
        weight = functional.avg_pool2d(known, box, 1, radius)
        mean = functional.avg_pool2d(result, box, 1, radius) / weight.clamp_min(1e-12)
        found = (weight > 1e-9) & (known == 0)
        result = result.where(~found, mean)
        known = known.where(~found, 1.0)
        radius *= 2
    return result


def _fill_kernel_weighted(x: Tensor, blur: Blur) -> Tensor:
    assert blur.mask is not None
    known = blur.mask.expand_as(x)
    axes = tuple(range(-blur.ndim, 0))
    mean = (known * x).sum(axes, keepdim=True) / known.sum(axes, keepdim=True).clamp_min(1)
    total = blur.crop(blur.adjoint(x))
    weight = blur.crop(blur.adjoint(torch.ones_like(x)))
    is_supported = weight > MIN_KERNEL_WEIGHT
    near = torch.where(is_supported, total / weight.clamp_min(MIN_KERNEL_WEIGHT), mean)
    return torch.where(known > 0, x, near)
