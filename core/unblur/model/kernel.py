"""Blur kernels: one point-spread function, or a grid of them over the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ImageError, KernelError

Float = NDArray[np.float32]

ROUNDING = 1e-6
"""Largest deviation of the sum of float32 weights from 1 that rounding explains, dimensionless."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """A point-spread function: the image of a point source.

    `blurred = sharp * kernel` by true convolution, with the centre at index `n // 2` along
    every axis, whether `n` is odd or even.

    Parameters
    ----------
    weights : (H, W) or (Z, H, W)
        Non-negative, finite, with a positive sum. Stored as float32 that sums to 1.

    Raises
    ------
    KernelError
        If the weights break one of these rules; the message names the rule and the repair.
    """

    weights: Float

    def __post_init__(self) -> None:
        raw = np.asarray(self.weights)
        if raw.ndim not in (2, 3) or raw.size == 0:
            raise KernelError(f"a kernel has 2 or 3 axes and at least one sample, got {raw.shape}.")
        if np.iscomplexobj(raw) or raw.dtype.kind not in "buif":
            raise KernelError(f"a kernel holds real numbers, got dtype {raw.dtype}.")
        values = raw.astype(np.float64)
        if not np.isfinite(values).all():
            raise KernelError(
                "the kernel holds NaN or infinite values; "
                "`unblur psf check FILE --repair OUT` sets them to 0."
            )
        total = float(values.sum())
        if total <= 0:
            what = "all zeros" if not values.any() else f"of sum {total:.3g}"
            raise KernelError(f"a kernel has a positive sum, but this one is {what}.")
        if values.min() < 0:
            raise KernelError(
                f"a kernel is non-negative, but the smallest value is {values.min():.3g}; "
                "`unblur psf check FILE --repair OUT` subtracts the background and clips."
            )
        # A stored kernel is read back bit for bit: its sum differs from 1 by rounding only.
        weights = (values if abs(total - 1) < ROUNDING else values / total).astype(np.float32)
        weights.setflags(write=False)
        object.__setattr__(self, "weights", weights)

    @classmethod
    def delta(cls, ndim: int = 2) -> Kernel:
        """Return the identity kernel: one sample of weight 1."""
        return cls(np.ones((1,) * ndim, np.float32))

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent along each axis, in pixels."""
        return self.weights.shape

    @property
    def ndim(self) -> int:
        """Number of axes, 2 or 3."""
        return self.weights.ndim

    @property
    def half_width(self) -> tuple[int, ...]:
        """Largest distance of a sample from the centre along each axis, in pixels: `n // 2`."""
        return tuple(n // 2 for n in self.shape)

    def tensor(self, **options: Any) -> Any:
        """Return the weights as a torch tensor; `options` are `torch.tensor`'s (device, dtype)."""
        import torch

        return torch.tensor(self.weights, **options)

    def flipped(self) -> Kernel:
        """Return the kernel turned by 180 degrees about its centre, for correlation conventions."""
        pad = [(0, 1 - n % 2) for n in self.shape]
        return Kernel(np.flip(np.pad(self.weights, pad)))

    def cropped(self, threshold: float = 1e-4) -> Kernel:
        """Return the smallest crop that holds all samples above `threshold` times the peak.

        The crop is symmetric about the centre, which keeps its place.
        """
        significant = np.argwhere(self.weights > threshold * self.weights.max())
        centre = np.array([n // 2 for n in self.shape])
        extent = np.abs(significant - centre).max(axis=0)
        slices = tuple(
            slice(max(c - r, 0), min(c + r + 1, n))
            for c, r, n in zip(centre, extent, self.shape, strict=True)
        )
        if any(c - s.start != (s.stop - s.start) // 2 for c, s in zip(centre, slices, strict=True)):
            return self
        return Kernel(self.weights[slices])

    def centred(self) -> Kernel:
        """Return the kernel with its centre of mass brought to `n // 2`, to the nearest pixel."""
        grid = np.indices(self.shape)
        mass = [float((g * self.weights).sum()) for g in grid]
        shift = [n // 2 - round(m) for n, m in zip(self.shape, mass, strict=True)]
        moved = np.zeros_like(self.weights)
        source = tuple(
            slice(max(-s, 0), n - max(s, 0)) for s, n in zip(shift, self.shape, strict=True)
        )
        target = tuple(
            slice(max(s, 0), n - max(-s, 0)) for s, n in zip(shift, self.shape, strict=True)
        )
        moved[target] = self.weights[source]
        return Kernel(moved)


@dataclass(frozen=True, eq=False)
class KernelField:
    """Kernels on a regular grid over the image, for spatially variant blur.

    photutils calls such an object `GriddedPSFModel`.

    Parameters
    ----------
    kernels : tuple of tuple of Kernel
        Rows of kernels, all of one shape; a single kernel is the 1x1 case.
    rows, columns : tuple of float
        Centre of each grid row and column in image pixels, ascending.
    """

    kernels: tuple[tuple[Kernel, ...], ...]
    rows: tuple[float, ...]
    columns: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.kernels) != len(self.rows) or any(
            len(row) != len(self.columns) for row in self.kernels
        ):
            raise KernelError(
                f"a kernel field of {len(self.rows)} by {len(self.columns)} positions needs as "
                f"many kernels, got rows of {[len(row) for row in self.kernels]}."
            )
        shapes = {kernel.shape for row in self.kernels for kernel in row}
        if len(shapes) != 1:
            raise KernelError(f"all kernels of a field have one shape, got {sorted(shapes)}.")
        for name, centres in (("rows", self.rows), ("columns", self.columns)):
            if list(centres) != sorted(set(centres)):
                raise KernelError(f"{name} of a kernel field ascend, got {centres}.")

    @classmethod
    def single(cls, kernel: Kernel) -> KernelField:
        """Return the field that has the same kernel everywhere."""
        return cls(((kernel,),), (0.0,), (0.0,))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of grid rows and columns."""
        return len(self.rows), len(self.columns)

    @property
    def is_uniform(self) -> bool:
        """Whether the field holds one kernel only."""
        return self.shape == (1, 1)

    @property
    def mean(self) -> Kernel:
        """The average of all kernels: the one kernel of a uniform field."""
        return Kernel(np.mean([k.weights for row in self.kernels for k in row], axis=0))


def check_kernel_size(size: int, shape: Sequence[int], factor: int = 2) -> None:
    """Raise `ImageError` if an image is too small to estimate a kernel of `size` pixels from.

    Parameters
    ----------
    size : int
        Extent of the kernel, in pixels.
    shape : sequence of int
        Spatial extents of the image, in pixels.
    factor : int
        Least extent of the image, as a multiple of the kernel's.

    Example
    -------
    >>> check_kernel_size(31, (64, 80))
    """
    if min(shape) < factor * size:
        raise ImageError(
            f"an image of {tuple(shape)} pixels is too small to estimate a kernel of {size}; it "
            f"takes {factor} times the kernel at least. Set kernel.size to {min(shape) // factor} "
            "or less, or give a larger image."
        )
