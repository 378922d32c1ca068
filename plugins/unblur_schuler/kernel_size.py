"""How large the frame of a kernel must be."""

from __future__ import annotations

from math import ceil

from torch import Tensor

from unblur.numerics.pyramid import RATIO, odd

FIRST = 25
"""Extent in pixels that is tried first."""
LIT = 0.08
"""Share of the peak from which a value belongs to the kernel rather than to its errors."""
RIM = 0.03
"""Share of the light in the outer tenth of the frame at which the frame is too small."""


def grown(size: int) -> int:
    """Return the next larger extent to try, half an octave up."""
    return odd(round(size / RATIO))


def touches_border(kernel: Tensor) -> bool:
    """Return whether a kernel (n, n) holds light near the border of its frame."""
    n = kernel.shape[-1]
    rim = max(n // 10, 1)
    return float(kernel[rim : n - rim, rim : n - rim].sum()) < (1 - RIM) * float(kernel.sum())


def lit_extent(kernel: Tensor) -> int:
    """Return the extent of a centred frame, odd, that holds a kernel's light with room to spare.

    A quarter and a pixel are added at each side for what is too faint to be seen yet. At least
    5 pixels, at most the kernel's own extent.
    """
    n = kernel.shape[-1]
    lit = (kernel >= LIT * kernel.max()).nonzero()
    reach = ceil(1.25 * int((lit - n // 2).abs().max())) + 1
    return min(max(2 * reach + 1, 5), n)
