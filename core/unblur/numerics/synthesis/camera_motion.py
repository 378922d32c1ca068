"""Images blurred by a camera that rotates and shifts, computed by warping instead of a kernel."""

from __future__ import annotations

from math import ceil

import numpy as np
import scipy
import torch
from numpy.typing import NDArray
from torch import Tensor

from unblur.errors import ImageError
from unblur.numerics.camera import rotation
from unblur.numerics.synthesis.degradations import DegradedPair
from unblur.numerics.synthesis.motion import matern_factor

Poses = NDArray[np.float64]
"""Poses of a camera, (time, 3), at equal time steps: radians, then rows and columns in pixels."""


def camera_path(
    span: float, rotation_deg: float, generator: torch.Generator, steps: int = 128
) -> Poses:
    """Draw a smooth random motion of a camera, each coordinate from a Gaussian process.

    Parameters
    ----------
    span : float
        Extent of the shifts, the larger of rows and columns, in pixels.
    rotation_deg : float
        Difference of the largest and the smallest angle, in degrees.
    generator : torch.Generator
        Source of the random numbers.
    steps : int
        Number of poses.

    Returns
    -------
    (steps, 3)
        Angle in radians, counter-clockwise in the displayed image, then rows and columns in
        pixels; each of mean 0.

    References
    ----------
    C. J. Schuler et al., "Learning to deblur", IEEE TPAMI 38(7), 2016,
    (Schuler Eq. 6).
    """
    draw = torch.randn((steps, 3), generator=generator, device=generator.device)
    path = matern_factor(0.3, steps) @ np.asarray(draw.cpu(), np.float64)
    extent = np.ptp(path, axis=0)
    path *= (np.deg2rad(rotation_deg) / extent[0], *[span / extent[1:].max()] * 2)
    path -= path.mean(axis=0)
    return np.asarray(path)


def shake_image(sharp: Tensor, path: Poses) -> DegradedPair:
    """Return the mean of an image over the poses of a camera, and the matching sharp image.

    Parameters
    ----------
    sharp : (..., H, W) float tensor
        White = 1.
    path : (time, 3)
        Poses as `camera_path` returns them; the image rotates about its centre.

    Returns
    -------
    DegradedPair
        Both cropped to the pixels that every pose takes from inside the image.

    Raises
    ------
    ImageError
        If the motion leaves nothing of the image.

    Notes
    -----
    `B = mean_t H_t I` (Li Eq. 14), each `H_t` a rotation and a shift with cubic interpolation.

    Example
    -------
    >>> unmoved = shake_image(torch.rand(1, 8, 9), np.zeros((4, 3)))
    >>> torch.allclose(unmoved.blurred, unmoved.sharp, atol=1e-6)
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
    positions = np.stack(np.meshgrid(*inner, indexing="ij"), -1) - middle
    planes = sharp.reshape(-1, *sharp.shape[-2:]).double().cpu().numpy()
    total = np.zeros((len(planes), *positions.shape[:2]))
    for angle, *shift in path:
        # A pixel is sampled where the inverse pose maps it (row vectors times R apply R^T).
        source = np.moveaxis((positions - shift) @ rotation(angle) + middle, -1, 0)
        for plane, warped in zip(planes, total, strict=True):
            warped += scipy.ndimage.map_coordinates(plane, source, order=3, mode="nearest")
    blurred = torch.from_numpy(total / len(path)).to(sharp)
    cut = sharp[..., border : int(extent[0]) - border, border : int(extent[1]) - border]
    return DegradedPair(blurred.reshape(cut.shape), cut)
