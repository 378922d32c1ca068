"""Repair of a PSF; each step corresponds to a diagnostic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unblur.errors import KernelError
from unblur.model.kernel import Kernel
from unblur.numerics.kernel_ops import crop_around
from unblur.numerics.psf.properties import PsfProperties, as_array
from unblur.numerics.psf.sampling import (
    SAME,
    check_resampling,
    largest_difference,
    pixel_size_ratios,
    resample,
)


def repair(
    psf: Any,
    image_shape: Sequence[int] | None = None,
    *,
    pixel_size: Mapping[str, float] | None = None,
    image_pixel_size: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
    image_units: Mapping[str, str] | None = None,
) -> Kernel:
    """Return a valid kernel made from a PSF with defects.

    The parameters are those of `validate`. In this order, NaN and infinite samples are replaced
    by the background; a PSF in Fourier order is shifted to the middle; the background is
    subtracted, and noise around the support and negative values are set to 0; the PSF is
    resampled to the image's pixels; it is cropped to its significant samples, to an odd extent
    with the centre of mass in the middle sample; and the samples are scaled to a sum of 1.

    Raises
    ------
    KernelError
        If no sample is above the background, the number of axes differs from the image's, or
        the pixel sizes differ by more than a factor of 32.

    Example
    -------
    >>> spot = np.zeros((6, 6))
    >>> spot[1, 1:4] = 10, 20, 10
    >>> repair(spot + 10).weights
    array([[0.25, 0.5 , 0.25]], dtype=float32)
    """
    values = as_array(psf)
    if image_shape is not None and len(image_shape) != values.ndim:
        raise KernelError(
            f"a PSF has as many axes as its image has spatial ones, got {values.ndim} and "
            f"{len(image_shape)}; save the plane in focus of a 3-D PSF, or measure one in 3-D."
        )
    properties = PsfProperties(values)
    if not np.isfinite(values).any() or not properties.cleaned.any():
        raise KernelError("it holds no PSF: no sample is above the background; choose another.")
    axes = "ZYX"[-values.ndim :]
    ratios = pixel_size_ratios(axes, pixel_size, image_pixel_size, units, image_units)
    sizes, kept_units = pixel_size or {}, units or {}
    if largest_difference(ratios) > SAME:
        check_resampling(ratios)
        steps = [ratios.get(axis, 1.0) for axis in axes]
        resampled = resample(properties.cleaned, steps, properties.centroid.tolist(), image_shape)
        properties = PsfProperties(resampled)
    if ratios:
        sizes, kept_units = image_pixel_size or {}, image_units or {}
    half_width = properties.half_width
    if image_shape is not None:
        half_width = tuple(
            min(r, (n - 1) // 2) for r, n in zip(half_width, image_shape, strict=True)
        )
    centre = properties.centroid.round().astype(int).tolist()
    return Kernel(crop_around(properties.cleaned, centre, half_width), sizes, kept_units)
