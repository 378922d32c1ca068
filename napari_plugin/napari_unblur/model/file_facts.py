"""What a file states of its image beyond the properties of a napari layer.

Layers that the reader of this package opens keep it in their metadata, so that a run on the layer
equals a run on the file, and a saved layer states what the file did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from unblur.model.image import Image

FILE_KEY = "unblur_file"
"""Key in the metadata of a layer that holds what its file states."""

_OF_ANY_AXES = ("icc", "exif", "orientation", "history", "notes", "optics")
"""Metadata of an image that hold for each of its channels, planes and times."""


def facts_of(image: Image, **changes: Any) -> dict[str, Any]:
    """Return what the file of `image` states, without the pixels; `changes` replace entries."""
    facts = {
        "source": image.source,
        "axes": image.axes,
        "shape": image.shape,
        "dtype": image.dtype.name,
        "pixel_size": dict(image.pixel_size),
        "units": dict(image.units),
        "white": image.white,
        "nodata": image.nodata,
        "channels": image.channels,
        "origin": dict(image.origin),
        "metadata": image.metadata,
    }
    return {**facts, **changes}


def fits_layer(facts: Mapping[str, Any], shape: Mapping[str, int], dtype: Any) -> bool:
    """Return whether a layer still has the pixels of the file: extent of each axis, and type."""
    if not facts:
        return False
    stated = dict(zip(facts["axes"], facts["shape"], strict=True))
    return stated == dict(shape) and facts["dtype"] == str(dtype)


def white_of(facts: Mapping[str, Any], dtype: Any) -> float:
    """Return white as the file states it, 0 for a layer of another type or without a file."""
    return float(facts["white"]) if facts and facts["dtype"] == str(dtype) else 0.0


def with_facts(image: Image, facts: Mapping[str, Any], first: Mapping[str, int]) -> Image:
    """Return a part of a layer with what the file of the layer states.

    Parameters
    ----------
    image : Image
        The part, with the pixel size of the layer.
    facts : mapping
        As `facts_of` returns it; those of the whole layer.
    first : mapping of axis to int
        Position in the layer of the first pixel of the part.
    """
    whole = dict(zip(facts["axes"], facts["shape"], strict=True))
    sizes, units = dict(image.pixel_size), dict(image.units)
    for axis, size in facts["pixel_size"].items():
        if axis not in facts["units"]:
            sizes.setdefault(axis, size)  # which a layer shows as a scale in pixels
    channels = slice(first.get("C", 0), first.get("C", 0) + image.extent("C"))
    is_stack_whole = all(image.extent(axis) == n for axis, n in whole.items() if axis not in "YX")
    origin = {axis: facts["origin"].get(axis, 0) + first.get(axis, 0) for axis in "YX"}
    return replace(
        image,
        pixel_size=sizes,
        units=units,
        channels=tuple(facts["channels"][channels]),
        nodata=facts["nodata"],
        origin={} if not any(origin.values()) else origin,
        metadata=(
            facts["metadata"] if is_stack_whole else metadata_of_part(facts["metadata"], channels)
        ),
    )


def metadata_of_part(metadata: Mapping[str, Any], channels: slice) -> dict[str, Any]:
    """Return the metadata of an image that hold for a part of its channels, planes and times."""
    kept = {key: metadata[key] for key in _OF_ANY_AXES if key in metadata}
    listed = kept.get("optics", {}).get("channels")
    if listed:
        kept["optics"] = {**kept["optics"], "channels": tuple(listed)[channels]}
    if "colours" in metadata:
        kept["colours"] = tuple(metadata["colours"])[channels]
    return kept
