"""Linear operators of the blur model, each with its exact adjoint.

The model is `y = M (k * x) + n`: a camera sees only the window `M` of a scene that goes on
beyond it. `Blur` therefore keeps the scene on a larger grid than the image, by the kernel's
reach on each side, so that nothing is assumed about what lies outside and no ringing enters
from the border. Methods that must work on the image's own grid use `taper` instead.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from unblur.numerics.fourier import apply_otf, fast_length, psf_to_otf

JOINT = 0.5
"""Least distance over which the ends of an image are joined along an axis that is cut, in kernel
extents. Without it, the step between them rings far into the image."""


class Blur:
    """Convolution with a kernel as a camera sees it: valid pixels only, optionally masked.

    Parameters
    ----------
    kernel : (*k)
        Blur kernel, 2-D or 3-D, centre at `n // 2`. Blur is true convolution.
    shape : sequence of int
        Spatial extent of the observed image.
    mask : (*shape) or (..., *shape), optional
        1 where a pixel was observed, 0 where it is unknown (NaN, saturated, dead).
    cut_axes : sequence of bool
        Axes along which the image is cut out of a larger one, and its outermost pixels are
        discarded: the scene is the image there, and unobserved pixels that join its ends.
    domain : sequence of int, optional
        Extent of the grid of the scene, where another than that below is wanted.

    Attributes
    ----------
    domain : tuple of int
        Extent of the grid on which the scene is kept: image plus the kernel's reach, rounded
        up to lengths with a fast FFT. The surplus is scene that nobody observed.
    before : tuple of int
        Index of the image's first pixel in the scene.

    Notes
    -----
    `forward` maps (..., *domain) to (..., *shape); `adjoint` maps back; for all x, y
    `<forward(x), y> = <x, adjoint(y)>`.
    """

    def __init__(
        self,
        kernel: Tensor,
        shape: Sequence[int],
        mask: Tensor | None = None,
        cut_axes: Sequence[bool] = (),
        domain: Sequence[int] | None = None,
    ) -> None:
        self.kernel = kernel
        self.shape = tuple(int(n) for n in shape)
        self.mask = mask
        self.cut_axes = tuple(cut_axes) or (False,) * len(self.shape)
        axes = list(zip(self.shape, kernel.shape, self.cut_axes, strict=True))
        # Pixel i sees x[i - (j - c)] for j in [0, n): n - 1 - c pixels before, c pixels after.
        self.before = tuple(0 if is_cut else n - 1 - n // 2 for _, n, is_cut in axes)
        if domain is None:
            domain = [
                fast_length(max(extent + int(JOINT * n), n) if is_cut else extent + n - 1)
                for extent, n, is_cut in axes
            ]
        self.domain = tuple(domain)

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.shape)

    @cached_property
    def otf(self) -> Tensor:
        """Transfer function of the kernel on `domain`."""
        return psf_to_otf(self.kernel, self.domain)

    @cached_property
    def window(self) -> tuple[Any, ...]:
        """Index of the observed image inside a scene."""
        return (..., *(slice(b, b + n) for b, n in zip(self.before, self.shape, strict=True)))

    def forward(self, x: Tensor) -> Tensor:
        """Blur the scene (..., *domain) and return what the camera sees, (..., *shape)."""
        seen = self.crop(apply_otf(x, self.otf, self.ndim))
        return seen if self.mask is None else seen * self.mask

    def adjoint(self, y: Tensor) -> Tensor:
        """Correlate an image (..., *shape) with the kernel back onto the scene."""
        seen = y if self.mask is None else y * self.mask
        return apply_otf(self.place(seen), self.otf.conj(), self.ndim)

    def with_mask(self, mask: Tensor | None) -> Blur:
        """Return the same blur with another mask; what was computed of it is kept."""
        other = copy.copy(self)
        other.mask = mask
        return other

    def crop(self, x: Tensor) -> Tensor:
        """Cut the image's window out of a scene."""
        return x[self.window]

    def place(self, y: Tensor) -> Tensor:
        """Lay an image into an otherwise empty scene; the adjoint of `crop`."""
        scene = y.new_zeros((*y.shape[: -self.ndim], *self.domain))
        scene[self.window] = y
        return scene

    def extend(self, y: Tensor) -> Tensor:
        """Continue an image smoothly over the whole periodic scene: the usual first guess."""
        return extend_periodic(y, self.domain, self.before)


