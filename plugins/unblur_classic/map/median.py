"""The median of a pixel's neighbourhood, which salt and pepper do not move."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def median_filtered(x: Tensor, size: int) -> Tensor:
    """Return (H, W) with each pixel the median of the `size` x `size` ones around it.

    Parameters
    ----------
    x : (H, W)
        At least `size` along both axes; mirrored beyond its border.
    size : int
        Odd; 1 changes nothing.
    """
    reach = size // 2
    padded = functional.pad(x[None, None], [reach] * 4, mode="reflect")[0, 0]
    windows = padded.unfold(0, size, 1).unfold(1, size, 1)
    return windows.flatten(2).median(2).values
