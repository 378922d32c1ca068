"""Gain and read noise of a detector: one number, or one for each pixel, from a file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from unblur.errors import ImageError
from unblur.model.context import Context


def detector_values(
    name: str, setting: float | str | None, stated: float | None, context: Context, like: Tensor
) -> float | Tensor:
    """Return the gain or the read noise of the pixels of a piece of an image.

    Parameters
    ----------
    name : {"gain", "read_noise"}
        What it is, for messages; a gain is positive, a read noise 0 or more.
    setting : float or str, optional
        Value of all pixels, or the file of a map of the whole image.
    stated : float, optional
        What the image's header states, used without a setting.
    context : Context
        Its `origin` and `crop_origin` are the place of the piece.
    like : (C, *spatial) tensor
        The piece.

    Returns
    -------
    float or (*spatial) tensor
        0 if nothing is known.

    Raises
    ------
    ImageError
        If the file cannot be read, does not cover the piece, or holds other values.
    """
    if not isinstance(setting, str):
        return float((stated if setting is None else setting) or 0.0)
    values = _read(name, setting, context, like.shape[1:])
    valid = np.isfinite(values) & ((values > 0) if name == "gain" else (values >= 0))
    if not valid.all():
        least = "more than 0" if name == "gain" else "0 or more"
        raise ImageError(
            f"{setting} holds {int((~valid).sum())} values that are no {name} ({least}); "
            "replace them, e.g. by the median."
        )
    return torch.from_numpy(values.astype(np.float32)).to(like.device)


def _read(name: str, path: str, context: Context, shape: Sequence[int]) -> np.ndarray:
    """Return the part of a map (Y, X) or (Z, Y, X) that belongs to a piece of an image."""
    from unblur.io import read_image

    data = read_image(path, lazy="large").data
    while data.ndim > 2 and data.shape[0] == 1:
        data = data[0]
    row, column = (a + b for a, b in zip(context.origin, context.crop_origin, strict=True))
    place = (slice(row, row + shape[-2]), slice(column, column + shape[-1]))
    part = data[(..., *place)]
    if data.ndim not in (2, len(shape)) or part.shape != tuple(shape[-data.ndim :]):
        size = " x ".join(str(n) for n in data.shape)
        raise ImageError(
            f"the {name} map {path} of {size} pixels does not cover the image; it needs as many "
            "rows and columns as the whole image, and one channel."
        )
    return np.broadcast_to(np.asarray(part, np.float64), tuple(shape)).copy()
