"""Pixels that may not be trusted, replaced by what surrounds them."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def filled(y: Tensor, mask: Tensor) -> Tensor:
    """Replace untrusted pixels by the mean of trusted ones around them, from near to far.

    Parameters
    ----------
    y : (1, H, W)
        Image.
    mask : (H, W)
        1 where a pixel may be trusted, 0 elsewhere.
    """
    known = (mask > 0).to(y).expand_as(y)
    result = y * known
    reach = 1
    while not bool(known.all()) and reach < max(y.shape):
        box = 2 * reach + 1
        weight = functional.avg_pool2d(known, box, 1, reach)
        mean = functional.avg_pool2d(result, box, 1, reach) / weight.clamp_min(1e-12)
        found = (weight > 1e-9) & (known == 0)
        result = result.where(~found, mean)
        known = known.where(~found, 1.0)
        reach *= 2
    return result
