"""Where in its frame a kernel should lie."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def centred_on_mass(kernel: Tensor) -> Tensor:
    """Return a kernel whose centre of mass lies in the middle, in a larger frame if need be.

    A result is then neither shifted against its input nor is any light cut off.
    """
    shift = []
    for axis, n in enumerate(kernel.shape):
        profile = kernel.sum(1 - axis)
        position = torch.arange(n, dtype=kernel.dtype, device=kernel.device)
        shift.append(n // 2 - round(float((profile * position).sum() / profile.sum())))
    reach = max(abs(s) for s in shift)
    lit = kernel.nonzero()
    spare = min(int(lit.min()), min(kernel.shape) - 1 - int(lit.max()))
    grow = max(reach - spare, 0)
    larger = functional.pad(kernel, [grow] * 4)
    return torch.roll(larger, shift, (0, 1))
