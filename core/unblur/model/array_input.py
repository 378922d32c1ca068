"""Arrays of any library as images, and results turned into the same kind again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from unblur.errors import UsageError
from unblur.model.data_arrays import axes_of, is_data_array, pixel_size_of, read_data_array
from unblur.model.image import ALPHA, AXES, Image
from unblur.model.masked_arrays import read_masked

RGBA = ("red", "green", "blue", ALPHA)
"""Names of the channels of a colour picture with alpha."""

Arrange = Callable[[Image], Any]
"""Turns a result into the kind of array that was given."""


def as_image(given: Any, axes: str | None) -> tuple[Image, Arrange]:
    """Return the input as an `Image`, and a function that turns the result into its kind again.

    Parameters
    ----------
    given : Image, numpy or dask array, astropy NDData, or xarray DataArray
        Two axes are YX; more have to be named, except those of a DataArray, which its dimensions
        name. Masked pixels are no data.
    axes : str, optional
        Axes of an array in its own order, each a letter of TCZYX, e.g. "YXC" for a colour
        picture. The result has the same order. Four channels of uint8 or uint16 that come last are
        red, green, blue and alpha; others are bands, unless an `Image` names them.

    Raises
    ------
    UsageError
        For a path in the place of an image, or axes that do not fit.
    """
    if isinstance(given, str | Path):
        raise UsageError(
            f"an image is an array or an unblur.Image, got a path; read it first: "
            f"unblur.read_image({str(given)!r})."
        )
    if isinstance(given, Image):
        if axes is not None and axes != given.axes:
            raise UsageError(f"the image has axes {given.axes}; axes='{axes}' is for arrays only.")
        return given, lambda image: image
    sizes: dict[str, float] = {}
    units: dict[str, str] = {}
    if is_data_array(given):
        axes = axes or axes_of(given)
        sizes, units = pixel_size_of(given, axes)
        array, nodata, restore = read_data_array(given)
    else:
        array, nodata, restore = read_masked(given)
    if axes is None:
        if array.ndim != 2:
            raise UsageError(
                f"an array of {array.ndim} axes needs its axes named, e.g. axes='ZYX', 'CYX' or "
                f"'YXC' (shape {array.shape})."
            )
        axes = "YX"
    if len(axes) != array.ndim or len(set(axes)) != len(axes) or not {"Y", "X"} <= set(axes):
        raise UsageError(
            f"axes name each of the array's {array.ndim} axes once, by letters of {AXES} with Y "
            f"and X among them, got '{axes}'."
        )
    if not set(axes) <= set(AXES):
        raise UsageError(f"axes are letters of {AXES}, got '{axes}'.")
    order = sorted(range(len(axes)), key=lambda i: AXES.index(axes[i]))
    letters = "".join(axes[i] for i in order)
    is_rgba = axes[-1] == "C" and array.shape[-1] == 4 and array.dtype.name in ("uint8", "uint16")
    image = Image(
        array.transpose(order),
        letters,
        sizes,
        units,
        channels=RGBA if is_rgba and not is_data_array(given) else (),
        source="the array",
        nodata=nodata,
    )
    back = tuple(order.index(axis) for axis in range(len(order)))
    return image, lambda result: restore(result.data.transpose(back))
