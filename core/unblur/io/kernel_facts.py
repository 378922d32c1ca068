"""What the files of kernels state beside the samples: positions and pixel sizes.

They are read, where they are, from the description of a TIFF as `unblur` writes it, from arrays of
an .npz, from attributes of a zarr array, and from a file of the same name with the suffix .json:
an object with any of

- `positions`: pairs of row and column in pixels, one for each kernel;
- `pixel_size`: a number for each axis, `{"Y": 0.1, "X": 0.1}`, `[0.1, 0.1]`, or one for all axes;
- `units`: likewise, e.g. `"µm"` or `"arcsec"`;
- `keeps_offset`: whether an offset of the centre of mass is part of the blur;
- `channels`: the number of kernels, one after another, of which each is that of a channel.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import KernelError
from unblur.io.files import is_store, reason
from unblur.model.image import Image
from unblur.model.kernel import KernelField

MARK = "kernels"
"""Value of the key `unblur` in the description of a TIFF of kernels."""

_KEYS = ("positions", "pixel_size", "units", "keeps_offset", "channels")


def stated_facts(file: Path, image: Image) -> dict[str, Any]:
    """Return what a kernel file states, by the keys of the module docstring.

    A .json file beside it has the last word.
    """
    found: dict[str, Any] = {}
    description = image.metadata.get("tiff", {}).get("description", "")
    if '"positions"' in description:
        found |= _mapping(_json(description, file))
    else:
        found |= read_note(description)
    if file.suffix.lower() == ".npz":
        found |= _npz_facts(file)
    elif is_store(file):
        found |= _mapping(image.metadata.get("zarr", {}).get("attributes"))
    found |= read_beside(file)
    return {key: found[key] for key in _KEYS if key in found}


def read_beside(file: Path) -> dict[str, Any]:
    """Return the facts in the .json file beside a kernel file, empty if there are none."""
    beside = file.with_suffix(".json")
    if not beside.is_file():
        return {}
    found = _mapping(_json(beside.read_text(encoding="utf-8", errors="replace"), beside))
    return {key: found[key] for key in _KEYS if key in found}


def positions_of(facts: Mapping[str, Any], path: Path) -> NDArray[np.float64] | None:
    """Return the positions of a stack of kernels, (N, 2), or `None` for a single one."""
    if "positions" not in facts:
        return None
    try:
        positions = np.asarray(facts["positions"], dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        positions = np.empty(0)
    if positions.ndim != 2 or positions.shape[1] != 2 or not np.isfinite(positions).all():
        raise KernelError(f"{path}: positions are pairs of row and column, [[y, x], ...].")
    return positions


def channels_of(facts: Mapping[str, Any], path: Path) -> int:
    """Return the number of kernels of channels in a stack, 0 if it is none."""
    count = facts.get("channels", 0)
    if not isinstance(count, int) or count < 0:
        raise KernelError(f"{path}: channels is the number of kernels of the stack, got {count}.")
    return count


def pixel_size_of(
    facts: Mapping[str, Any], image: Image, path: Path
) -> tuple[dict[str, float], dict[str, str]]:
    """Return pixel sizes and units: those of the facts, else those that the format states."""
    if "pixel_size" not in facts:
        return dict(image.pixel_size), dict(image.units)
    try:
        sizes = {axis: float(v) for axis, v in _by_axis(facts["pixel_size"]).items()}
        units = {axis: str(v) for axis, v in _by_axis(facts.get("units", "")).items()}
        if not all(0 < size < float("inf") for size in sizes.values()):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise KernelError(
            f"{path}: pixel_size is a number for each axis, e.g. "
            '{"pixel_size": {"Y": 0.1, "X": 0.1}, "units": "µm"}, got '
            f"{str(facts['pixel_size'])[:80]!r}."
        ) from None
    return sizes, units


def note_of(field: KernelField) -> dict[str, Any]:
    """Return what is written beside the samples of a field, as JSON; the inverse of reading."""
    note: dict[str, Any] = {}
    if not field.is_uniform:
        note["positions"] = [[y, x] for y in field.rows for x in field.columns]
    if field.pixel_size:
        note |= {"pixel_size": dict(field.pixel_size), "units": dict(field.units)}
    if field.keeps_offset:
        note["keeps_offset"] = True
    if field.channels:
        note["channels"] = len(field.channels)
    return note


def read_note(description: str) -> dict[str, Any]:
    """Return the note in the description of a TIFF of kernels, empty for any other."""
    if not description.startswith('{"unblur"'):
        return {}
    try:
        note = json.loads(description)
    except (ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) and note.get("unblur") == MARK else {}


def noted_pixel_size(description: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return the pixel sizes and units in the description of a TIFF of kernels."""
    note = read_note(description)
    sizes = {
        str(axis): float(size)
        for axis, size in _mapping(note.get("pixel_size")).items()
        if isinstance(size, int | float) and 0 < size < float("inf")
    }
    units = _mapping(note.get("units"))
    return sizes, {axis: str(units[axis]) for axis in sizes if axis in units}


def is_kernel_volume(description: str) -> bool:
    """Return whether the description of a TIFF of three axes says that it is one kernel."""
    note = read_note(description)
    return bool(note) and "positions" not in note


def npz_names(path: Path) -> list[str]:
    """Return the names of the arrays in an .npz."""
    try:
        with np.load(path, allow_pickle=False) as held:
            return list(held.files)
    except Exception:
        return []  # reading the file raises the error that describes its defect


def _npz_facts(path: Path) -> dict[str, Any]:
    names = [name for name in npz_names(path) if name in _KEYS]
    if not names:
        return {}
    from unblur.io.npy import check_members

    check_members(path)
    try:
        with np.load(path, allow_pickle=False) as held:
            return {name: held[name].tolist() for name in names}
    except Exception as error:
        raise KernelError(f"{path}: {', '.join(names)} cannot be read ({reason(error)}).") from None


def _by_axis(value: Any) -> dict[str, Any]:
    """Return one value, a sequence in the order of the axes, or a mapping, as a mapping."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) not in (1, 2, 3):
            raise ValueError
        if len(value) > 1:
            return dict(zip("ZYX"[-len(value) :], value, strict=True))
        value = value[0]
    return dict.fromkeys("ZYX", value)


def _mapping(found: Any) -> dict[str, Any]:
    return dict(found) if isinstance(found, Mapping) else {}


def _json(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise KernelError(f"{path}: its JSON cannot be read ({reason(error)}).") from None
