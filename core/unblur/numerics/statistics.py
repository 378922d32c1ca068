"""Statistics of images: robust deviation, contrast, and the L0 weight for a noise level."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unblur.errors import ImageError

MAD_TO_STD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation, dimensionless."""
CONTRAST = 0.16
"""Standard deviation to which images are scaled, white = 1, so that weights suit any contrast."""
REFERENCE_NOISE = 0.008
"""Standard deviation, at `CONTRAST`, of 1 % of noise in photographs."""
REFERENCE_L0_WEIGHT = 5e-4
"""L0-gradient weight for noise of `REFERENCE_NOISE`, relative to the squared residual."""
ROUNDING = 1e-6
"""Largest standard deviation that may be float32 rounding, as a fraction of the largest value."""

Noise = TypeVar("Noise", float, Tensor)


def mad_std(values: NDArray[Any], center: float | None = None, axis: int | None = None) -> Any:
    """Return the standard deviation estimated from the median absolute deviation.

    Parameters
    ----------
    values : array
        Real values, finite, at least one along `axis`.
    center : float, optional
        Value that deviations are taken from; the median by default.
    axis : int, optional
        Axis along which to reduce; all of them by default.

    Returns
    -------
    float or array
        A float for `axis=None`, in the unit of `values`.

    Example
    -------
    >>> mad_std(np.array([1.0, 2.0, 3.0, 4.0, 100.0]))
    1.4826
    """
    if center is None:
        center = np.median(values, axis=axis, keepdims=axis is not None)
    deviation = np.median(np.abs(values - center), axis=axis)
    return MAD_TO_STD * (float(deviation) if axis is None else deviation)


def l0_weight_for_noise(noise: Noise) -> Noise:
    """Return the L0-gradient weight that suppresses most noise of this level.

    Relative to the squared residual. Empirical fit on photographs: proportional to noise^1.5.

    Parameters
    ----------
    noise : tensor or float
        Standard deviation, at `CONTRAST`.
    """
    weight: Noise = REFERENCE_L0_WEIGHT * (noise / REFERENCE_NOISE) ** 1.5
    return weight


def stable_mean(values: Tensor) -> float:
    """Return the mean, rounded to float32, with sums in float64 where the device has it.

    The order of a sum differs with the number of threads. In float64 the difference is lost in
    the rounding.

    Example
    -------
    >>> import torch
    >>> stable_mean(torch.tensor([1.0, 2.0, 4.5]))
    2.5
    """
    exact = values if values.device.type == "mps" else values.double()
    return float(np.float32(float(exact.mean())))


def contrast_of(values: Tensor) -> float:
    """Return the standard deviation of the values from which a kernel is estimated.

    Parameters
    ----------
    values : tensor
        Valid pixels of an image, of any shape.

    Raises
    ------
    ImageError
        If all are equal up to rounding.
    """
    spread = 0.0
    if values.numel():
        spread = stable_mean((values - stable_mean(values)).square()) ** 0.5
    if not (spread and spread > ROUNDING * float(values.abs().max())):
        raise ImageError(
            "a kernel cannot be estimated from an image of one value; "
            "give the PSF, or an image with edges."
        )
    return spread
