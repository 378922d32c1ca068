"""Reference contrast of the weights of blind estimation, and their dependence on noise."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor

from unblur.errors import ImageError

CONTRAST = 0.16
"""Standard deviation to which images are scaled, white = 1, so that weights suit any contrast."""
REFERENCE_NOISE = 0.008
"""Standard deviation, at `CONTRAST`, of 1 % of noise in photographs."""
REFERENCE_L0_WEIGHT = 5e-4
"""L0-gradient weight for noise of `REFERENCE_NOISE`, relative to the squared residual."""
ROUNDING = 1e-6
"""Share of an image's largest value up to which its contrast is the rounding of float32."""
Noise = TypeVar("Noise", float, Tensor)


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


def contrast_of(values: Tensor) -> float:
    """Return the standard deviation of the values that a kernel is to be estimated from.

    Parameters
    ----------
    values : tensor
        Of any shape; the valid pixels of an image.

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
