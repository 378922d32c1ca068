"""Search for the size of a kernel: grow while it touches the border, then crop to its support."""

from __future__ import annotations

from math import ceil

from torch import Tensor

from unblur.numerics.pyramid import RATIO, odd

INITIAL_SIZE = 25
"""Extent in pixels of the first kernel that is estimated."""
SUPPORT_THRESHOLD = 0.08
"""Value relative to the peak from which it belongs to the kernel rather than to its errors."""
MAX_BORDER_MASS = 0.03
"""Largest mass of the outer tenth of a kernel at which its size suffices, as a fraction of 1."""


def next_size(size: int) -> int:
    """Return the next larger size to try, half an octave above, in pixels."""
    return odd(round(size / RATIO))


def touches_border(kernel: Tensor) -> bool:
    """Return whether the outer tenth of a kernel (n, n) holds more than 3 % of its mass."""
    n = kernel.shape[-1]
    border = max(n // 10, 1)
    inner = kernel[border : n - border, border : n - border]
    return float(inner.sum()) < (1 - MAX_BORDER_MASS) * float(kernel.sum())


def support_size(kernel: Tensor) -> int:
    """Return the extent in pixels, odd, of the centred square around a kernel's support.

    The half width of the support is increased by a quarter and a pixel, for values that are below
    the threshold as yet. The extent is at least 5 pixels and at most the kernel's own.
    """
    n = kernel.shape[-1]
    support = (kernel >= SUPPORT_THRESHOLD * kernel.max()).nonzero()
    half_width = ceil(1.25 * int((support - n // 2).abs().max())) + 1
    return min(max(2 * half_width + 1, 5), n)