def extend_periodic(y: Tensor, domain: Sequence[int], before: Sequence[int]) -> Tensor:
    """Continue `y` to extent `domain` so that opposite ends meet without a step.

    The gap along each axis is bridged from one end's values to the other's along a raised
    cosine, so that a periodic filter meets no edge that the scene does not have.
    """
    ndim = len(domain)
    window: tuple[Any, ...] = tuple(
        slice(b, b + n) for b, n in zip(before, y.shape[-ndim:], strict=True)
    )
    scene = y.new_empty((*y.shape[:-ndim], *domain))
    scene[(..., *window)] = y
    for axis, (size, lead) in enumerate(zip(domain, before, strict=True)):
        dim = axis - ndim
        end = window[axis].stop
        gap = size - y.shape[dim]
        if gap == 0:
            continue
        # The whole of the axes before this one is known, and the window of those after it.
        part: tuple[Any, ...] = (..., *[slice(None)] * (axis + 1), *window[axis + 1 :])
        known = scene[part]
        ramp = torch.linspace(0, torch.pi, gap + 2, dtype=y.dtype, device=y.device)[1:-1]
        weight = (0.5 * (1 + torch.cos(ramp))).reshape([-1] + [1] * (-dim - 1))
        last, first = known.narrow(dim, end - 1, 1), known.narrow(dim, lead, 1)
        bridge = weight * last + (1 - weight) * first
        known.narrow(dim, end, size - end).copy_(bridge.narrow(dim, 0, size - end))
        known.narrow(dim, 0, lead).copy_(bridge.narrow(dim, size - end, lead))
    return scene


def gradient(x: Tensor, ndim: int = 2) -> Tensor:
    """Return periodic forward differences, stacked first: (ndim, ..., *spatial).

    Order is the axes' own: index 0 is along the first spatial axis (rows in 2-D).
    """
    if x.requires_grad:
        return torch.stack([torch.roll(x, -1, d) - x for d in range(-ndim, 0)])
    # Written in place, without a copy of the shifted image: a third of the time, the same bits.
    result = x.new_empty((ndim, *x.shape))
    for out, dim in zip(result, range(-ndim, 0), strict=True):
        _subtract_shifted(x, dim, out)
    return result


def gradient_adjoint(g: Tensor, ndim: int = 2) -> Tensor:
    """Return the adjoint of `gradient` (minus the divergence): (ndim, ..., *) to (..., *)."""
    axes = range(-ndim, 0)
    if g.requires_grad:
        return torch.stack([torch.roll(p, 1, d) - p for p, d in zip(g, axes, strict=True)]).sum(0)
    total, term = torch.empty_like(g[0]), torch.empty_like(g[0])
    for i, (part, dim) in enumerate(zip(g, axes, strict=True)):
        out = term if i else total
        m = part.shape[dim] - 1
        torch.sub(part.narrow(dim, 0, m), part.narrow(dim, 1, m), out=out.narrow(dim, 1, m))
        torch.sub(part.narrow(dim, m, 1), part.narrow(dim, 0, 1), out=out.narrow(dim, 0, 1))
        if i:
            total.add_(term)
    return total


def _subtract_shifted(x: Tensor, dim: int, out: Tensor) -> None:
    """Write the periodic forward difference along an axis into `out`."""
    m = x.shape[dim] - 1
    torch.sub(x.narrow(dim, 1, m), x.narrow(dim, 0, m), out=out.narrow(dim, 0, m))
    torch.sub(x.narrow(dim, 0, 1), x.narrow(dim, m, 1), out=out.narrow(dim, m, 1))


def laplacian_otf(shape: Sequence[int], like: Tensor) -> Tensor:
    """Return the transfer function of `gradient_adjoint(gradient(x))`: real, non-negative."""
    total = like.new_zeros(())
    ndim = len(shape)
    for axis, n in enumerate(shape):
        size = n if axis < ndim - 1 else n // 2 + 1
        frequency = torch.arange(size, dtype=like.dtype, device=like.device) / n
        term = 2 - 2 * torch.cos(2 * torch.pi * frequency)
        total = total + term.reshape([-1] + [1] * (ndim - 1 - axis))
    return total


def taper(y: Tensor, kernel: Tensor) -> Tensor:
    """Blend the border of `y` into its own periodic blur, to avoid ringing in a Fourier division.

    Inside, `y` is unchanged; towards the border it fades, over the kernel's reach, into
    `y * k` with wrap-around, which is what a periodic blur would have shown there.
    """
    ndim = kernel.ndim
    shape = y.shape[-ndim:]
    blurred = apply_otf(y, psf_to_otf(kernel, shape), ndim)
    weight = y.new_ones(())
    for axis, (n, k) in enumerate(zip(shape, kernel.shape, strict=True)):
        distance = torch.arange(n, dtype=y.dtype, device=y.device)
        distance = torch.minimum(distance, n - 1 - distance)
        fade = torch.clamp(distance / max(k - 1, 1), max=1)
        weight = weight * (0.5 - 0.5 * torch.cos(torch.pi * fade)).reshape(
            [-1] + [1] * (ndim - 1 - axis)
        )
    return weight * y + (1 - weight) * blurred
