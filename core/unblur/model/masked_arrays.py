"""Arrays with a mask: numpy.ma, also inside dask, and NDData of astropy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ImageError

Restore = Callable[[Any], Any]


def read_masked(given: Any) -> tuple[Any, float | None, Restore]:
    """Return an array without mask, the value of its masked pixels, and the way back.

    Parameters
    ----------
    given : array_like, dask array or NDData
        A mask is True where a pixel is no data, as in `numpy.ma` and astropy.

    Returns
    -------
    array : numpy or dask array
        Masked floats are NaN, masked integers a value that no other pixel has.
    nodata : float or None
        That value, for integers with masked pixels.
    restore : callable
        Turns a result into the kind of `given`, masked where that was.

    Raises
    ------
    ImageError
        If every value of an integer type is in use, for a dask array of masked integers, whose
        values in use are not known, or of unknown extents, or for what numpy takes for no array.
    """
    if hasattr(given, "uncertainty") and hasattr(given, "mask"):
        return _read_nddata(given)
    if hasattr(given, "dask"):
        return _read_dask(given)
    if not isinstance(given, np.ma.MaskedArray):
        return _to_numpy(given), None, lambda result: result
    flags = np.ma.getmaskarray(given)
    array, nodata = _replace_masked(given.data, flags)

    def restore(result: Any) -> Any:
        made = np.where(flags, given.data, result)
        return np.ma.MaskedArray(made, flags, fill_value=given.fill_value)

    return array, nodata, restore


def _replace_masked(values: NDArray[Any], flags: NDArray[Any]) -> tuple[Any, float | None]:
    values = np.asarray(values)
    if not flags.any():
        return values, None
    if values.dtype.kind not in "iu":
        kind = values.dtype if values.dtype.kind == "f" else np.float32
        return np.where(flags, np.nan, values).astype(kind), None
    nodata = _unused_value(values[~flags], values.dtype)
    return np.where(flags, values.dtype.type(nodata), values), float(nodata)


def _unused_value(values: NDArray[Any], dtype: np.dtype[Any]) -> int:
    """Return an integer that is exact in float64 and that none of the values is."""
    info = np.iinfo(dtype)
    used = set(np.unique(values).tolist())
    limit = min(int(info.max), 2**53)
    for value in range(limit, max(int(info.min), limit - len(used) - 1) - 1, -1):
        if value not in used:
            return value
    raise ImageError(
        f"every value of {dtype} is in use, so that none can mark the masked pixels; convert the "
        "array to float32."
    )


def _to_numpy(given: Any) -> NDArray[Any]:
    try:
        return np.asarray(given)
    except Exception as error:  # a tensor on a GPU or with gradients, rows of differing length
        raise ImageError(
            f"the image, a {type(given).__name__}, cannot be turned into a numpy array ({error}); "
            "give one that can, e.g. tensor.detach().cpu().float()."
        ) from None


def _read_dask(given: Any) -> tuple[Any, float | None, Restore]:
    if any(n != n for n in getattr(given, "shape", ())):
        raise ImageError(
            f"the dask array has unknown extents {given.shape}; "
            "call its compute_chunk_sizes() first."
        )
    if not isinstance(getattr(given, "_meta", None), np.ma.MaskedArray):
        return given, None, lambda result: result
    if given.dtype.kind not in "f":
        raise ImageError(
            f"a dask array of masked {given.dtype} has no value to mark masked pixels with; "
            "convert it to float32 first, e.g. array.astype('float32')."
        )

    def restore(result: Any) -> Any:
        return result.map_blocks(np.ma.masked_invalid, dtype=result.dtype)

    filled = given.map_blocks(
        np.ma.filled, np.nan, dtype=given.dtype, meta=np.empty((0,) * given.ndim)
    )
    return filled, None, restore


def _read_nddata(given: Any) -> tuple[Any, float | None, Restore]:
    """Read NDData or CCDData; the result is a copy of it with other values."""
    flags = np.zeros(np.shape(given.data), bool)
    if given.mask is not None:
        flags = np.broadcast_to(np.asarray(given.mask, bool), flags.shape)
    array, nodata = _replace_masked(np.asarray(given.data), flags)

    def restore(result: Any) -> Any:
        import copy

        made = copy.deepcopy(given)
        values = np.where(flags, given.data, np.asarray(result))
        made.data = values.astype(np.asarray(given.data).dtype)
        return made

    return array, nodata, restore
