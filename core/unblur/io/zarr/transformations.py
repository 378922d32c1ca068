"""Coordinate transformations of OME-Zarr as matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def combine_transformations(
    steps: Sequence[Mapping[str, Any]], ndim: int, group: Any = None
) -> NDArray[np.float64] | None:
    """Return the matrix of transformations that are applied one after the other.

    Parameters
    ----------
    steps : sequence of mapping
        Each of the type identity, scale, translation, rotation, affine, or a sequence of these.
    ndim : int
        Number of coordinates.
    group : zarr.Group, optional
        Group that holds the values of transformations with a `path`.

    Returns
    -------
    (ndim + 1, ndim + 1) array or None
        Matrix of homogeneous coordinates; `None` if a step is of another type or dimension.

    Example
    -------
    >>> steps = [{"type": "scale", "scale": [2, 3]}, {"type": "translation", "translation": [5, 0]}]
    >>> combine_transformations(steps, 2).tolist()
    [[2.0, 0.0, 5.0], [0.0, 3.0, 0.0], [0.0, 0.0, 1.0]]
    """
    total = np.eye(ndim + 1)
    for step in steps:
        matrix = _matrix(step, ndim, group)
        if matrix is None:
            return None
        total = matrix @ total
    return total


def _matrix(step: Mapping[str, Any], ndim: int, group: Any) -> NDArray[np.float64] | None:
    kind = str(step.get("type"))
    matrix = np.eye(ndim + 1)
    if kind == "identity":
        return matrix
    if kind == "sequence":
        return combine_transformations(step.get("transformations", ()), ndim, group)
    values = _values(step, kind, group)
    if values is None:
        return None
    if kind == "scale" and values.shape == (ndim,):
        matrix[:ndim, :ndim] = np.diag(values)
    elif kind == "translation" and values.shape == (ndim,):
        matrix[:ndim, ndim] = values
    elif kind == "rotation" and values.shape == (ndim, ndim):
        matrix[:ndim, :ndim] = values
    elif kind == "affine" and values.shape == (ndim, ndim + 1):
        matrix[:ndim] = values
    else:
        return None
    return matrix


def _values(step: Mapping[str, Any], kind: str, group: Any) -> NDArray[np.float64] | None:
    """Return the numbers of a transformation, stated or stored as an array of the group."""
    try:
        stated = group[str(step["path"])][...] if kind not in step else step[kind]
        values = np.asarray(stated, np.float64)
    except (KeyError, TypeError, ValueError):
        return None
    return values if np.isfinite(values).all() else None
