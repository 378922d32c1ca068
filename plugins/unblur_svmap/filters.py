"""A bank of small filters, one per pixel, applied without storing pixels x filters x taps.

A bank is a tensor (B, N, s * s, H, W): at every pixel N filters of s x s taps. It acts as a
linear map from an image (B, 1, H, W) to N feature images (B, N, H, W); the adjoint goes back.
Both run over the taps, multiplying one shifted view of the image at a time into the sum, in
strips of rows that stay in cache; on a CPU, where the extra `fast` is installed, in compiled loops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

from unblur.accel.threads import can_compile
from unblur_svmap import compiled_filters

FilterBorder = Literal["zeros", "periodic"]
STRIP_PIXELS = 32768
"""Number of pixels of a strip, with which sum, view and one tap of each filter fit the second-level
cache of a core, a count."""


def taps_per_side(bank: Tensor) -> int:
    """Return s for a bank of s x s taps."""
    return math.isqrt(bank.shape[2])


def filter_pixels(x: Tensor, bank: Tensor, border: FilterBorder) -> Tensor:
    """Apply each pixel's filters to the patch around it.

    Parameters
    ----------
    x : (B, 1, H, W)
        Image.
    bank : (B, N, s * s, H, W)
        Filters, taps in row order, s odd. The first axis may be 1 and serves all of B.
    border : {"zeros", "periodic"}
        Extension of the image beyond its edges.

    Returns
    -------
    (B, N, H, W)
        `out[n, p] = sum_t bank[n, t, p] x[p + t]`, differentiable in `x` and `bank`.
    """
    out: Tensor = _Filter.apply(x, bank, border)  # type: ignore[no-untyped-call]
    return out


def filter_pixels_adjoint(v: Tensor, bank: Tensor, border: FilterBorder) -> Tensor:
    """Return the adjoint of `filter_pixels` at fixed `bank`: (B, N, H, W) to (B, 1, H, W)."""
    out: Tensor = _Adjoint.apply(v, bank, border)  # type: ignore[no-untyped-call]
    return out


def pad(x: Tensor, width: int, border: FilterBorder) -> Tensor:
    """Surround (..., H, W) by `width` pixels of zeros or of the opposite side."""
    mode = "constant" if border == "zeros" else "circular"
    return functional.pad(x, (width,) * 4, mode=mode)


def unpad(x: Tensor, width: int, border: FilterBorder) -> Tensor:
    """Return the adjoint of `pad`: drop the surround, or fold it back onto the other side."""
    if border == "periodic":
        for dim in (-2, -1):
            n = x.shape[dim] - 2 * width
            middle = x.narrow(dim, width, n).clone()
            middle.narrow(dim, n - width, width).add_(x.narrow(dim, 0, width))
            middle.narrow(dim, 0, width).add_(x.narrow(dim, n + width, width))
            x = middle
        return x
    return x[..., width:-width, width:-width] if width else x


def _strips(height: int, width: int) -> list[slice]:
    rows = max(STRIP_PIXELS // max(width, 1), 1)
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def _apply(x: Tensor, bank: Tensor, border: FilterBorder) -> Tensor:
    side = taps_per_side(bank)
    height, width = x.shape[-2:]
    wide = pad(x, side // 2, border)
    if can_compile(wide, bank):
        return compiled_filters.apply(wide, bank)
    out = x.new_zeros((x.shape[0], bank.shape[1], height, width))
    for strip in _strips(height, width):
        target = out[..., strip, :]
        for tap in range(side * side):
            row, column = divmod(tap, side)
            view = wide[..., strip.start + row : strip.stop + row, column : column + width]
            target.addcmul_(bank[:, :, tap, strip], view)
    return out


def _adjoint(v: Tensor, bank: Tensor, border: FilterBorder) -> Tensor:
    side = taps_per_side(bank)
    if can_compile(v, bank):
        return unpad(compiled_filters.adjoint(v, bank), side // 2, border)
    height, width = v.shape[-2:]
    wide = v.new_zeros((v.shape[0], 1, height + side - 1, width + side - 1))
    for strip in _strips(height, width):
        features = v[..., strip, :]
        for tap in range(side * side):
            row, column = divmod(tap, side)
            view = wide[:, 0, strip.start + row : strip.stop + row, column : column + width]
            for n in range(v.shape[1]):
                view.addcmul_(bank[:, n, tap, strip], features[:, n])
    return unpad(wide, side // 2, border)


def _bank_gradient(x: Tensor, v: Tensor, bank: Tensor, border: FilterBorder) -> Tensor:
    """Return the derivative of `<v, filter_pixels(x, bank)>` with respect to the bank."""
    side = taps_per_side(bank)
    height, width = x.shape[-2:]
    wide = pad(x, side // 2, border)
    shared = bank.shape[0] < x.shape[0]
    out = bank.new_empty((x.shape[0], *bank.shape[1:]))
    if can_compile(wide, v, out):
        compiled_filters.bank_gradient(wide, v, out)
        return out.sum(0, keepdim=True) if shared else out
    for strip in _strips(height, width):
        features = v[..., strip, :]
        for tap in range(side * side):
            row, column = divmod(tap, side)
            view = wide[..., strip.start + row : strip.stop + row, column : column + width]
            torch.mul(features, view, out=out[:, :, tap, strip])
    return out.sum(0, keepdim=True) if shared else out


class _Filter(Function):
    """`filter_pixels` with its two derivatives."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bank: Tensor, border: FilterBorder) -> Tensor:
        ctx.save_for_backward(x, bank)
        ctx.border = border
        return _apply(x, bank, border)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        x, bank = ctx.saved_tensors
        v = grads[0]
        to_x = _adjoint(v, bank, ctx.border) if ctx.needs_input_grad[0] else None
        to_bank = _bank_gradient(x, v, bank, ctx.border) if ctx.needs_input_grad[1] else None
        return to_x, to_bank, None


