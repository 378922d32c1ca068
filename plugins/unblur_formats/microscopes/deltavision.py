"""DeltaVision files: an MRC header with channels and times, written by GE and Applied Precision.

The places of the fields are those of the published header of Priism and IVE (UCSF) as Bio-Formats
documents it. The size of a pixel is in micrometres.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from unblur.errors import ImageError
from unblur_formats.assembly import FileFacts

_ID = -16224
_ORDERS = {0: "CTZYX", 1: "TZCYX", 2: "TCZYX"}
"""Axes by the code of the image sequence, the fastest last."""

_TYPES = {0: "u1", 1: "i2", 2: "f4", 5: "i2", 6: "u2", 7: "i4"}
_MAX_CHANNELS = 5
_ELAPSED, _EXCITATION = 1, 10
"""Places of the elapsed time in s and of the excitation in nm among a section's floats."""


def is_deltavision(header: bytes) -> bool:
    """Return whether a header of 1024 bytes is that of a DeltaVision file."""
    return _byte_order(header) is not None


def _byte_order(header: bytes) -> str | None:
    return next((o for o in "<>" if struct.unpack_from(f"{o}h", header, 96)[0] == _ID), None)


def read_deltavision(path: Path, header: bytes) -> tuple[FileFacts, int]:
    """Return what the header states, and the place of the pixels in bytes."""
    order = _byte_order(header) or "<"
    columns, rows, sections, mode = struct.unpack_from(f"{order}4i", header, 0)
    spacing = struct.unpack_from(f"{order}3f", header, 40)
    (extended,) = struct.unpack_from(f"{order}i", header, 92)
    integers, floats = struct.unpack_from(f"{order}2h", header, 128)
    (lens,) = struct.unpack_from(f"{order}h", header, 162)
    times, sequence = struct.unpack_from(f"{order}2h", header, 180)
    waves, *lengths = struct.unpack_from(f"{order}6h", header, 196)
    if mode not in _TYPES:
        raise ImageError(f"{path} has values of the type {mode}, which is not supported.")
    times, waves = max(times, 1), max(waves, 1)
    if min(columns, rows, sections) < 1 or extended < 0 or waves > _MAX_CHANNELS:
        raise ImageError(f"{path} is damaged: its header states {columns} x {rows} x {sections}.")
    if sections % (times * waves) or sequence not in _ORDERS:
        raise ImageError(
            f"{path} is damaged: its header states {sections} sections for {times} times and "
            f"{waves} channels."
        )
    extent = {"T": times, "C": waves, "Z": sections // (times * waves), "Y": rows, "X": columns}
    axes = _ORDERS[sequence]
    shape = tuple(extent[a] for a in axes)
    table = _section_table(path, order, integers, floats, sections, extended)
    sizes = dict(zip("XYZ", (float(s) for s in spacing), strict=True))
    channels: list[dict[str, float]] = [{} for _ in range(waves)]
    for channel, length in zip(channels, lengths, strict=False):
        if length > 0:
            channel["emission_nm"] = float(length)
    if table is not None:
        grid = table.reshape(*shape[:3], floats)
        first = np.moveaxis(grid, [axes.index(a) for a in "TCZ"], (0, 1, 2))[:, :, 0]
        if times > 1:
            sizes["T"] = float(first[-1, 0, _ELAPSED] - first[0, 0, _ELAPSED]) / (times - 1)
        for channel, facts in zip(channels, first[0], strict=True):
            if floats > _EXCITATION and 100 < facts[_EXCITATION] < 10000:
                channel["excitation_nm"] = float(facts[_EXCITATION])
    kept = [a for a in axes if extent[a] > 1 or a in "YX"]
    optics: dict[str, Any] = {"channels": tuple(channels)} if any(channels) else {}
    return FileFacts(
        tuple(extent[a] for a in kept),
        np.dtype(f"{order}{_TYPES[mode]}"),
        "".join(kept),
        sizes,
        {"T": "s", "Z": "µm", "Y": "µm", "X": "µm"},
        tuple(f"{length} nm" for length in lengths[:waves] if length > 0),
        optics=optics,
        kept={"mrc": {"lens": int(lens)}},
    ), len(header) + extended


def _section_table(
    path: Path, order: str, integers: int, floats: int, sections: int, extended: int
) -> np.ndarray[Any, Any] | None:
    """Return the floats of the extended header (sections, floats), or None if it has none."""
    row = 4 * (integers + floats)
    if integers < 0 or floats <= _ELAPSED or row * sections > extended:
        return None
    with path.open("rb") as file:
        file.seek(1024)
        block = file.read(row * sections)
    if len(block) < row * sections:
        return None
    return np.frombuffer(block, f"{order}f4").reshape(sections, -1)[:, integers:].astype(float)
