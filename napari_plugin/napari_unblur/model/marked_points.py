"""PSF from marked point sources: beads, stars, anything much smaller than the blur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import center_of_mass, shift

from unblur.errors import KernelError
from unblur.model.kernel import Kernel

Float = NDArray[np.float64]

RECENTRINGS = 2
"""Number of times a window is recentred on the centre of mass near its mark."""


def psf_from_points(
    image: NDArray[Any], points: Sequence[Sequence[float]], size: Sequence[int]
) -> tuple[Kernel, int]:
    """Average the images of marked point sources.

    A window is cut out around each source, its background (the median of the window's border)
    subtracted, its centre of mass shifted onto a pixel, and its sum scaled to 1; the PSF is the
    mean of the windows. Sources too close to another one or to the image border are left out.

    Parameters
    ----------
    image : (Y, X) or (Z, Y, X)
        Values in any unit. NaN is treated as background.
    points : sequence of positions
        Marked positions in pixels, one coordinate per axis of `image`.
    size : sequence of int
        Size of the PSF along each axis, odd, in pixels.

    Returns
    -------
    Kernel, int
        The PSF, and the number of sources it was averaged from.

    Raises
    ------
    KernelError
        If no source is usable.
    """
    values = np.nan_to_num(np.asarray(image, np.float64), nan=float(np.nanmedian(image)))
    half_width = np.array([n // 2 for n in size])
    centres = [_recentre(values, np.rint(point).astype(int), half_width) for point in points]
    usable = [
        centre
        for i, centre in enumerate(centres)
        if _fits(centre, half_width, values.shape)
        and not any(
            _overlaps(centre, other, half_width) for j, other in enumerate(centres) if j != i
        )
    ]
    windows = [
        s
        for s in (_normalized_window(values, centre, half_width) for centre in usable)
        if s is not None
    ]
    if not windows:
        raise KernelError(
            f"none of the {len(points)} points is an isolated bright spot that fits a window of "
            f"{' x '.join(str(n) for n in size)} pixels; move the points onto single beads or "
            "stars away from the border, or make the window smaller."
        )
    return Kernel(np.clip(np.mean(windows, axis=0), 0, None).astype(np.float32)), len(windows)


def _window(values: Float, centre: NDArray[Any], half_width: NDArray[Any]) -> Float:
    return values[tuple(slice(c - r, c + r + 1) for c, r in zip(centre, half_width, strict=True))]


def _recentre(values: Float, centre: NDArray[Any], half_width: NDArray[Any]) -> NDArray[Any]:
    near = np.minimum(np.maximum(half_width // 2, 1), half_width)
    for _ in range(RECENTRINGS):
        if not _fits(centre, near, values.shape):
            return centre
        window = _window(values, centre, near)
        signal = np.clip(window - np.median(window), 0, None)
        if not signal.any():
            return centre
        centre = centre + np.rint(np.array(center_of_mass(signal)) - near).astype(int)
    return centre


def _normalized_window(
    values: Float, centre: NDArray[Any], half_width: NDArray[Any]
) -> Float | None:
    window = _window(values, centre, half_width)
    inner = np.zeros(window.shape, bool)
    inner[tuple(slice(1, -1) if n > 2 else slice(None) for n in window.shape)] = True
    border = window[~inner]
    background = float(np.median(border))
    signal = window - background
    noise = 1.4826 * float(np.median(np.abs(border - background)))
    if signal.max() <= 5 * noise or signal.max() <= 0:
        return None
    offset = np.array(center_of_mass(np.clip(signal - 3 * noise, 0, None))) - half_width
    moved: Float = shift(signal, -offset, order=3, mode="nearest")
    total = float(moved.sum())
    return moved / total if total > 0 else None


def _fits(centre: NDArray[Any], half_width: NDArray[Any], shape: Sequence[int]) -> bool:
    return bool(np.all(centre - half_width >= 0) and np.all(centre + half_width < np.array(shape)))


def _overlaps(centre: NDArray[Any], other: NDArray[Any], half_width: NDArray[Any]) -> bool:
    return bool(np.all(np.abs(centre - other) <= 1.5 * half_width))
