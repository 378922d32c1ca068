"""MRC images and volumes of electron microscopy, and the DeltaVision files derived from them.

MRC2014: A. Cheng et al., "MRC2014: Extensions to the MRC format header for electron cryo-microscopy
and tomography", Journal of Structural Biology 192, 2015. Requires mrcfile, which the extra `bio`
installs; DeltaVision files do without.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

from unblur.errors import ImageError
from unblur.io.lazy_pixels import MappedFile
from unblur.model.formats import Reader
from unblur.model.image import Image
from unblur_formats.assembly import FileFacts, assemble, import_package
from unblur_formats.microscopes.deltavision import is_deltavision, read_deltavision

HEADER_BYTES = 1024
"""Size of the header of an MRC file, in bytes."""

_EXTENDED, _STAMP = 92, 212
"""Places in the header of the size of the extended header and of the byte order, in bytes."""

_ORDERS = {0x44: "<", 0x11: ">"}
"""Byte orders by the machine stamp."""

_IMOD_STAMP, _IMOD_FLAGS = 152, 156
"""Places in the header of IMOD's mark and of its flags, in bytes."""

_IMOD = 1146047817
_LETTERS = {1: "X", 2: "Y", 3: "Z"}


class MrcReader(Reader):
    """Reads MRC images, stacks, volumes, and DeltaVision files (.dv, .r3d).

    The sections of a volume are Z, those of a stack of images T. The voxel size is in ångström in
    MRC and in micrometres in DeltaVision files. Rows are returned in the order of the file.
    """

    name = "mrc"
    suffixes = (".mrc", ".mrcs", ".map", ".ccp4", ".rec", ".st", ".dv", ".r3d")

    def read(self, path: Path, *, axes: str | None = None, lazy: bool = False) -> Image:
        """Return the image; lazy ones read regions on demand."""
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES:
            raise ImageError(f"{path} is cut short: an MRC header has {HEADER_BYTES} bytes.")
        facts, offset = (read_deltavision if is_deltavision(header) else read_mrc)(path, header)
        needed = offset + math.prod(facts.shape) * facts.dtype.itemsize
        size = path.stat().st_size
        if needed > size:
            raise ImageError(
                f"{path} is cut short: its pixels end at byte {needed}, but the file has {size}; "
                "copy it again."
            )
        part = f"{facts.dtype.str} {offset} {' '.join(str(n) for n in facts.shape)}"
        return assemble(
            path, facts, open_sections, name=self.name, file=path, part=part, given=axes, lazy=lazy
        )


def open_sections(path: Path, part: str) -> Any:
    """Return an array-like over a contiguous array; `part` has its type, offset and extents."""
    dtype, offset, *shape = part.split()
    return MappedFile(path, np.dtype(dtype), int(offset), tuple(int(n) for n in shape))


def read_mrc(path: Path, header: bytes) -> tuple[FileFacts, int]:
    """Return what the header of an MRC file states, and the place of its pixels in bytes."""
    mrcfile = import_package("mrcfile", "bio", "MRC")
    order = _ORDERS.get(header[_STAMP])
    (extended,) = struct.unpack_from(f"{order}i", header, _EXTENDED) if order else (0,)
    if HEADER_BYTES + extended > path.stat().st_size:  # mrcfile would allocate it
        raise ImageError(f"{path} is cut short: it states {extended} bytes of further header.")
    with mrcfile.open(path, mode="r", header_only=True) as mrc:
        found = mrc.header.copy()
        dtype = mrcfile.utils.data_dtype_from_header(found)
    columns, rows, sections = (int(found[n]) for n in ("nx", "ny", "nz"))
    extended = int(found["nsymbt"])
    if min(columns, rows, sections) < 1 or extended < 0:
        raise ImageError(
            f"{path} is damaged: its header states {columns} x {rows} x {sections} values."
        )
    if dtype == np.int8 and _has_unsigned_bytes(header):
        dtype = np.dtype(np.uint8)
    order = [int(found[n]) for n in ("maps", "mapr", "mapc")]
    if sorted(order) != [1, 2, 3]:
        order = [3, 2, 1]  # 0 in files of old programs
    shape: tuple[int, ...] = (sections, rows, columns)
    per_volume = int(found["mz"])
    if sections == 1:
        axes, shape = "YX", shape[1:]
    elif 401 <= int(found["ispg"]) <= 630 and per_volume > 0 and sections % per_volume == 0:
        axes, shape = "TZYX", (sections // per_volume, per_volume, rows, columns)
    elif int(found["ispg"]) == 0 and per_volume == 1:
        axes = "TYX"
    else:
        axes = "".join(_LETTERS[n] for n in order)
    extents = dict(zip(order, (sections, rows, columns), strict=True))
    sizes = {
        letter: float(found["cella"][letter.lower()])
        / (int(found[f"m{letter.lower()}"]) or extents[n])  # mrcz leaves the intervals 0
        for n, letter in _LETTERS.items()
    }
    labels = [bytes(s).decode("ascii", "replace").strip(" \0") for s in found["label"]]
    facts = FileFacts(
        shape,
        np.dtype(dtype),
        axes,
        sizes,
        dict.fromkeys("ZYX", "Å"),
        kept={"history": tuple(text for text in labels[: max(int(found["nlabl"]), 0)] if text)},
    )
    return facts, HEADER_BYTES + extended


def _has_unsigned_bytes(header: bytes) -> bool:
    """Return whether IMOD wrote the file, with bytes that it does not flag as signed."""
    order = "<" if header[212:213] == b"\x44" else ">"
    stamp, flags = np.frombuffer(header, f"{order}i4", 2, _IMOD_STAMP)
    return bool(stamp == _IMOD and not flags & 1)
