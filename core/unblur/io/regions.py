"""Images written region by region, for formats that can only be written from top to bottom."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import OutputError
from unblur.io.files import explained, is_store, remove, scratch_path
from unblur.model.formats import RegionWriter, Writer
from unblur.model.image import Image

SIDE = 512
"""Side of a chunk in rows and columns where nobody asked for another."""


class ZarrRegions(RegionWriter):
    """Regions written straight into a zarr array, aligned ones without any lock.

    Parameters
    ----------
    array : zarr.Array
        Open for writing, on a shared disk if several machines write.
    folder : Path
        What `discard` removes: the array's store, or the group around it.
    order : sequence of int, optional
        Which of the regions' axes each axis of the array is, where the array has another order.
    resumed : bool
        Whether the array was there before.
    """

    def __init__(
        self,
        array: Any,
        folder: Path,
        order: Sequence[int] | None = None,
        *,
        resumed: bool = False,
    ) -> None:
        self.resumed = resumed
        self.array = array
        self.folder = folder
        self.order = tuple(order if order is not None else range(array.ndim))
        back = [self.order.index(axis) for axis in range(array.ndim)]
        grain = array.shards or array.chunks
        self.shape = tuple(int(array.shape[axis]) for axis in back)
        self.grain = tuple(int(grain[axis]) for axis in back)
        self.dtype = np.dtype(array.dtype)
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock())

    def write(self, region: tuple[slice, ...], values: NDArray[Any]) -> None:
        """Store `values`; regions that cut chunks take turns, as they read before they write."""
        check_region(region, values, self.shape)
        aligned = is_aligned(region, self.grain, self.shape)
        with explained(self.folder), nullcontext() if aligned else self._lock:
            self.array[tuple(region[a] for a in self.order)] = values.transpose(self.order)

    def finish(self) -> None:
        """Nothing is left to do: the array is whole once every region is written."""

    def discard(self) -> None:
        """Remove the store."""
        remove(self.folder)


class ScratchRegions(RegionWriter):
    """Regions kept in a scratch store beside the output, which a writer streams from at the end.

    Takes the image's size in scratch space (compressed) until `unblur.io.publish` has given the
    finished file its name.

    Parameters
    ----------
    writer : Writer
        Writes the file in the end.
    like : Image
        What the result has besides its values.
    path : Path
        The file's temporary name; the scratch store lies beside it.
    chunks : sequence of int, optional
        Extents of a piece along `like.axes`.
    resume : bool
        Take up the scratch store of an interrupted run.
    """

    def __init__(
        self,
        writer: Writer,
        like: Image,
        path: Path,
        *,
        chunks: Sequence[int] | None = None,
        resume: bool = False,
    ) -> None:
        self._writer, self._path = writer, path
        self._like = like.with_data(_Absent(like.shape, like.dtype))
        folder = scratch_path(path)
        self.resumed = resume and is_store(folder)
        array = scratch_array(folder, like.shape, like.dtype, chunks, resume=resume)
        self._regions = ZarrRegions(array, folder)
        self.shape, self.dtype = self._regions.shape, self._regions.dtype
        self.grain = self._regions.grain

    def write(self, region: tuple[slice, ...], values: NDArray[Any]) -> None:
        """Store `values` in the scratch store."""
        self._regions.write(region, values)

    def finish(self) -> None:
        """Write the file from the scratch store."""
        remove(self._path)
        with explained(self._path):
            self._writer.write(self._like.with_data(lazily(self._regions.array)), self._path)

    def discard(self) -> None:
        """Remove the scratch store and the unfinished file."""
        self._regions.discard()
        remove(self._path)


def scratch_array(
    folder: Path,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    chunks: Sequence[int] | None = None,
    *,
    resume: bool = False,
) -> Any:
    """Create a zarr array for intermediate values, or open the one that is there.

    Raises
    ------
    OutputError
        If `resume` finds an array of another shape, type or chunking.
    """
    import zarr

    wanted = tuple(min(c, n) for c, n in zip(chunks or default_chunks(shape), shape, strict=True))
    if resume and is_store(folder):
        array = zarr.open_array(folder, mode="r+")
        check_same(array, shape, dtype, wanted, folder)
        return array
    remove(folder)
    with explained(folder):
        return zarr.create_array(
            folder, shape=tuple(shape), dtype=dtype, chunks=wanted, zarr_format=3, fill_value=0
        )


def check_same(
    array: Any, shape: Sequence[int], dtype: np.dtype[Any], grain: Sequence[int], path: Path
) -> None:
    """Raise `OutputError` unless an interrupted store is what would be created now."""
    found = (tuple(array.shape), np.dtype(array.dtype), tuple(array.shards or array.chunks))
    if found != (tuple(shape), np.dtype(dtype), tuple(grain)):
        raise OutputError(
            f"{path} was left by a run on another image or with other tiles (shape {found[0]}, "
            f"{found[1]}, pieces of {found[2]}); remove it or run without --resume."
        )


def default_chunks(shape: Sequence[int]) -> tuple[int, ...]:
    """Return chunks of one plane, `SIDE` square: rows and columns are the last two axes."""
    return (1,) * (len(shape) - 2) + (min(SIDE, shape[-2]), min(SIDE, shape[-1]))


@contextmanager
def staged(image: Image, path: Path, page_axes: str) -> Iterator[Image]:
    """Yield the image fit to be read page by page without computing any chunk twice.

    A dask array whose chunks reach over several pages is first stored, each chunk computed
    once, in a scratch store beside `path` that has chunks of one page.
    """
    if all(
        max(chunks) == 1 or axis in page_axes
        for axis, chunks in zip(image.axes, image.data.chunks, strict=True)
    ):
        yield image
        return
    folder = scratch_path(path)
    chunks = [
        n if axis == "C" and axis in page_axes else min(SIDE, n) if axis in "YX" else 1
        for axis, n in zip(image.axes, image.shape, strict=True)
    ]
    try:
        array = scratch_array(folder, image.shape, image.dtype, chunks)
        store_dask(image.data, array)
        yield image.with_data(lazily(array))
    finally:
        remove(folder)


def lazily(array: Any) -> Any:
    """Return a dask array over the chunks of a zarr array."""
    import dask.array as da

    from_zarr: Any = da.from_zarr
    return from_zarr(array)


def store_dask(data: Any, array: Any) -> None:
    """Compute a dask array into a zarr array, each chunk once, no two threads in one chunk."""
    import dask.array as da

    grain = array.shards or array.chunks
    aligned = tuple(
        g * max(1, round(max(chunks) / g)) for chunks, g in zip(data.chunks, grain, strict=True)
    )
    da.store(data.rechunk(aligned), array, lock=False)


def check_region(region: tuple[slice, ...], values: NDArray[Any], shape: Sequence[int]) -> None:
    """Raise `ValueError` unless a region has plain bounds within `shape` that fit the values."""
    bounds = [(s.start, s.stop) for s in region]
    extents = tuple(stop - start for start, stop in bounds)
    inside = all(0 <= a < b <= n for (a, b), n in zip(bounds, shape, strict=True))
    if not inside or extents != values.shape:
        raise ValueError(f"region {bounds} of {tuple(shape)} does not take values {values.shape}")


def is_aligned(region: tuple[slice, ...], grain: Sequence[int], shape: Sequence[int]) -> bool:
    """Return whether a region consists of whole pieces of the store."""
    return all(
        s.start % g == 0 and (s.stop % g == 0 or s.stop == n)
        for s, g, n in zip(region, grain, shape, strict=True)
    )


class _Absent:
    """Stands for values that are not there yet."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype, self.ndim = shape, dtype, len(shape)
