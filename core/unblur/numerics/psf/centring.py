"""The centre of a PSF: an offset from the middle is measured and undone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from unblur.model.kernel import KernelField
from unblur.numerics.kernel_ops import crop_around
from unblur.numerics.psf.properties import PsfProperties

MAX_OFFSET = 0.55
"""Largest distance of the centre of mass from index `n // 2` that stays, in pixels.

It is half a pixel in a PSF of even extent about its middle, and somewhat more with noise.
"""

PEDESTAL = 0.1
"""Smallest share of a constant background in the sum of a PSF that is reported, dimensionless."""

WRAPPED = 0.05
"""Smallest value of the samples on both sides of the peak at index 0 of a PSF in Fourier order, as
a fraction of the peak, dimensionless."""


def undo_offset(field: KernelField, max_shape: Sequence[int]) -> tuple[KernelField, list[str]]:
    """Return a field with its centre of mass at index `n // 2`, and warnings on its samples.

    The kernels of a field are moved together, by whole pixels. A PSF in Fourier order, which has
    its centre at index 0 and wraps around, is put in order.

    Parameters
    ----------
    field : KernelField
        As it was given; one that keeps its offset is returned as it is.
    max_shape : sequence of int
        Spatial extents of the image, which the kernels do not outgrow.

    Example
    -------
    >>> from unblur.model.kernel import Kernel
    >>> corner = KernelField.single(Kernel([[0, 0, 1], [0, 0, 0], [0, 0, 0]]))
    >>> undo_offset(corner, (9, 9))[0].mean.weights
    array([[1.]], dtype=float32)
    """
    if field.keeps_offset:
        return field, []
    weights = field.mean.weights.astype(np.float64)
    properties = PsfProperties(weights)
    warnings = list(_pedestal(properties))
    if _wraps_around(properties):
        text = "its centre lies at index 0 and it wraps around its borders; it was moved back."
        moved = field.with_kernels(lambda k: replace(k, weights=np.fft.fftshift(k.weights)))
        return moved, [*warnings, text]
    offset = _offset(properties)
    shift = [round(o) if abs(o) > MAX_OFFSET else 0 for o in offset]
    if not any(shift):
        return field, warnings
    position = ", ".join(f"{o:+.1f}" for o in offset)
    text = (
        f"its centre of mass lies ({position}) pixels from its middle, which would shift the "
        "result by as much; the shift was undone."
    )
    return _moved(field, shift, max_shape), [*warnings, text]


def _moved(field: KernelField, shift: Sequence[int], max_shape: Sequence[int]) -> KernelField:
    """Return the field with the sample `shift` beyond the middle in the middle.

    The extent grows as far as samples other than 0 need it and `max_shape` allows it.
    """
    shape = field.kernels[0][0].shape
    centre = [n // 2 + s for n, s in zip(shape, shift, strict=True)]
    stack = np.max([k.weights for row in field.kernels for k in row], axis=0)
    used = np.abs(np.argwhere(stack) - centre).max(axis=0)
    limits = [(n - 1) // 2 for n in max_shape]
    half = [
        int(u) if 2 * limit < n else min(int(u), limit)
        for u, limit, n in zip(used, limits, shape, strict=True)
    ]
    return field.with_kernels(lambda k: replace(k, weights=crop_around(k.weights, centre, half)))


def _pedestal(properties: PsfProperties) -> Iterator[str]:
    share = properties.background * properties.values.size / float(properties.values.sum())
    if share > PEDESTAL:
        yield (
            f"a constant background makes up {share:.0%} of its sum and is taken for blur; "
            "`unblur psf check FILE --repair OUT` subtracts it."
        )


def _wraps_around(properties: PsfProperties) -> bool:
    """Return whether the peak lies at index 0 of every axis, with light on both sides of it."""
    values = properties.values
    if not properties.in_fourier_order or any(int(i) for i in _peak(values)):
        return False
    sides = [
        values[tuple(step if a == axis else 0 for a in range(values.ndim))]
        for axis, step in product(range(values.ndim), (1, -1))
        if values.shape[axis] > 2
    ]
    return bool(sides) and min(sides) > WRAPPED * values.max()


def _offset(properties: PsfProperties) -> list[float]:
    if properties.in_fourier_order:  # but it does not wrap around: it has two distant parts
        middle = [n // 2 for n in properties.values.shape]
        return [c - m for c, m in zip(centre_of_mass(properties.values), middle, strict=True)]
    return [float(o) for o in properties.offset]


def _peak(values: NDArray[np.float64]) -> tuple[np.intp, ...]:
    return np.unravel_index(int(values.argmax()), values.shape)


def centre_of_mass(weights: NDArray[np.floating]) -> list[float]:
    """Return the centre of mass of samples, as an index along each axis."""
    axes = range(weights.ndim)
    total = float(weights.sum(dtype=np.float64))
    profiles = [
        weights.sum(axis=tuple(a for a in axes if a != axis), dtype=np.float64) for axis in axes
    ]
    return [float(np.arange(p.size) @ p) / total for p in profiles]
