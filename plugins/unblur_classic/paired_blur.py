"""Blur in half the time: two halves of an image ride in one complex Fourier transform."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import torch
from torch import Tensor

from unblur.fourier import fast_length, spatial_axes
from unblur.operators import Blur


class PairedBlur(Blur):
    """The operator `Blur`, computed by complex transforms; for long iterations.

    A real kernel blurs the real and the imaginary part of an image each on its own, so that two
    strips of the scene, overlapping by the kernel's reach, are blurred at once. Complex
    transforms run back as fast as forward, while the inverse of a real one is slow across rows.

    Parameters
    ----------
    kernel, shape, mask
        As for `Blur`; so are the attributes.

    Notes
    -----
    Not differentiable: it fills its buffers in place.
    """

    def __init__(self, kernel: Tensor, shape: Sequence[int], mask: Tensor | None = None) -> None:
        super().__init__(kernel, shape, mask)
        # Cut across the axis along which the kernel is shortest beside the image.
        self._axis = max(range(self.ndim), key=lambda a: self.shape[a] / kernel.shape[a])
        extent, whole = self.shape[self._axis], self.domain[self._axis]
        self._rows = (extent + 1) // 2, extent // 2
        self._length = fast_length(self._rows[0] + kernel.shape[self._axis] - 1)
        self._starts = 0, min(self._rows[0], whole - self._length)
        self._axes = spatial_axes(self.ndim)

    def forward(self, x: Tensor) -> Tensor:
        """Blur the scene (..., *domain) and return what the camera sees, (..., *shape)."""
        seen = x.new_empty((*x.shape[: -self.ndim], *self.shape))
        # One at a time: buffers that fit the cache and the allocator are quicker than many.
        for scene, image in zip(self._each(x), self._each(seen), strict=True):
            spectrum = torch.fft.fftn(torch.complex(*self._strips(scene)), dim=self._axes)
            blurred = torch.fft.ifftn(spectrum.mul_(self._otf), dim=self._axes)
            for half, strip in self._halves(image, blurred):
                half.copy_(strip)
        return seen if self.mask is None else seen.mul_(self.mask)

    def adjoint(self, y: Tensor) -> Tensor:
        """Correlate an image (..., *shape) with the kernel back onto the scene."""
        seen = y if self.mask is None else y * self.mask
        scenes = y.new_empty((*y.shape[: -self.ndim], *self.domain))
        dim, shared = self._axis - self.ndim, self._length - self._starts[1]
        for scene, image in zip(self._each(scenes), self._each(seen), strict=True):
            strips = y.new_zeros(self._strip, dtype=self._otf.dtype)
            for half, strip in self._halves(image, strips):
                strip.copy_(half)
            # Exchanging the transforms reverses the frequencies, where a real kernel's transfer
            # function is its conjugate: a correlation without a conjugated copy.
            spectrum = torch.fft.ifftn(strips, dim=self._axes)
            back = torch.fft.fftn(spectrum.mul_(self._otf), dim=self._axes)
            first, second = self._strips(scene)
            first.copy_(back.real)
            second.narrow(dim, 0, shared).add_(back.imag.narrow(dim, 0, shared))
            fresh = self._length - shared
            second.narrow(dim, shared, fresh).copy_(back.imag.narrow(dim, shared, fresh))
            seen_to = self._starts[1] + self._length
            scene.narrow(dim, seen_to, scene.shape[dim] - seen_to).zero_()
        return scenes

    def _each(self, x: Tensor) -> Tensor:
        """Return views of the images along the leading axes, (n, *spatial)."""
        return x.reshape(-1, *x.shape[-self.ndim :])

    @property
    def _strip(self) -> tuple[int, ...]:
        """Extent of a strip: that of the scene, but for the axis that is cut."""
        cut = self._axis
        return (*self.domain[:cut], self._length, *self.domain[cut + 1 :])

    @cached_property
    def _otf(self) -> Tensor:
        """Transfer function of the kernel on a strip, with negative frequencies too."""
        grid = self.kernel.new_zeros(self._strip)
        grid[tuple(slice(0, n) for n in self.kernel.shape)] = self.kernel
        centred = torch.roll(grid, [-(n // 2) for n in self.kernel.shape], self._axes)
        otf: Tensor = torch.fft.fftn(centred, dim=self._axes)
        return otf

    def _strips(self, scene: Tensor) -> list[Tensor]:
        """Return views of the parts of a scene that the image's two halves see."""
        dim = self._axis - self.ndim
        return [scene.narrow(dim, start, self._length) for start in self._starts]

    def _halves(self, image: Tensor, strips: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield views of each half of an image, and of where it lies in its complex strip."""
        dim = self._axis - self.ndim
        row = 0
        for part, rows, start in zip(
            (strips.real, strips.imag), self._rows, self._starts, strict=True
        ):
            window = list(self.window)  # an ellipsis and one slice per axis
            begin = window[dim].start + row - start
            window[dim] = slice(begin, begin + rows)
            yield image.narrow(dim, row, rows), part[tuple(window)]
            row += rows
