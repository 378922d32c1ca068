"""Layers for the images of files: position, colours, and one layer for each channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unblur.model.file_facts import FILE_KEY, facts_of, metadata_of_part
from unblur.errors import UsageError
from unblur.io.axes import CMYK_CHANNELS, COLOURS, WHITE
from unblur.io.exif import as_seen, orientation_of
from unblur.model.image import ALPHA, AXES, Image, sample_blocks
from unblur.model.units import is_known, long_name

LayerData = tuple[Any, dict[str, Any], str]
"""Data, keyword arguments and type of a layer, as napari takes them from a reader."""

MAX_CHANNELS = 16
"""Largest number of channels that become a layer each, dimensionless; more are an axis."""

_COLORMAPS = ((380, "magenta"), (485, "blue"), (505, "cyan"), (565, "green"), (590, "yellow"),
              (680, "red"), (np.inf, "magenta"))  # fmt: skip
"""Upper end of the emission in nm, and the colour map below it; ultraviolet and infrared share
one."""

_PURE = {"FF0000": "red", "00FF00": "green", "0000FF": "blue", "FF00FF": "magenta",
         "00FFFF": "cyan", "FFFF00": "yellow", WHITE: "gray"}  # fmt: skip
"""Names of napari for the maps from black to these colours."""

CENTRAL = (0.2, 99.8)
"""Percentiles of the values of a FITS image between which it is shown, in percent."""

_TWO = ("magenta", "green")
_MANY = ("cyan", "magenta", "yellow", "red", "green", "blue")


def image_layers(image: Image, name: str, coarser: Sequence[Any] = ()) -> list[LayerData]:
    """Return the layers that show an image.

    Colours are one RGB layer. Other channels are a layer each, in the colour of their emission,
    unless they are the bands of a FITS file, which share its header, have an alpha, or are many:
    those are an axis of one layer.

    Parameters
    ----------
    image : Image
        The image.
    name : str
        Name of the layers; that of the channel is added.
    coarser : sequence of array
        Levels of lower resolution, with the axes of the image, the finest first.
    """
    levels = [image.data, *coarser]
    if "C" not in image.axes:
        title = " ".join((name, *image.channels))
        return [_layer(image, title, levels, colormap=colormaps(image)[0])]
    if not _is_split(image):
        return [_layer(image, name, levels)]
    axis = image.axes.index("C")
    maps = colormaps(image)
    return [
        _layer(
            channel_of(image, number),
            f"{name} {image.channels[number] if image.channels else f'channel {number}'}",
            [level[(slice(None),) * axis + (number,)] for level in levels],
            colormap=maps[number],
            blending="additive",
        )
        for number in range(image.extent("C"))
    ]


def channel_of(image: Image, number: int) -> Image:
    """Return one channel of an image, without the axis C."""
    part = slice(number, number + 1)
    return replace(
        image,
        data=image.data[(slice(None),) * image.axes.index("C") + (number,)],
        axes=image.axes.replace("C", ""),
        channels=image.channels[part],
        metadata=metadata_of_part(image.metadata, part),
    )


def join_channels(images: Sequence[Image]) -> Image:
    """Return images of one channel each as the channels of one image.

    Raises
    ------
    UsageError
        If they differ in shape, data type, or pixel size, or have channels already.
    """
    first = images[0]
    for image in images:
        if "C" in image.axes:
            raise UsageError(
                f"{image.source} has several channels itself; save each layer to a file of its own."
            )
        if (image.axes, image.shape, image.dtype) != (first.axes, first.shape, first.dtype):
            raise UsageError(
                f"{image.source} is {image.shape} of {image.dtype}, but {first.source} is "
                f"{first.shape} of {first.dtype}; channels of one file have one shape and "
                "type; save each layer to a file of its own."
            )
        if (image.pixel_size, image.units) != (first.pixel_size, first.units):
            raise UsageError(
                f"{image.source} and {first.source} have different pixel sizes; save each layer to "
                "a file of its own."
            )
    axis = int("T" in first.axes)
    names = tuple(image.channels[0] if image.channels else image.source for image in images)
    metadata = metadata_of_part(first.metadata, slice(0))
    optics = [image.metadata.get("optics", {}).get("channels", ({},)) for image in images]
    if any(any(stated) for stated in optics):
        listed = tuple(stated[0] if stated else {} for stated in optics)
        metadata["optics"] = {**metadata.get("optics", {}), "channels": listed}
    colours = [image.metadata.get("colours", ()) for image in images]
    if any(colours):
        metadata["colours"] = tuple(stated[0] if stated else WHITE for stated in colours)
    return replace(
        first,
        data=_stack([image.data for image in images], axis),
        axes="".join(a for a in AXES if a == "C" or a in first.axes),
        white=max(image.white for image in images),
        channels=names if len(set(names)) == len(names) else (),
        metadata=metadata,
    )


def colormaps(image: Image) -> list[str]:
    """Return a colour map for each channel: as the file states, of its emission, its name, or any.

    It is a name of napari, or "#rrggbb" for a map from black to that colour.
    """
    count = image.extent("C")
    displayed = image.metadata.get("colours", ())
    if len(displayed) == count:
        return [_PURE.get(colour, f"#{colour.lower()}") for colour in displayed]
    if image.channels == COLOURS[3]:
        return list(image.channels)
    anyhow = ("gray",) if count == 1 else _TWO if count == 2 else _MANY
    stated = image.metadata.get("optics", {}).get("channels", ())
    lengths = [dict(entry).get("emission_nm") for entry in stated] or [None] * count
    if len(lengths) != count or not all(lengths):
        return [anyhow[number % len(anyhow)] for number in range(count)]
    return [next(name for end, name in _COLORMAPS if nm <= end) for nm in lengths if nm]


def orientation_matrix(image: Image) -> NDArray[np.float64] | None:
    """Return the affine matrix that turns a layer as the image states, None for no turn.

    Pixels stay as they lie in the file; the matrix acts on positions in the units of the layer.
    """
    orientation = orientation_of(image)
    if orientation == 1:
        return None
    rows, columns = image.shape[-2:]
    indices = as_seen(np.moveaxis(np.indices((2, 2)), 0, -1), orientation)
    # Row and column in the file of the first pixel, and of those below and beside it.
    corner, below, beside = indices[0, 0], indices[1, 0], indices[0, 1]
    from_seen = np.stack([below - corner, beside - corner], axis=1).astype(float)
    to_seen = np.linalg.inv(from_seen)
    far = corner * (np.array([rows, columns]) - 1)
    steps = np.array([image.pixel_size.get(axis, 1.0) for axis in "YX"])
    ndim = len(image.axes) - ("C" in image.axes)
    matrix = np.eye(ndim + 1)
    matrix[-3:-1, -3:-1] = to_seen
    matrix[-3:-1, -1] = -to_seen @ (far * steps)
    return matrix


def central_range(image: Image) -> list[float] | None:
    """Return the range of the central 99.6 % of the values, None where they are all equal.

    Of a large lazy image a part of the chunks is read. Bright stars would make an image black that
    is shown from its smallest to its largest value.
    """
    values = np.concatenate([block.ravel() for block in sample_blocks(image.data)])
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    low, high = (float(v) for v in np.percentile(finite, CENTRAL))
    return [low, high] if high > low else None


def _is_split(image: Image) -> bool:
    is_whole = ALPHA in image.channels or image.channels == CMYK_CHANNELS
    return not (is_whole or _is_fits(image) or _is_rgb(image) or image.extent("C") > MAX_CHANNELS)


def _is_fits(image: Image) -> bool:
    return image.metadata.get("format") == "fits"


def _is_rgb(image: Image) -> bool:
    """Return whether napari can show the channels as colours: integers, or floats up to 1."""
    is_coloured = image.channels in (COLOURS[3], COLOURS[4])
    return is_coloured and (image.dtype.kind == "u" or image.white == 1)


def _layer(image: Image, name: str, levels: Sequence[Any], **style: Any) -> LayerData:
    is_rgb = _is_rgb(image)
    axes = image.axes.replace("C", "") if is_rgb else image.axes
    if is_rgb:
        axis = image.axes.index("C")
        order = [*(i for i in range(len(image.axes)) if i != axis), axis]
        levels = [level.transpose(order) for level in levels]
        style["rgb"] = True
    matrix = orientation_matrix(image)
    if matrix is not None:
        style["affine"] = matrix
    if _is_fits(image) and (limits := central_range(image)) is not None:
        style["contrast_limits"] = limits
    if len(levels) > 1:
        style["multiscale"] = True
    style |= {
        "name": name,
        "scale": [image.pixel_size.get(a, 1.0) for a in axes],
        "units": [_unit(image, a) for a in axes],
        "axis_labels": tuple(axes.lower()),
        "metadata": {FILE_KEY: facts_of(image)},
    }
    return (list(levels) if len(levels) > 1 else levels[0]), style, "image"


def _unit(image: Image, axis: str) -> str:
    """Return the unit of a pixel size in a spelling that napari knows, "pixel" for any other."""
    unit = image.units.get(axis, "") if axis in image.pixel_size else ""
    return long_name(unit) if is_known(unit) else "pixel"


def _stack(arrays: Sequence[Any], axis: int) -> Any:
    if not any(hasattr(array, "dask") for array in arrays):
        return np.stack(arrays, axis)
    import dask.array as da

    stack: Any = da.stack
    return stack(arrays, axis)
