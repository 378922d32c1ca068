"""A PSF from places that the user marked: beads, stars, anything smaller than the blur."""

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
"""How often a window is moved onto the brightest spot near the mark."""


def psf_from_points(
    image: NDArray[Any], points: Sequence[Sequence[float]], size: Sequence[int]
) -> tuple[Kernel, int]:
    """Average the images of marked point sources.

    Each source is cut out, freed of the background (the median of its window's border),
    shifted so that its centre of mass lies on a pixel, and scaled to a sum of 1; the PSF is
    their mean. Sources that another one or the image border comes too close to are left out.

    Parameters
    ----------
    image : (Y, X) or (Z, Y, X)
        In any unit. NaN counts as background.
    points : sequence of positions
        In pixels, one coordinate per axis of `image`.
    size : sequence of int
        Odd extent of the PSF along each axis, in pixels.

    Returns
    -------
    Kernel, int
        The PSF and how many sources it was made from.

    Raises
    ------
    KernelError
        If no source is left.
    """
    values = np.nan_to_num(np.asarray(image, np.float64), nan=float(np.nanmedian(image)))
    reach = np.array([n // 2 for n in size])
    centres = [_recentred(values, np.rint(point).astype(int), reach) for point in points]
    usable = [
        centre
        for i, centre in enumerate(centres)
        if _fits(centre, reach, values.shape)
        and not any(_overlaps(centre, other, reach) for j, other in enumerate(centres) if j != i)
    ]
    spots = [s for s in (_spot(values, centre, reach) for centre in usable) if s is not None]
    if not spots:
        raise KernelError(
            f"none of the {len(points)} points is a lone bright spot that fits a window of "
            f"{' x '.join(str(n) for n in size)} pixels; move the points onto single beads or "
            "stars away from the border, or make the window smaller."
        )
    return Kernel(np.clip(np.mean(spots, axis=0), 0, None).astype(np.float32)), len(spots)


def _window(values: Float, centre: NDArray[Any], reach: NDArray[Any]) -> Float:
    return values[tuple(slice(c - r, c + r + 1) for c, r in zip(centre, reach, strict=True))]


def _recentred(values: Float, centre: NDArray[Any], reach: NDArray[Any]) -> NDArray[Any]:
    near = np.minimum(np.maximum(reach // 2, 1), reach)
    for _ in range(RECENTRINGS):
        if not _fits(centre, near, values.shape):
            return centre
        window = _window(values, centre, near)
        light = np.clip(window - np.median(window), 0, None)
        if not light.any():
            return centre
        centre = centre + np.rint(np.array(center_of_mass(light)) - near).astype(int)
    return centre


def _spot(values: Float, centre: NDArray[Any], reach: NDArray[Any]) -> Float | None:
    window = _window(values, centre, reach)
    inner = np.zeros(window.shape, bool)
    inner[tuple(slice(1, -1) if n > 2 else slice(None) for n in window.shape)] = True
    border = window[~inner]
    background = float(np.median(border))
    light = window - background
    spread = 1.4826 * float(np.median(np.abs(border - background)))
    if light.max() <= 5 * spread or light.max() <= 0:
        return None
    offset = np.array(center_of_mass(np.clip(light - 3 * spread, 0, None))) - reach
    moved: Float = shift(light, -offset, order=3, mode="nearest")
    total = float(moved.sum())
    return moved / total if total > 0 else None


def _fits(centre: NDArray[Any], reach: NDArray[Any], shape: Sequence[int]) -> bool:
    return bool(np.all(centre - reach >= 0) and np.all(centre + reach < np.array(shape)))


def _overlaps(centre: NDArray[Any], other: NDArray[Any], reach: NDArray[Any]) -> bool:
    return bool(np.all(np.abs(centre - other) <= 1.5 * reach))
