"""Images shaken by a camera that turns as well as shifts, by warps and not by any kernel."""

from __future__ import annotations

from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from torch import Tensor

from unblur.errors import ImageError
from unblur.numerics.camera import rotation
from unblur.numerics.synthesis.degradations import DegradedPair
from unblur.numerics.synthesis.motion import matern_factor

Poses = NDArray[np.float64]
"""Poses of a camera (time, 3) at equal steps of time: radians, rows, columns."""


def camera_path(span: float, turn: float, generator: torch.Generator, steps: int = 128) -> Poses:
    """Draw a smooth random motion of a camera: shifts and angle from a Gaussian process each.

    Parameters
    ----------
    span : float
        Extent of the shifts, in pixels: the larger of rows and columns.
    turn : float
        Extent of the angles from the one end to the other, in degrees.
    generator : torch.Generator
        Source of the random numbers.
    steps : int
        Poses along the way.

    Returns
    -------
    (steps, 3)
        Angle in radians, counter-clockwise as seen, then rows and columns in pixels; of mean 0.

    References
    ----------
    The process: C. J. Schuler et al., "Learning to deblur", IEEE TPAMI 38(7), 2016, Eq. 6.
    """
    draw = torch.randn((steps, 3), generator=generator, device=generator.device)
    path = matern_factor(0.3, steps) @ np.asarray(draw.cpu(), np.float64)
    extent = np.ptp(path, axis=0)
    path *= (np.deg2rad(turn) / extent[0], *[span / extent[1:].max()] * 2)
    path -= path.mean(axis=0)
    return np.asarray(path)


def shake_image(sharp: Tensor, path: Poses) -> DegradedPair:
    """Return the mean of an image over the poses of a camera, and the sharp image that fits.

    Parameters
    ----------
    sharp : (..., H, W) float tensor
        White = 1.
    path : (time, 3)
        Poses as `camera_path` returns them; the image turns about its middle.

    Returns
    -------
    DegradedPair
        Both cut to the pixels for which every pose looks inside the image.

    Raises
    ------
    ImageError
        If the motion leaves nothing of the image.

    Notes
    -----
    `B = mean_t H_t I` (Eq. 14), each `H_t` a turn and a shift with cubic interpolation.

    Example
    -------
    >>> still = shake_image(torch.rand(1, 8, 9), np.zeros((4, 3)))
    >>> torch.allclose(still.blurred, still.sharp, atol=1e-6)
    True

    References
    ----------
    L. Li et al., "Learning a discriminative prior for blind image deblurring", CVPR 2018,
    section 5, Eq. 14. O. Whyte et al., "Non-uniform deblurring for shaken images", IJCV 98, 2012.
    """
    extent = np.array(sharp.shape[-2:])
    middle = (extent - 1) / 2
    corners = np.array([(r, c) for r in (-1, 1) for c in (-1, 1)]) * middle
    border = 0
    for angle, *shift in path:
        away = (corners - shift) @ rotation(angle) - corners
        border = max(border, ceil(np.abs(away).max() - 1e-9))
    if (extent <= 2 * border).any():
        raise ImageError(
            f"the camera moves the image by up to {border} pixels, which leaves nothing of "
            f"{tuple(extent)}; give a larger image or a smaller motion."
        )
    inner = [np.arange(border, n - border) for n in extent]
    places = np.stack(np.meshgrid(*inner, indexing="ij"), -1) - middle
    planes = sharp.reshape(-1, *sharp.shape[-2:]).double().cpu().numpy()
    total = np.zeros((len(planes), *places.shape[:2]))
    for angle, *shift in path:
        # What is seen at a place comes from where the inverse pose takes it (rows times R is R^T).
        source = np.moveaxis((places - shift) @ rotation(angle) + middle, -1, 0)
        for plane, seen in zip(planes, total, strict=True):
            seen += map_coordinates(plane, source, order=3, mode="nearest")
    blurred = torch.from_numpy(total / len(path)).to(sharp)
    cut = sharp[..., border : int(extent[0]) - border, border : int(extent[1]) - border]
    return DegradedPair(blurred.reshape(cut.shape), cut)
