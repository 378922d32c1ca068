"""The Wiener filter of an image whose scene goes on beyond the border."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unblur.numerics.border_bands import BorderBands, waves
from unblur.numerics.operators import extend_periodic, laplacian_otf

FACTORS = (2, 3, 5, 7, 11, 13)
"""Prime factors of the grid's extents, for which FFTs are fast, dimensionless."""


def grid_length(length: int) -> int:
    """Return the smallest length of at least `length` without prime factors above 13.

    >>> grid_length(2072)
    2079
    """
    while True:
        rest = length
        for factor in FACTORS:
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1


def wiener_grid(
    kernel: Sequence[int], shape: Sequence[int], cut_axes: Sequence[bool] = (False, False)
) -> tuple[int, ...]:
    """Return the extent of the periodic grid for images and a kernel of these extents, in pixels.

    It holds the scene on which an image depends; along an axis that is cut, the image alone.
    """
    axes = zip(shape, kernel, cut_axes, strict=True)
    return tuple(grid_length(n if is_cut else n + k - 1) for n, k, is_cut in axes)


class BorderedWiener:
    """Wiener filter of images of one extent, with the unobserved border solved for.

    The grid holds the image and the kernel's reach on each side, and is periodic. The result is
    the minimiser of `|M (k * x) - y|^2 + weight |grad x|^2` over the scene `x`, where `M` keeps
    the observed pixels.

    Parameters
    ----------
    kernel : (kh, kw)
        Blur kernel, its centre at `n // 2`.
    shape : (int, int)
        Extent of the images.
    weight : float
        Weight of the squared gradient.
    cut_axes : (bool, bool)
        Axes along which the scene beyond the image is not solved for, since the image is a tile
        whose outermost pixels are discarded: it is extended smoothly to the next fast length.

    References
    ----------
    S. J. Reeves, "Fast image restoration without boundary artifacts", IEEE TIP 14(10), 2005.
    """

    def __init__(
        self,
        kernel: Tensor,
        shape: Sequence[int],
        weight: float,
        cut_axes: Sequence[bool] = (False, False),
    ) -> None:
        self.kernel, self.weight, self.cut_axes = kernel, weight, tuple(cut_axes)
        self.shape = (int(shape[0]), int(shape[1]))
        self.grid = wiener_grid(kernel.shape, shape, cut_axes)
        self.before = tuple(
            0 if is_cut else k - 1 - k // 2
            for k, is_cut in zip(kernel.shape, cut_axes, strict=True)
        )
        height, width = self.grid
        rows, columns = torch.arange(height), torch.arange(width // 2 + 1)
        otf = self._otf(kernel, rows, columns)
        prior = weight * laplacian_otf(self.grid, otf.real)
        total = otf.real.square().add_(otf.imag.square()).add_(prior)
        cost = prior.div_(total)
        self.restore = otf.conj_physical_().div_(total)
        self.border = BorderBands(cost, self.grid, self.shape, self.before, self.cut_axes)

    def is_for(
        self,
        kernel: Tensor,
        shape: Sequence[int],
        weight: float,
        cut_axes: Sequence[bool] = (False, False),
    ) -> bool:
        """Return whether this is the filter of that kernel, extent, weight and cut axes."""
        return (
            self.weight == weight
            and self.shape == tuple(shape)
            and self.cut_axes == tuple(cut_axes)
            and (self.kernel.device, self.kernel.dtype) == (kernel.device, kernel.dtype)
            and torch.equal(self.kernel, kernel)
        )

    def _otf(self, kernel: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the transfer function of the kernel, whose own rows alone are transformed."""
        height, width = self.grid
        middle = [torch.tensor([k // 2]) for k in kernel.shape]
        half = torch.fft.rfft(kernel, n=width)
        half = half * waves(1, width, middle[1], columns, half)
        otf: Tensor = torch.fft.fft(half, n=height, dim=0)
        return otf * waves(1, height, rows, middle[0], half)

    def apply(self, image: Tensor, sweeps: int) -> Tensor:
        """Return the sharp image of an observed one, (H, W).

        Parameters
        ----------
        image : (H, W)
            Finite everywhere.
        sweeps : int
            Largest number of times that both bands are solved for; 0 extends the image smoothly.
        """
        spectrum = torch.fft.rfft2(extend_periodic(image, self.grid, self.before))
        self.border.complete(spectrum, sweeps)
        scene: Tensor = torch.fft.irfft2(spectrum.mul_(self.restore), s=self.grid)
        top, left = self.before
        return scene[top : top + self.shape[0], left : left + self.shape[1]]
