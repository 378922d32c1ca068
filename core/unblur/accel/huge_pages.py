"""Arrays in huge pages: fewer page faults and address translations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from unblur.accel.memory import is_counted


def zeros_in_huge_pages(like: Tensor, shape: Sequence[int]) -> Tensor:
    """Return zeros of a tensor's type and device; on a CPU in huge pages where Linux offers them.

    numpy asks for them, torch does not. They are cleared faster, and blocks that lie across many
    pages are read faster.

    Examples
    --------
    >>> zeros_in_huge_pages(torch.ones(1), (2, 3)).shape
    torch.Size([2, 3])
    """
    if like.device.type != "cpu" or like.dtype != torch.float32 or is_counted():
        return like.new_zeros(tuple(shape))
    return torch.from_numpy(np.zeros(tuple(shape), np.float32))
