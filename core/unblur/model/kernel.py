"""Blur kernels: one point-spread function, or a grid of them over the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ImageError, KernelError
from unblur.model.kernel_samples import checked_weights, notes_on_sum
from unblur.model.units import symbol

Float = NDArray[np.float32]


MAX_NOTES = 3
"""Largest number of notes on the kernels of a field that are given each, dimensionless."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """A point-spread function: the image of a point source.

    `blurred = sharp * kernel` by true convolution, with the centre at index `n // 2` along
    every axis, whether `n` is odd or even.

    Parameters
    ----------
    weights : (H, W) or (Z, H, W)
        Non-negative, finite, with a positive sum. Stored as float32 that sums to 1. Negative
        samples down to -1e-3 of the peak are set to 0, with a note.
    pixel_size : mapping of "Z", "Y", "X" to float, optional
        Size of one sample along each axis in `units`; absent where unknown.
    units : mapping of axis to str, optional
        Unit of each pixel size, e.g. "µm", "arcsec".
    notes : tuple of str, optional
        Changes that were made to the samples, as sentences for a report.

    Raises
    ------
    KernelError
        If the weights break one of these rules; the message names the rule and the repair.
    """

    weights: Float
    pixel_size: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        weights, notes = checked_weights(np.asarray(self.weights))
        object.__setattr__(self, "notes", (*self.notes, *notes))
        weights.setflags(write=False)
        object.__setattr__(self, "weights", weights)
        self._set_pixel_size()

    def _set_pixel_size(self) -> None:
        """Check the pixel sizes, and keep those of the kernel's own axes, units by symbol."""
        axes = [axis for axis in "ZYX"[-self.weights.ndim :] if axis in self.pixel_size]
        sizes = {axis: float(self.pixel_size[axis]) for axis in axes}
        if not all(np.isfinite(size) and size > 0 for size in sizes.values()):
            raise KernelError(f"the pixel size of a kernel is positive, got {sizes}.")
        units = {axis: symbol(self.units[axis]) for axis in axes if self.units.get(axis)}
        object.__setattr__(self, "pixel_size", sizes)
        object.__setattr__(self, "units", units)

    @classmethod
    def from_samples(
        cls,
        samples: Any,
        pixel_size: Mapping[str, float] | None = None,
        units: Mapping[str, str] | None = None,
        notes: Sequence[str] = (),
    ) -> Kernel:
        """Return the kernel of samples as they were measured, with a note on an unusual sum.

        Parameters
        ----------
        samples : (H, W) or (Z, H, W) array
            Of any scale. A float PSF is expected to sum to about 1; integers are counts.
        pixel_size, units, notes
            See the class.
        """
        array = np.asarray(samples)
        return cls(array, pixel_size or {}, units or {}, (*notes, *notes_on_sum(array)))

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
        return replace(self, weights=np.flip(np.pad(self.weights, pad)))

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
        return replace(self, weights=self.weights[slices])

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
        return replace(self, weights=moved)


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
    source : str, optional
        Path or description of the origin, for messages and reports.
    keeps_offset : bool, optional
        Whether an offset of the centre of mass from index `n // 2` is part of the blur, as in a
        kernel that a run has used. Otherwise it is undone before a deconvolution.
    oversampling : float, optional
        Samples per pixel of the detector along an axis, as the file states it.
    samplings : tuple of KernelField, optional
        The same blur at other pixel sizes, of which the one that fits the image is taken.
    channels : tuple of KernelField, optional
        The blur of each colour channel in order, where they differ; see `of_channels`.
    """

    kernels: tuple[tuple[Kernel, ...], ...]
    rows: tuple[float, ...]
    columns: tuple[float, ...]
    source: str = "the PSF"
    keeps_offset: bool = False
    oversampling: float = 1.0
    samplings: tuple[KernelField, ...] = ()
    channels: tuple[KernelField, ...] = ()

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
    def single(cls, kernel: Kernel, **facts: Any) -> KernelField:
        """Return the field that has the same kernel everywhere; `facts` are its other params."""
        return cls(((kernel,),), (0.0,), (0.0,), **facts)

    @classmethod
    def of_channels(cls, fields: Sequence[KernelField]) -> KernelField:
        """Return the field that has one kernel for each colour channel, and their mean as its own.

        Kernels of different extents are padded to the largest, centre on centre.

        Raises
        ------
        KernelError
            If a field varies over the image, or the kernels differ in their number of axes.

        Example
        -------
        >>> fields = [KernelField.single(Kernel(np.ones((n, n)))) for n in (1, 3)]
        >>> [field.mean.shape for field in KernelField.of_channels(fields).channels]
        [(3, 3), (3, 3)]
        """
        if not fields or not all(field.is_uniform for field in fields):
            raise KernelError("a channel has one kernel for the whole image; give one for each.")
        shapes = [field.kernels[0][0].shape for field in fields]
        if len({len(shape) for shape in shapes}) != 1:
            raise KernelError(f"kernels of channels have as many axes as each other, got {shapes}.")
        shape = tuple(max(extents) for extents in zip(*shapes, strict=True))
        padded = tuple(field.with_kernels(lambda k: _padded(k, shape)) for field in fields)
        first = padded[0].kernels[0][0]
        mean = np.mean([field.kernels[0][0].weights for field in padded], axis=0)
        kernel = Kernel(mean, first.pixel_size, first.units)
        source = ", ".join(dict.fromkeys(field.source for field in fields))
        keeps = all(field.keeps_offset for field in fields)
        return cls.single(kernel, source=source, keeps_offset=keeps, channels=padded)

    @property
    def every_kernel(self) -> tuple[Kernel, ...]:
        """All kernels that a deconvolution uses: of the grid, or of the channels."""
        if self.channels:
            return tuple(kernel for field in self.channels for kernel in field.every_kernel)
        return tuple(kernel for row in self.kernels for kernel in row)

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
        average = np.mean([k.weights for row in self.kernels for k in row], axis=0)
        return Kernel(average, self.pixel_size, self.units)

    @property
    def pixel_size(self) -> Mapping[str, float]:
        """Size of one sample along each axis in `units`, of the first kernel."""
        return self.kernels[0][0].pixel_size

    @property
    def units(self) -> Mapping[str, str]:
        """Unit of each pixel size."""
        return self.kernels[0][0].units

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes of all kernels, each once; of many different ones the first few."""
        found = list(dict.fromkeys(note for k in self.every_kernel for note in k.notes))
        if len(found) <= MAX_NOTES:
            return tuple(found)
        return (*found[:MAX_NOTES], f"{len(found) - MAX_NOTES} more notes on other kernels.")

    def with_kernels(self, change: Callable[[Kernel], Kernel], **changes: Any) -> KernelField:
        """Return the field with each kernel replaced by `change` of it, and other `changes`."""
        kernels = tuple(tuple(change(kernel) for kernel in row) for row in self.kernels)
        channels = tuple(field.with_kernels(change, **changes) for field in self.channels)
        return replace(self, kernels=kernels, **{"channels": channels, **changes})


def _padded(kernel: Kernel, shape: tuple[int, ...]) -> Kernel:
    """Return a kernel padded with zeros to a shape, centre on centre."""
    pads = [
        (n // 2 - k // 2, n - k - (n // 2 - k // 2))
        for n, k in zip(shape, kernel.shape, strict=True)
    ]
    return replace(kernel, weights=np.pad(kernel.weights, pads))


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
