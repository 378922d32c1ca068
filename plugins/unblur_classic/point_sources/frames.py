"""Further frames of the same camera, read from files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unblur.errors import ImageError
from unblur_classic.point_sources.detection import BackgroundSubtracted


def read_frame(path: str, shape: Sequence[int]) -> BackgroundSubtracted:
    """Return a frame, the mean of its channels, without its background.

    Parameters
    ----------
    path : str
        File of the frame.
    shape : sequence of int
        Spatial extents that it must have, in pixels.

    Raises
    ------
    ImageError
        If the file cannot be read, or its shape is another one.
    """
    from unblur.io import read_image

    image = read_image(path)
    values = np.asarray(image.data, np.float64)
    colours = tuple(i for i, axis in enumerate(image.axes) if axis in "TC")
    values = values.mean(axis=colours) if colours else values
    while values.ndim > len(shape) and values.shape[0] == 1:
        values = values[0]
    if values.shape != tuple(shape):
        raise ImageError(
            f"kernel 'points': the frame {path} is of {values.shape} pixels, but the image of "
            f"{tuple(shape)}; the frames of a field have one shape."
        )
    valid = np.isfinite(values)
    return BackgroundSubtracted.of(np.where(valid, values, 0.0), valid)
