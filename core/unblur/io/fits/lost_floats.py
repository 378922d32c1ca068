"""Floats that the Python package fitsio has lost, which are no data.

fitsio (1.4.2, `fitsio.write`) takes big-endian floats, as astropy reads them, for infinite where
their bytes in reverse would be, and stores reversed infinity for them: 0.4 % of float32 and 0.05 %
of float64 become 4.6e-41 and 3.0e-319, without a warning.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def lost_float_value(dtype: np.dtype[Any]) -> float | None:
    """Return the value that stands for floats that were lost; `None` for other types.

    It is far below what an image can hold: of float32 4.6e-41, of float64 3.0e-319.
    """
    if dtype.kind != "f" or dtype.itemsize not in (4, 8):
        return None
    return float(np.array(np.inf, dtype).byteswap())


def describe_lost_floats(data: Any, value: float) -> tuple[str, ...]:
    """Return a note that counts the lost floats of an array, or none if there are none."""
    count = int(np.count_nonzero(data == data.dtype.type(value)))
    if not count:
        return ()
    return (
        f"{count} of its {data.size} pixels are {value:.2g}, as the Python package fitsio writes "
        "for some floats in the byte order of astropy, and count as no data; write the original "
        "anew, after .astype('f4') or .astype('f8').",
    )
