"""Repair of a PSF; each step corresponds to a diagnostic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from unblur.errors import KernelError
from unblur.model.kernel import Kernel
from unblur.numerics.kernel_ops import crop_around
from unblur.numerics.psf.properties import PsfProperties, as_array

Array = NDArray[np.float64]


def repair(
    psf: Any,
    image_shape: Sequence[int] | None = None,
    *,
    pixel_size: Mapping[str, float] | None = None,
    image_pixel_size: Mapping[str, float] | None = None,
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
        If no sample is above the background, or the number of axes differs from the image's.

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
    if pixel_size and image_pixel_size and all(a in pixel_size for a in axes):
        ratios = [pixel_size[a] / image_pixel_size.get(a, pixel_size[a]) for a in axes]
        if max(abs(r - 1) for r in ratios) > 0.01:
            properties = PsfProperties(_resampled(properties, np.array(ratios)))
    half_width = properties.half_width
    if image_shape is not None:
        half_width = tuple(
            min(r, (n - 1) // 2) for r, n in zip(half_width, image_shape, strict=True)
        )
    centre = properties.centroid.round().astype(int).tolist()
    return Kernel(crop_around(properties.cleaned, centre, half_width))


def _resampled(properties: PsfProperties, ratios: Array) -> Array:
    """Resample the PSF to the image's pixels; `ratios` is its pixel size over the image's."""
    # A pixel of width w has the variance w^2 / 12; the coarser pixel's excess is added as a blur.
    excess = np.clip(1 / ratios**2 - 1, 0, None)
    values = gaussian_filter(properties.cleaned, np.sqrt(excess / 12), mode="constant")
    shape = [2 * int(np.ceil(n * r / 2)) + 1 for n, r in zip(values.shape, ratios, strict=True)]
    offset = properties.centroid - np.array([n // 2 for n in shape]) / ratios
    sampled = affine_transform(values, 1 / ratios, offset, tuple(shape), order=3)
    return np.asarray(np.clip(sampled, 0, None))
