"""Colour samples of pictures: a 2-D image, or frames along T, with the samples of each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unblur.errors import ImageError, OutputError
from unblur.io.axes import CMYK_CHANNELS, COLOURS, canonical, check_given
from unblur.io.size_limits import REMEDY, are_limits_off, check_expansion
from unblur.io.tiff.metadata import SCREEN_DPI
from unblur.model.image import ALPHA, Image
from unblur.model.units import plane_size

BOMB_PIXELS = 178_956_970
"""Largest image that is never rejected as a decompression bomb (Pillow's limit), in pixels."""

BOMB_RATIO = 100
"""Ratio of pixel bytes to file bytes above which a larger image is rejected, dimensionless."""


def check_bomb(width: int, height: int, pixel_bytes: int, file_bytes: int, source: str) -> None:
    """Raise `ImageError` for a file that decompresses to an implausibly large image."""
    if width * height == 0:
        raise ImageError(f"{source}: the image is empty (shape {(height, width)}).")
    is_suspect = width * height > BOMB_PIXELS and not are_limits_off()
    if is_suspect and width * height * pixel_bytes > BOMB_RATIO * file_bytes:
        raise ImageError(
            f"{source} decompresses from {file_bytes} bytes to {width} x {height} pixels like a "
            f"decompression bomb; {REMEDY}."
        )
    check_expansion(width * height * pixel_bytes, file_bytes, source)


def from_samples(
    values: Any,
    axes: str | None,
    pixels_per_metre: tuple[float, float] | None,
    metadata: dict[str, Any],
    source: str,
    names: Sequence[str] | None = None,
    white: float = 0.0,
    *,
    is_sequence: bool = False,
) -> Image:
    """Return the image of decoded samples (H, W) or (H, W, C), colours along axis C.

    `pixels_per_metre` is (vertical, horizontal); default screen resolutions are ignored. With
    `is_sequence` an axis of frames comes first, which is T. Without `names`, channels are those
    of `COLOURS`; an empty tuple leaves them without names.
    """
    has_colours = values.ndim > 2 + is_sequence
    file_axes = "T" * is_sequence + "YX" + "C" * has_colours
    if axes is not None and check_given(axes, values.shape, source) != file_axes:
        raise ImageError(f"{source}: the image has the axes {file_axes}; leave out --axes {axes}.")
    sizes = {}
    if pixels_per_metre is not None and min(pixels_per_metre) > 0:
        dpi = pixels_per_metre[1] * 0.0254
        if min(abs(dpi - screen) for screen in SCREEN_DPI) > 0.02:
            sizes = {a: 1e6 / n for a, n in zip("YX", pixels_per_metre, strict=True)}
    if names is None:
        names = COLOURS[values.shape[-1]] if has_colours else ()
    data, order = canonical(values, file_axes)
    units = dict.fromkeys(sizes, "µm")
    metadata = {**metadata, "file_axes": file_axes, "sizes": dict(sizes)}
    return Image(
        np.ascontiguousarray(data),
        order,
        sizes,
        units,
        white,
        tuple(names),
        metadata,
        source,
    )


def check_picture(image: Image, holder: str, counts: Sequence[int]) -> None:
    """Raise `OutputError` unless the image is 2-D with one of the given numbers of samples."""
    stack = {a: image.extent(a) for a in "TZ" if image.extent(a) > 1}
    if stack:
        listed = ", ".join(f"{n} along {a}" for a, n in stack.items())
        raise OutputError(
            f"{holder} holds a single 2-D image, but {image.source} has {listed}; write .tif or "
            ".ome.zarr instead."
        )
    count = image.extent("C")
    if image.channels == CMYK_CHANNELS and not (holder == "JPEG" and count in counts):
        raise OutputError(
            f"{holder} holds grey or RGB, but {image.source} is in the four inks of a printer "
            "(CMYK); convert it to RGB first, or write .tif or .jpg instead."
        )
    strange = count in (2, 4) and image.channels != COLOURS[count] and holder != "JPEG"
    if count not in counts or strange:
        what = f" and alpha {image.channels}" if ALPHA in image.channels else ""
        raise OutputError(
            f"{holder} holds {' or '.join(str(n) for n in counts)} colour samples, but "
            f"{image.source} has {count} channels{what}; write .tif instead."
        )


def to_samples(image: Image) -> Any:
    """Return the samples (H, W) or (H, W, C) of an image that `check_picture` let pass."""
    values = np.asarray(image.data)
    count, rows, columns = image.extent("C"), image.extent("Y"), image.extent("X")
    values = values.reshape(count, rows, columns)
    return np.ascontiguousarray(values[0] if count == 1 else np.moveaxis(values, 0, -1))


def pixels_per_metre(image: Image) -> tuple[float, float] | None:
    """Return how many pixels a metre holds, (vertical, horizontal), or `None` where unknown."""
    plane = plane_size(image.pixel_size, image.units, "m")
    return None if plane is None else (1 / plane[0], 1 / plane[1])


def unchanged_sizes(image: Image) -> bool:
    """Return whether the pixel size is what the picture's reader found."""
    return "sizes" in image.metadata and dict(image.metadata["sizes"]) == {
        a: s for a, s in image.pixel_size.items() if a in "YX"
    }
