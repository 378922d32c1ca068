"""Images with axes, pixel size and metadata, in the units of their file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ImageError

AXES = "TCZYX"
"""Canonical order of axes: time, channel, depth, row, column. Any subset with Y and X."""

ALPHA = "alpha"
"""Name of the channel that stages leave untouched."""


@dataclass(frozen=True, eq=False)
class Image:
    """An image in its own units, with the metadata that is written back to a file.

    Parameters
    ----------
    data : numpy or dask array
        Values as the file holds them, axes in the order of `axes`.
    axes : str
        A subset of "TCZYX", in that order, holding at least "YX".
    pixel_size : mapping of axis to float
        Size of one step along "T", "Z", "Y" or "X" in `units`, positive; absent where unknown.
    units : mapping of axis to str
        Unit of each pixel size, e.g. "µm", "arcsec", "s".
    white : float
        The value that stages see as 1: an integer type's or bit depth's maximum, 1 for floats
        within [0, 1], otherwise the largest value, so that scaling can be undone.
    channels : tuple of str
        Names along "C", e.g. ("red", "green", "blue", "alpha"); empty where unnamed.
    metadata : mapping
        Metadata of the file, for a writer of the same format. Stages do not use it.
    source : str
        Path or description of the origin, for messages and reports.
    nodata : float, optional
        Value that marks pixels without data, in the image's units, e.g. BLANK of FITS. They are
        left out of every estimate and come back unchanged.
    origin : mapping of axis to int
        Position along "Y" and "X", in pixels, of the first pixel within the image of the file;
        writers move world coordinates by it. Empty for a whole image.

    Raises
    ------
    ImageError
        For empty or complex data, axes that do not fit, or a white or pixel size that is not
        positive.
    """

    data: Any
    axes: str
    pixel_size: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    white: float = 0.0
    channels: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    source: str = "the image"
    nodata: float | None = None
    origin: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_axes(self.axes, self.data.ndim, self.source)
        check_values(self.data, self.source)
        check_pixel_sizes(self.pixel_size, self.source)
        if self.channels and len(self.channels) != self.extent("C"):
            raise ImageError(
                f"{self.source}: {len(self.channels)} channel names "
                f"for {self.extent('C')} channels."
            )
        if not self.white:
            object.__setattr__(self, "white", default_white(self.data, self.nodata))
        if not (np.isfinite(self.white) and self.white > 0):
            raise ImageError(f"{self.source}: white must be positive, got {self.white}.")

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent along each of `axes`."""
        return tuple(int(n) for n in self.data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values, which a result keeps."""
        dtype: np.dtype[Any] = np.dtype(self.data.dtype)
        return dtype

    @property
    def is_lazy(self) -> bool:
        """Whether the values are a dask array, still to be computed."""
        return hasattr(self.data, "dask")

    def extent(self, axis: str) -> int:
        """Return the length along `axis`, 1 where the image lacks it."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    def with_data(self, data: Any, **changes: Any) -> Image:
        """Return the image with other values and everything else kept, save for `changes`."""
        return replace(self, data=data, **changes)

    def with_white(self, white: float) -> Image:
        """Return the image with another value for white: where its sensor clips, e.g. 4095.

        Raises
        ------
        ImageError
            If it is not positive, or beyond what the type of the values can hold.
        """
        limit = np.iinfo(self.dtype).max if self.dtype.kind in "ui" else np.inf
        if not 0 < white <= limit:
            raise ImageError(
                f"{self.source}: white must be above 0 and at most {limit:g} for {self.dtype}, "
                f"got {white:g}."
            )
        return replace(self, white=float(white))

    def cropped(self, rows: slice, columns: slice) -> Image:
        """Return the part of the image within `rows` and `columns`, in pixels, white kept.

        The part's `origin` is that of the image moved by the first row and column.

        Raises
        ------
        ImageError
            If nothing of the image lies within.
        """
        inside = self.data[..., rows, columns]
        if 0 in inside.shape:
            raise ImageError(
                f"{self.source}: nothing lies within rows {_span(rows)}, columns "
                f"{_span(columns)}; the image has {self.extent('Y')} rows, "
                f"{self.extent('X')} columns."
            )
        first = {"Y": rows, "X": columns}
        origin = {
            axis: self.origin.get(axis, 0) + span.indices(self.extent(axis))[0]
            for axis, span in first.items()
        }
        return self.with_data(inside, origin=origin)


def _span(pixels: slice) -> str:
    ends = ("" if end is None else str(end) for end in (pixels.start, pixels.stop))
    return ":".join(ends)


def check_axes(axes: str, ndim: int, source: str) -> None:
    """Raise `ImageError` unless `axes` is an ordered subset of "TCZYX" of length `ndim`."""
    if "".join(a for a in AXES if a in axes) != axes or "Y" not in axes or "X" not in axes:
        raise ImageError(
            f"{source}: axes are a subset of {AXES} in that order with Y and X, got '{axes}'; "
            "name them with --axes."
        )
    if len(axes) != ndim:
        raise ImageError(
            f"{source}: {ndim} axes of data but '{axes}' names {len(axes)}; name them with --axes."
        )


def check_pixel_sizes(pixel_size: Mapping[str, float], source: str) -> None:
    """Raise `ImageError` unless every pixel size is a positive, finite number."""
    for axis, size in pixel_size.items():
        is_number = isinstance(size, int | float | np.number) and not isinstance(size, bool)
        if not (is_number and np.isfinite(size) and size > 0):
            remedy = "; leave out what is unknown"
            if is_number and np.isfinite(size) and size < 0:
                remedy = ", and the direction of an axis is not part of it; give its absolute value"
            raise ImageError(
                f"{source}: the pixel size along {axis} is a positive number, got {size}{remedy}."
            )


def positive_sizes(pixel_size: Mapping[str, float]) -> dict[str, float]:
    """Return the absolute values of what a file states as pixel sizes, without 0, NaN and infinity.

    The sign of a step is the direction of its axis, as that of CDELT in FITS.

    Example
    -------
    >>> positive_sizes({"Z": 0.0, "Y": -0.5, "X": 0.25})
    {'Y': 0.5, 'X': 0.25}
    """
    return {a: abs(float(s)) for a, s in pixel_size.items() if s and np.isfinite(s)}


def check_values(data: Any, source: str) -> None:
    """Raise `ImageError` for an empty array or one whose values are not real numbers.

    Lazy arrays of damaged files may have a negative extent.
    """
    if min(data.shape, default=1) < 1:
        state = "empty" if 0 in data.shape else "damaged: it states a negative extent"
        raise ImageError(f"{source}: the image is {state} (shape {tuple(data.shape)}).")
    kind = np.dtype(data.dtype).kind
    if kind == "c":
        raise ImageError(f"{source}: complex values cannot be deblurred; save the magnitude first.")
    if kind not in "buif":
        raise ImageError(f"{source}: expected numbers, got dtype {data.dtype}.")


def default_white(data: Any, nodata: float | None = None) -> float:
    """Return the value that counts as 1: a type's maximum, or for floats a scale that fits.

    Floats within [0, 1] keep 1; others are scaled by their largest finite magnitude. For a
    large dask array of floats the largest is taken over a sample of its chunks, spread evenly,
    so that opening an image does not read it all; scaling by any positive white can be undone.
    Values equal to `nodata` are left out.
    """
    dtype = np.dtype(data.dtype)
    if dtype.kind == "b":
        return 1.0
    if dtype.kind in "ui":
        return float(np.iinfo(dtype).max)
    largest = 0.0
    for block in sample_blocks(data):
        finite = np.isfinite(block)
        values = np.abs(block[finite if nodata is None else finite & (block != nodata)])
        largest = max(largest, float(values.max())) if values.size else largest
    return largest if largest > 1 else 1.0


SAMPLE_BLOCKS = 16
"""Largest number of chunks of a lazy image that are read to sample its values, dimensionless."""


def sample_blocks(data: Any, limit: int = SAMPLE_BLOCKS) -> Iterator[NDArray[Any]]:
    """Yield blocks of values: a numpy array whole, of a dask array at most `limit` chunks.

    The chunks are spread evenly over the array, the same ones on every call.
    """
    if not hasattr(data, "dask"):
        yield np.asarray(data)
        return
    count = int(np.prod(data.numblocks))
    for number in np.unique(np.linspace(0, count - 1, min(count, limit)).astype(int)):
        yield np.asarray(data.blocks[np.unravel_index(number, data.numblocks)])


def check_deblurrable(image: Image) -> None:
    """Raise `ImageError` for an image of one pixel, or without a finite value.

    Single NaN are allowed: such pixels are masked. A lazy image is read chunk by chunk until a
    finite value is found, usually in the first one.
    """
    if image.extent("Y") * image.extent("X") == 1:
        raise ImageError(
            f"{image.source}: a single pixel has no blur to undo; give an image of more."
        )
    if image.dtype.kind == "f" and not any(
        np.isfinite(block).any() for block in sample_blocks(image.data, limit=sys.maxsize)
    ):
        raise ImageError(
            f"{image.source}: every pixel is NaN or infinite, so there is nothing to deblur; "
            "check how the file was made."
        )


def bit_depth_white(bits: int) -> float:
    """Return the white of an image whose file states a bit depth, e.g. 4095 for 12 bits."""
    if not 1 <= bits <= 64:
        raise ImageError(f"a bit depth lies between 1 and 64, got {bits}.")
    return float(2**bits - 1)
