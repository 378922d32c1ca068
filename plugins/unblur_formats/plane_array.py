"""An array that reads the planes of a file when it is indexed."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray


class PlaneArray:
    """An array of planes, each of which a function reads whole.

    A lock serialises threads, since the packages that read the planes share one position in the
    file.

    Parameters
    ----------
    shape : tuple of int
        Extents of the array.
    dtype : dtype
        Type of its values.
    read : function (index) -> array
        Function that returns the plane at a position along the first axes, one integer for each.
    plane_ndim : int
        Number of the last axes, which a plane has.
    close : function, optional
        Function that closes the file, called when the array is no longer used.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        read: Callable[[tuple[int, ...]], Any],
        plane_ndim: int = 2,
        close: Callable[[], None] | None = None,
    ) -> None:
        self.shape, self.dtype = shape, dtype
        self._read, self._first = read, len(shape) - plane_ndim
        self._lock = threading.Lock()
        if close is not None:
            weakref.finalize(self, close)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Return a region; `index` has slices and integers, one for each of the first axes."""
        given = index if isinstance(index, tuple) else (index,)
        full = (*given, *(slice(None),) * (len(self.shape) - len(given)))
        first, rest = full[: self._first], full[self._first :]
        spans = [
            range(extent)[part] if isinstance(part, slice) else (range(extent)[int(part)],)
            for part, extent in zip(first, self.shape, strict=False)
        ]
        planes = []
        with self._lock:
            for position in product(*spans):
                plane = np.asarray(self._read(position))
                if plane.shape != self.shape[self._first :]:
                    raise ValueError(f"a plane has the extents {plane.shape}")
                planes.append(np.array(plane[rest], self.dtype))
        extents = [len(s) for s, p in zip(spans, first, strict=True) if isinstance(p, slice)]
        tail = planes[0].shape if planes else ()
        return np.stack(planes).reshape(*extents, *tail)
