"""The content of a kernel file, and the kernel or the field of kernels that it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import KernelError
from unblur.model.image import Image
from unblur.model.kernel import Kernel, KernelField


@dataclass(frozen=True)
class KernelFile:
    """The content of a kernel file, not yet checked or repaired.

    Attributes
    ----------
    values : (h, w), (d, h, w), (N, h, w) or (N, d, h, w)
        Values as stored, in the file's dtype; of colours that differ their mean.
    positions : (N, 2) or None
        Positions on the image, rows and columns in pixels, if the file is a stack of kernels.
    image : Image
        The file as an image, with its metadata.
    pixel_size, units : mapping of axis to float, and to str
        Size of one sample along each axis for which the file states it, and its unit.
    oversampling : float
        Samples per pixel of the detector along an axis, as the file states it.
    keeps_offset : bool
        Whether the file says that an offset of the centre of mass is part of the blur.
    notes : tuple of str
        What was changed in reading.
    samplings : tuple of KernelFile
        The same PSF at other samplings, where the file holds several; this one has the
        detector's.
    channels : int
        Number of kernels of a stack that has one for each channel; 0 for any other.
    """

    values: NDArray[Any]
    positions: NDArray[np.float64] | None
    image: Image
    pixel_size: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    oversampling: float = 1.0
    keeps_offset: bool = False
    notes: tuple[str, ...] = ()
    samplings: tuple[KernelFile, ...] = ()
    channels: int = 0

    @property
    def source(self) -> str:
        """The file, with the extension in it if there are several."""
        return self.image.source

    def to_field(self) -> KernelField:
        """Return the kernel or kernels, or raise `KernelError`."""
        facts: dict[str, Any] = {
            "source": self.source,
            "oversampling": self.oversampling,
            "keeps_offset": self.keeps_offset,
            "samplings": tuple(other.to_field() for other in self.samplings),
        }
        if self.channels:
            stack = _unstacked(self.values, self.channels)
            return KernelField.of_channels(
                [KernelField.single(self.kernel(values), **facts) for values in stack]
            )
        if self.positions is not None:
            return replace(_field(self.values, self.positions, self), **facts)
        return KernelField.single(self.kernel(self.values), **facts)

    def choose_sampling(
        self, pixel_size: Mapping[str, float], units: Mapping[str, str]
    ) -> KernelFile:
        """Return the sampling that has an image's pixel size; this one if none has."""
        from unblur.numerics.psf.sampling import SAME, largest_difference

        for found in (self, *self.samplings):
            ratios = found.ratios(pixel_size, units)
            if ratios and largest_difference(ratios) <= SAME:
                return found
        return self

    def ratios(self, pixel_size: Mapping[str, float], units: Mapping[str, str]) -> dict[str, float]:
        """Return the pixel size over an image's along each axis for which both are known."""
        from unblur.numerics.psf.sampling import pixel_size_ratios

        is_stack = self.positions is not None or self.channels > 0
        axes = "ZYX"[-(self.values.ndim - is_stack) :]
        return pixel_size_ratios(axes, self.pixel_size, pixel_size, self.units, units)

    def kernel(self, values: NDArray[Any]) -> Kernel:
        """Return the kernel of some of the values."""
        return Kernel.from_samples(values, self.pixel_size, self.units, self.notes)


def _field(stack: NDArray[Any], positions: NDArray[np.float64], file: KernelFile) -> KernelField:
    stack = _unstacked(stack, len(positions))
    if stack.ndim not in (3, 4) or len(stack) != len(positions):
        raise KernelError(
            f"a field needs a stack of as many kernels as positions, got {len(positions)} "
            f"positions for an array of shape {stack.shape}."
        )
    rows, columns = (_centres(positions[:, axis]) for axis in (0, 1))
    indices = {
        (int(np.argmin(np.abs(rows - y))), int(np.argmin(np.abs(columns - x)))): number
        for number, (y, x) in enumerate(positions)
    }
    if len(indices) != len(positions) or len(indices) != len(rows) * len(columns):
        raise KernelError(
            f"positions of a field form a grid, but these {len(positions)} lie on "
            f"{len(rows)} rows and {len(columns)} columns; interpolate them to a grid first."
        )
    kernels = tuple(
        tuple(file.kernel(stack[indices[i, j]]) for j in range(len(columns)))
        for i in range(len(rows))
    )
    return KernelField(kernels, tuple(map(float, rows)), tuple(map(float, columns)))


def _unstacked(stack: NDArray[Any], count: int) -> NDArray[Any]:
    """Return a stack of `count` kernels: volumes may be stored plane by plane."""
    if stack.ndim == 3 and len(stack) > count and len(stack) % count == 0:
        return stack.reshape(count, -1, *stack.shape[1:])
    return stack


def _centres(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distinct coordinates in ascending order; equal within half a pixel."""
    ordered = np.sort(values)
    starts = [0] + [i + 1 for i, (a, b) in enumerate(pairwise(ordered)) if b - a > 0.5]
    return np.array([ordered[i] for i in starts])
