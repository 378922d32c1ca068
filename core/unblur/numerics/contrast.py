"""The contrast at which the weights of blind estimation are told, and what noise adds to them."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor

from unblur.errors import ImageError

CONTRAST = 0.16
"""Standard deviation that an image is brought to, so that weights suit dim and bright ones."""
LOUD = 0.008
"""Standard deviation of the noise, at `CONTRAST`, that 1 % makes in photographs."""
PRICE_WHEN_LOUD = 5e-4
"""Price of an edge that noise of `LOUD` asks for."""
ROUNDING = 1e-6
"""Share of an image's largest value up to which its contrast is the rounding of float32."""
Noise = TypeVar("Noise", float, Tensor)


def price_against(noise: Noise) -> Noise:
    """Return the weight of the number of gradients at which an image is rid of most of the noise.

    Against the squared residual. It grows with the power 1.5 of the noise, which was found by
    trial on photographs.

    Parameters
    ----------
    noise : tensor or float
        Standard deviation, at `CONTRAST`.
    """
    price: Noise = PRICE_WHEN_LOUD * (noise / LOUD) ** 1.5
    return price


def contrast_of(values: Tensor) -> float:
    """Return the standard deviation of the values that a kernel is to be estimated from.

    Parameters
    ----------
    values : tensor
        Of any shape; the trusted pixels of an image.

    Raises
    ------
    ImageError
        If they are all one value, but for rounding.
    """
    spread = float(values.std()) if values.numel() > 1 else 0.0
    if not (spread and spread > ROUNDING * float(values.abs().max())):
        raise ImageError(
            "a kernel cannot be estimated from an image of one value; "
            "give the PSF, or an image with edges."
        )
    return spread
