"""Tone curves: from the values that a camera stores to amounts of light, and back.

Blur is a sum of light. A photograph stores light through a curve, near a power of 1/2.2, so its
stored values are not a convolution of the sharp ones, and their deconvolution leaves halos on the
dark side of edges. Deconvolved as light they are (Tai et al., "Nonlinear Camera Response
Functions and Image Deblurring", PAMI 2013).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from unblur.model.context import ToneCurve

LINEAR_SLOPE = 12.92
"""Slope of the straight part of the curve of sRGB, near black, dimensionless."""

LINEAR_END = 0.0031308
"""Largest light of the straight part, white = 1."""

POWER, SCALE, OFFSET = 2.4, 1.055, 0.055
"""Exponent, factor and offset of the curved part, dimensionless."""


def decode_light(values: NDArray[Any]) -> NDArray[Any]:
    """Return the amounts of light that the curve of sRGB stores as `values`, white = 1.

    Below 0 the straight part goes on, and above 1 the curved one.

    Example
    -------
    >>> decode_light(np.array([0.0, 0.5, 1.0])).round(3).tolist()
    [0.0, 0.214, 1.0]
    """
    curved = ((values.clip(0) + OFFSET) / SCALE) ** POWER
    return np.where(values <= LINEAR_SLOPE * LINEAR_END, values / LINEAR_SLOPE, curved)


def encode_light(light: NDArray[Any]) -> NDArray[Any]:
    """Return the values as which the curve of sRGB stores amounts of light; undoes `decode_light`.

    Example
    -------
    >>> encode_light(decode_light(np.array([-0.01, 0.02, 0.5, 1.5]))).round(6).tolist()
    [-0.01, 0.02, 0.5, 1.5]
    """
    curved = SCALE * light.clip(0) ** (1 / POWER) - OFFSET
    return np.where(light <= LINEAR_END, light * LINEAR_SLOPE, curved)


def decoding_slope(value: float) -> float:
    """Return by how much light changes with a stored value near `value`, white = 1.

    Example
    -------
    >>> round(decoding_slope(0.5), 2)
    0.93
    """
    if value <= LINEAR_SLOPE * LINEAR_END:
        return 1 / LINEAR_SLOPE
    return float(POWER / SCALE * ((value + OFFSET) / SCALE) ** (POWER - 1))


def stored_values(image: Tensor, curve: ToneCurve) -> Tensor:
    """Return the values as which an image is stored whose light is given, white = 1.

    Parameters
    ----------
    image : tensor of any shape
        Amounts of light, or with the curve "none" the values themselves.
    curve : {"none", "srgb"}
        The curve through which the image stores light, as in `Context.tone_curve`.
    """
    if curve == "none":
        return image
    curved = SCALE * image.clamp_min(0) ** (1 / POWER) - OFFSET
    return (image * LINEAR_SLOPE).where(image <= LINEAR_END, curved)
