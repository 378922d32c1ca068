"""DataArrays of xarray: axes and pixel sizes by their dimensions and coordinates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from unblur.errors import UsageError
from unblur.model.image import AXES
from unblur.model.units import symbol

LETTERS = {
    "T": ("t", "time", "frame"),
    "C": ("c", "channel", "channels", "band", "bands", "wavelength"),
    "Z": ("z", "depth", "plane"),
    "Y": ("y", "row", "rows", "lat", "latitude", "northing", "dec"),
    "X": ("x", "col", "column", "columns", "lon", "longitude", "easting", "ra"),
}
"""Names of dimensions, in lower case, of each axis."""

UNEVENNESS = 1e-3
"""Largest deviation of a coordinate's steps from their mean at which they are a pixel size,
relative to the mean, dimensionless."""


def is_data_array(given: Any) -> bool:
    """Return whether an object is a `xarray.DataArray`; xarray is not imported."""
    return type(given).__module__.partition(".")[0] == "xarray" and hasattr(given, "dims")


def axes_of(given: Any) -> str:
    """Return the axes of a DataArray, a letter of TCZYX for each dimension.

    Raises
    ------
    UsageError
        For a dimension of another name.
    """
    letter_of = {name: letter for letter, names in LETTERS.items() for name in names}
    unknown = [dim for dim in given.dims if str(dim).lower() not in letter_of]
    if unknown:
        raise UsageError(
            f"the dimension '{unknown[0]}' of the DataArray names no axis; state the axes of its "
            f"{given.ndim} dimensions, e.g. axes='ZYX', or rename it to one of {', '.join(AXES)}."
        )
    return "".join(letter_of[str(dim).lower()] for dim in given.dims)


def pixel_size_of(given: Any, axes: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return pixel size and unit of each axis whose coordinate is evenly spaced.

    The unit is the attribute `units` of the coordinate.
    """
    sizes: dict[str, float] = {}
    units: dict[str, str] = {}
    for dim, axis in zip(given.dims, axes, strict=False):
        if axis not in "TZYX" or dim not in given.coords:
            continue
        values = np.asarray(given.coords[dim].values)
        if values.dtype.kind not in "iuf" or values.size < 2:
            continue
        steps = np.diff(values.astype(np.float64))
        mean = float(steps.mean())
        if mean and np.abs(steps - mean).max() <= UNEVENNESS * abs(mean):
            unit = symbol(str(given.coords[dim].attrs.get("units", "")))
            if unit:
                sizes[axis], units[axis] = abs(mean), unit
    return sizes, units


def read_data_array(given: Any) -> tuple[Any, None, Callable[[Any], Any]]:
    """Return the values of a DataArray, and a function that gives a result its coordinates."""
    return given.data, None, lambda result: given.copy(data=result)
