"""The contrast at which the weights of blind estimation are told, and what noise adds to them."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor

CONTRAST = 0.16
"""Standard deviation that an image is brought to, so that weights suit dim and bright ones."""
LOUD = 0.008
"""Standard deviation of the noise, at `CONTRAST`, that 1 % makes in photographs."""
PRICE_WHEN_LOUD = 5e-4
"""Price of an edge that noise of `LOUD` asks for."""
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