class _Adjoint(Function):
    """`filter_pixels_adjoint` with its two derivatives."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, bank: Tensor, border: FilterBorder) -> Tensor:
        ctx.save_for_backward(v, bank)
        ctx.border = border
        return _adjoint(v, bank, border)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        v, bank = ctx.saved_tensors
        x = grads[0]
        to_v = _apply(x, bank, ctx.border) if ctx.needs_input_grad[0] else None
        to_bank = _bank_gradient(x, v, bank, ctx.border) if ctx.needs_input_grad[1] else None
        return to_v, to_bank, None


def mean_correlation(bank: Tensor) -> Tensor:
    """Return the correlation of the filters with themselves: mean over pixels, sum over filters.

    Parameters
    ----------
    bank : (B, N, s * s, H, W)
        Filters.

    Returns
    -------
    (B, 2 s - 1, 2 s - 1)
        The filter of the shift-invariant map nearest, in the Frobenius norm, to filtering
        followed by its adjoint; offset 0 in the middle.

    References
    ----------
    T. F. Chan, "An optimal circulant preconditioner for Toeplitz systems", SIAM J. Sci. Stat.
    Comput. 9(4), 1988.
    """
    side = taps_per_side(bank)
    extent = 2 * side - 1
    flat = bank.flatten(3)
    gram = (flat @ flat.transpose(2, 3)).sum(1) / flat.shape[3]
    index = torch.arange(side, device=bank.device)
    rows, columns = index.repeat_interleave(side), index.repeat(side)
    down = rows[:, None] - rows[None] + side - 1
    across = columns[:, None] - columns[None] + side - 1
    place = (down * extent + across).flatten().expand(bank.shape[0], -1)
    correlation = bank.new_zeros((bank.shape[0], extent**2))
    return correlation.scatter_add(1, place, gram.flatten(1)).reshape(-1, extent, extent)


def spectrum(correlation: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the power spectrum of a correlation (B, n, n), n odd, on a periodic grid.

    Returns
    -------
    (B, 1, rows, columns // 2 + 1) real, non-negative
    """
    width = correlation.shape[-1] // 2
    offsets = torch.arange(-width, width + 1, device=correlation.device)
    place = (offsets % shape[0])[:, None] * shape[1] + (offsets % shape[1])[None]
    grid = correlation.new_zeros((correlation.shape[0], shape[0] * shape[1]))
    index = place.flatten().expand(correlation.shape[0], -1)
    grid = grid.scatter_add(1, index, correlation.flatten(1)).reshape(-1, 1, *shape)
    power: Tensor = torch.fft.rfft2(grid).real.clamp_min(0)
    return power
