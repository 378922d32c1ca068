"""Previews of images for a browser: the displayed plane, its size, and its grey levels."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.io.exif import as_seen, orientation_of
from unblur.model.image import ALPHA, Image
from unblur.model.kernel import KernelField

Float = NDArray[np.float32]
Bytes = NDArray[np.uint8]

LONGEST = 1600
"""Longer side of an overview, to which a larger image is averaged down, in pixels."""

WIDEST = 16_384
"""Longest side of which every pixel is read; larger images are subsampled, in pixels."""

DETAIL = 480
"""Side of the detail that is shown at full resolution beside an overview, in pixels."""


@dataclass(frozen=True, eq=False)
class Plane:
    """One plane of an image for display.

    Attributes
    ----------
    values : (H, W) or (H, W, 3) float32
        Values in the image's units.
    note : str
        Position of the plane in its stack, empty for an image of one plane.
    is_photo : bool
        Whether the values are colours or grey levels from black to white, displayed as they are,
        rather than measurements whose range is determined from the data.
    """

    values: Float
    note: str
    is_photo: bool


def view_of(image: Image) -> Plane:
    """Return the plane to display: first time, middle depth, three colours or first channel.

    It is turned as the image states.
    """
    data, notes = image.data, []
    for axis in "TZ":
        if axis in image.axes and image.extent(axis) > 1:
            chosen = 0 if axis == "T" else image.extent(axis) // 2
            notes.append(f"{axis} = {chosen} of {image.extent(axis)}")
    index: list[Any] = [
        {"T": 0, "Z": image.extent("Z") // 2}.get(axis, slice(None)) for axis in image.axes
    ]
    colours = [name for name in image.channels if name != ALPHA]
    is_colour = len(colours) == 3 and colours[0] in ("red", "r")
    if "C" in image.axes:
        index[image.axes.index("C")] = slice(0, 3) if is_colour else 0
        if not is_colour and image.extent("C") > 1:
            name = image.channels[0] if image.channels else "0"
            notes.append(f"channel {name} of {image.extent('C')}")
    step = -(-max(image.extent("Y"), image.extent("X")) // WIDEST)
    if step > 1:
        index[-2:] = [slice(None, None, step)] * 2
        notes.append(f"every {step}th pixel")
    plane = np.asarray(data[tuple(index)], np.float32)
    values = np.moveaxis(plane, 0, -1) if plane.ndim == 3 else plane
    values = as_seen(values, orientation_of(image))
    is_picture = image.metadata.get("format") in ("png", "jpeg") or image.dtype.itemsize == 1
    is_photo = is_colour or (is_picture and not notes)
    return Plane(values, ", ".join(notes), is_photo)


@dataclass(frozen=True)
class Tones:
    """Mapping of values to grey levels: black at `low`, white at `high`, linear or asinh."""

    low: float
    high: float
    is_stretched: bool

    def __call__(self, values: Float) -> Bytes:
        """Return `values` as 8-bit grey levels; NaN and infinite values are black or white."""
        scaled = (np.nan_to_num(values, nan=self.low) - self.low) / (self.high - self.low)
        scaled = np.clip(scaled, 0, 1)
        if self.is_stretched:
            scaled = np.arcsinh(scaled * 50) / np.arcsinh(50)
        return np.asarray(scaled * 255 + 0.5, np.uint8)

    def __str__(self) -> str:
        tone = ", asinh" if self.is_stretched else ""
        return f"shown from {self.low:.4g} (black) to {self.high:.4g} (white{tone})"


def mapping_for(view: Plane, white: float) -> Tones:
    """Return the mapping for an image: 0 to white for photographs, else the central 99.6 %.

    An image with few bright sources on a low background is stretched by asinh, which shows both.
    """
    if view.is_photo:
        return Tones(0.0, white, False)
    finite = view.values[np.isfinite(view.values)]
    if not finite.size:
        return Tones(0.0, 1.0, False)
    low, middle, high = (float(v) for v in np.percentile(finite, (0.2, 50, 99.8)))
    if not high > low:
        return Tones(low, low + 1, False)
    return Tones(low, high, bool(middle - low < 0.02 * (high - low)))


def reduce_image(values: Float, longest: int = LONGEST) -> Float:
    """Average blocks of pixels so that the longer side is at most `longest`."""
    factor = -(-max(values.shape[:2]) // longest)
    if factor == 1:
        return values
    rows, columns = (n // factor * factor for n in values.shape[:2])
    blocks = values[:rows, :columns].reshape(
        rows // factor, factor, columns // factor, factor, *values.shape[2:]
    )
    return np.asarray(blocks.mean((1, 3)), np.float32)


def most_contrast(values: Float, size: int = DETAIL) -> tuple[slice, slice]:
    """Return the square of edge `size` with the largest mean gradient, on a grid of half edges."""
    grey = values.mean(-1) if values.ndim == 3 else values
    best, corner = -1.0, (0, 0)
    for top in range(0, max(grey.shape[0] - size, 0) + 1, size // 2):
        for left in range(0, max(grey.shape[1] - size, 0) + 1, size // 2):
            block = grey[top : top + size, left : left + size]
            contrast = float(np.nanmean(np.abs(np.diff(block, axis=0)))) if block.size else 0.0
            if contrast > best:
                best, corner = contrast, (top, left)
    return slice(corner[0], corner[0] + size), slice(corner[1], corner[1] + size)


def kernel_picture(field: KernelField) -> Float:
    """Return the kernels of a field as a mosaic in [0, 1], each divided by its peak.

    Kernels are separated by a line of NaN; a 3-D kernel is shown as its maximum over depth.
    """
    rows = []
    for row in (field.every_kernel,) if field.channels else field.kernels:
        tiles = []
        for kernel in row:
            flat = kernel.weights.max(0) if kernel.ndim == 3 else kernel.weights
            tiles.append(np.pad(flat / flat.max(), ((0, 1), (0, 1)), constant_values=np.nan))
        rows.append(np.concatenate(tiles, 1))
    return np.asarray(np.concatenate(rows, 0)[:-1, :-1], np.float32)


def png(picture: Bytes) -> str:
    """Return an 8-bit image, (H, W) or (H, W, 3), as a `data:` URI of a PNG."""
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(picture)).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
