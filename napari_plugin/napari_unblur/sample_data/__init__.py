"""Sample images of the widget; their origin is in SOURCES.md beside this file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
"""Folder of the image files."""

LayerData = tuple[Any, dict[str, Any], str]


def photograph() -> list[LayerData]:
    """Return a photograph with camera shake, for the blind pipelines."""
    from PIL import Image as Picture

    path = FOLDER / "photograph.png"
    with Picture.open(path) as picture:
        values = np.asarray(picture.convert("RGB"))
    return [(values, {"name": "photograph", "rgb": True}, "image")]


def beads() -> list[LayerData]:
    """Return a confocal stack of four beads, from which the PSF can be estimated."""
    step = {"scale": (0.125, 0.022, 0.022), "units": ("um",) * 3, "axis_labels": ("z", "y", "x")}
    style = {"colormap": "green", "contrast_limits": (0, 120)}
    return [(_tiff("beads.tif"), {"name": "beads", **style, **step}, "image")]


def stars() -> list[LayerData]:
    """Return a star field of a space telescope, for the `points` pipelines."""
    values = _tiff("stars.tif")
    style = {"contrast_limits": (40, 700), "gamma": 0.5, "colormap": "gray"}
    step = {"scale": (0.063, 0.063), "units": ("arcsec",) * 2, "axis_labels": ("y", "x")}
    return [(values, {"name": "stars", **style, **step}, "image")]


def _tiff(name: str) -> Any:
    import tifffile

    return tifffile.imread(FOLDER / name)
