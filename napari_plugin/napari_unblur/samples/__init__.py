"""Small images to try the widget on; SOURCES.md beside this file says where they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent

LayerData = tuple[Any, dict[str, Any], str]


def photograph() -> list[LayerData]:
    """Return a photograph shaken by a hand; for the blind pipelines."""
    from PIL import Image as Picture

    path = FOLDER / "photograph.png"
    with Picture.open(path) as picture:
        values = np.asarray(picture.convert("RGB"))
    return [(values, {"name": "photograph", "rgb": True}, "image")]


def beads() -> list[LayerData]:
    """Return a confocal stack of four beads; mark them with points to get the PSF."""
    step = {"scale": (0.125, 0.022, 0.022), "units": ("um",) * 3, "axis_labels": ("z", "y", "x")}
    look = {"colormap": "green", "contrast_limits": (0, 120)}
    return [(_tiff("beads.tif"), {"name": "beads", **look, **step}, "image")]


def stars() -> list[LayerData]:
    """Return a field of stars as a space telescope would see it; for `points` pipelines."""
    values = _tiff("stars.tif")
    look = {"contrast_limits": (40, 700), "gamma": 0.5, "colormap": "gray"}
    step = {"scale": (0.063, 0.063), "units": ("arcsec",) * 2, "axis_labels": ("y", "x")}
    return [(values, {"name": "stars", **look, **step}, "image")]


def _tiff(name: str) -> Any:
    import tifffile

    return tifffile.imread(FOLDER / name)
