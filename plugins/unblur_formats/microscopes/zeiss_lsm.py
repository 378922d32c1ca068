"""LSM, the format of Zeiss microscopes before CZI: a TIFF whose sizes are in a tag of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from unblur.io.files import split_part
from unblur.io.tiff.reader import TiffReader
from unblur.model.image import Image

_SIZES = {
    "X": ("VoxelSizeX", 1e6),
    "Y": ("VoxelSizeY", 1e6),
    "Z": ("VoxelSizeZ", 1e6),
    "T": ("TimeIntervall", 1.0),
}
"""Entry of each axis and the factor to µm or s; the file states m and s."""

_IMMERSIONS = {"oil": "oil", "w": "water", "imm": "water", "glyc": "glycerol"}
_TWELVE_BITS = 2


class LsmReader(TiffReader):
    """Reads the first series of an LSM file, or series n of `name.lsm[n]`.

    Lengths are given in micrometres, which the file states in metres.
    """

    name = "lsm"
    suffixes = (".lsm",)

    def read(self, path: Path, *, axes: str | None = None, lazy: bool = False) -> Image:
        """Return the image; lazy ones read strips on demand."""
        import tifffile

        image = super().read(path, axes=axes, lazy=lazy)
        with tifffile.TiffFile(split_part(path)[0]) as tif:
            stated: Mapping[str, Any] = tif.lsm_metadata or {}
        sizes = dict(image.pixel_size)
        units = dict(image.units)
        for axis, (entry, factor) in _SIZES.items():
            size = float(stated.get(entry) or 0) * factor
            if axis in image.axes and 0 < size < np.inf:
                sizes[axis], units[axis] = size, "s" if axis == "T" else "µm"
        names = tuple(str(n) for n in stated.get("ChannelColors", {}).get("ColorNames", ()))
        count = image.extent("C") if "C" in image.axes else 0
        narrow = image.dtype == np.uint16 and stated.get("DataType") == _TWELVE_BITS
        # Channels are samples of a page here, and pages of their own in the result.
        layout = {**image.metadata["tiff"], "samples": None, "extrasamples": ()}
        metadata = {**image.metadata, "format": self.name, "tiff": layout}
        optics = _optics(str(stated.get("ScanInformation", {}).get("Objective", "")))
        if optics:
            metadata["optics"] = optics
        return replace(
            image,
            pixel_size=sizes,
            units=units,
            white=4095.0 if narrow else image.white,
            channels=names if len(set(names)) == count else image.channels,
            metadata=metadata,
        )


def _optics(objective: str) -> dict[str, Any]:
    """Return what the name of an objective states, e.g. "Plan-Apochromat 63x/1.40 Oil DIC"."""
    match = re.search(r"(\d+(?:\.\d+)?)x\s*/\s*(\d\.\d+)(?:\s+([A-Za-z]+))?", objective)
    if match is None:
        return {"objective": objective} if objective else {}
    optics: dict[str, Any] = {
        "objective": objective,
        "magnification": float(match[1]),
        "na": float(match[2]),
    }
    immersion = _IMMERSIONS.get((match[3] or "").lower())
    return {**optics, "immersion": immersion} if immersion else optics
