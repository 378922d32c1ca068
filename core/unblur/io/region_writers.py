"""Writing of images region by region, in place or through a scratch store."""

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
"""Default side of a chunk in rows and columns, in pixels."""


class ZarrRegions(RegionWriter):
    """Regions written directly into a zarr array, without a lock if they are aligned.

    Parameters
    ----------
    array : zarr.Array
        Array open for writing, on a shared disk if several machines write.
    folder : Path
        Folder that `discard` removes: the array's store, or the group around it.
    order : sequence of int, optional
        For each axis of the array the corresponding axis of the regions; default: the same.
    resumed : bool
        Whether the array existed before.
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
        chunk_shape = array.shards or array.chunks
        self.shape = tuple(int(array.shape[axis]) for axis in back)
        self.write_alignment = tuple(int(chunk_shape[axis]) for axis in back)
        self.dtype = np.dtype(array.dtype)
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock())

    def write(self, region: tuple[slice, ...], values: NDArray[Any]) -> None:
        """Store `values`; unaligned regions, which read chunks before they write, hold a lock."""
        check_region(region, values, self.shape)
        aligned = is_aligned(region, self.write_alignment, self.shape)
        with explained(self.folder), nullcontext() if aligned else self._lock:
            self.array[tuple(region[a] for a in self.order)] = values.transpose(self.order)

    def finish(self) -> None:
        """Do nothing: the array is complete when every region is written."""

    def discard(self) -> None:
        """Remove the store."""
        remove(self.folder)


class ScratchRegions(RegionWriter):
    """Regions in a scratch store beside the output, from which a writer streams the file.

    The scratch store takes the (compressed) size of the image until `unblur.io.publish` renames
    the finished file.

    Parameters
    ----------
    writer : Writer
        Writer of the final file.
    like : Image
        Image with the metadata, shape and dtype of the result.
    path : Path
        Temporary name of the file; the scratch store is beside it.
    chunks : sequence of int, optional
        Extents of a chunk along `like.axes`.
    resume : bool
        Continue with the scratch store of an interrupted run.
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
        self._like = like.with_data(_ShapeOnly(like.shape, like.dtype))
        folder = scratch_path(path)
        self.resumed = resume and is_store(folder)
        array = scratch_array(folder, like.shape, like.dtype, chunks, resume=resume)
        self._regions = ZarrRegions(array, folder)
        self.shape, self.dtype = self._regions.shape, self._regions.dtype
        self.write_alignment = self._regions.write_alignment

    def write(self, region: tuple[slice, ...], values: NDArray[Any]) -> None:
        """Store `values` in the scratch store."""
        self._regions.write(region, values)

    def finish(self) -> None:
        """Write the file from the scratch store."""
        remove(self._path)
        with explained(self._path):
            self._writer.write(self._like.with_data(as_dask(self._regions.array)), self._path)

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
    """Create a zarr array for intermediate values, or open the existing one.

    Raises
    ------
    OutputError
        If `resume` finds an array of another shape, dtype or chunk shape.
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
    array: Any, shape: Sequence[int], dtype: np.dtype[Any], chunk_shape: Sequence[int], path: Path
) -> None:
    """Raise `OutputError` unless the store of an interrupted run has the present layout."""
    found = (tuple(array.shape), np.dtype(array.dtype), tuple(array.shards or array.chunks))
    if found != (tuple(shape), np.dtype(dtype), tuple(chunk_shape)):
        raise OutputError(
            f"{path} belongs to a run on another image or with other tiles (shape {found[0]}, "
            f"{found[1]}, chunks of {found[2]}); remove it or run without --resume."
        )


def default_chunks(shape: Sequence[int]) -> tuple[int, ...]:
    """Return a chunk shape of one plane and `SIDE` square; rows and columns are the last axes."""
    return (1,) * (len(shape) - 2) + (min(SIDE, shape[-2]), min(SIDE, shape[-1]))


@contextmanager
def staged(image: Image, path: Path, page_axes: str) -> Iterator[Image]:
    """Yield the image such that reading it page by page computes no chunk twice.

    A dask array with chunks across several pages is first written, each chunk computed once, to
    a scratch store beside `path` with chunks of one page.
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
        yield image.with_data(as_dask(array))
    finally:
        remove(folder)


def as_dask(array: Any) -> Any:
    """Return a dask array over the chunks of a zarr array."""
    import dask.array as da

    from_zarr: Any = da.from_zarr
    return from_zarr(array)


def store_dask(data: Any, array: Any) -> None:
    """Write a dask array to a zarr array: each chunk is computed once and written by one thread."""
    import dask.array as da

    chunk_shape = array.shards or array.chunks
    aligned = tuple(
        g * max(1, round(max(chunks) / g))
        for chunks, g in zip(data.chunks, chunk_shape, strict=True)
    )
    da.store(data.rechunk(aligned), array, lock=False)


def check_region(region: tuple[slice, ...], values: NDArray[Any], shape: Sequence[int]) -> None:
    """Raise `ValueError` unless a region lies within `shape` and has the extent of the values."""
    bounds = [(s.start, s.stop) for s in region]
    extents = tuple(stop - start for start, stop in bounds)
    inside = all(0 <= a < b <= n for (a, b), n in zip(bounds, shape, strict=True))
    if not inside or extents != values.shape:
        raise ValueError(f"region {bounds} of {tuple(shape)} does not take values {values.shape}")


def is_aligned(region: tuple[slice, ...], chunk_shape: Sequence[int], shape: Sequence[int]) -> bool:
    """Return whether a region consists of whole chunks of the store."""
    return all(
        s.start % g == 0 and (s.stop % g == 0 or s.stop == n)
        for s, g, n in zip(region, chunk_shape, shape, strict=True)
    )


class _ShapeOnly:
    """Placeholder for the values of an image, with shape and dtype only."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype, self.ndim = shape, dtype, len(shape)
