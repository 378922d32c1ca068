"""SER, the format of planetary cameras: frames without compression after a header of 178 bytes.

H. Keller, "SER format description", version 3b, 2014, http://www.grischa-hahn.homepage.t-online.de.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ImageError
from unblur.io.lazy_pixels import MappedFile
from unblur.model.formats import Reader
from unblur.model.image import Image
from unblur_formats.assembly import FileFacts, assemble

HEADER_BYTES = 178
"""Size of the header of a SER file, in bytes."""

_SIGNATURE = b"LUCAM-RECORDER"
_MOSAICS = {8: "RGGB", 9: "GRBG", 10: "GBRG", 11: "BGGR"} | {16: "CYYM", 17: "YCMY", 18: "YMCY",
                                                             19: "MYYC"}  # fmt: skip
_RGB, _BGR = 100, 101
_TICKS = 1e7
"""Number of units of a time stamp per second, dimensionless."""


class SerReader(Reader):
    """Reads the frames of a SER video as T, with their interval in seconds.

    White is that of the bit depth. Most programs write 16-bit values with the least byte first and
    0 in the field `LittleEndian`, contrary to its name, which is how it is read, unless the
    values of the first frame fit the bit depth in the other order only.
    """

    name = "ser"
    suffixes = (".ser",)

    def read(self, path: Path, *, axes: str | None = None, lazy: bool = False) -> Image:
        """Return the image; lazy ones read frames on demand."""
        facts, part = read_header(path)
        return assemble(
            path, facts, open_frames, name=self.name, file=path, part=part, given=axes, lazy=lazy
        )


class _Reversed:
    """An array whose last axis, colours, is stored in the opposite order."""

    def __init__(self, stored: MappedFile) -> None:
        self._stored = stored

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        return self._stored[(*index[:-1], slice(None))][..., ::-1][..., index[-1]]


def open_frames(path: Path, part: str) -> Any:
    """Return an array-like over the frames; `part` has type, order of colours, and extents."""
    dtype, colours, *shape = part.split()
    mapped = MappedFile(path, np.dtype(dtype), HEADER_BYTES, tuple(int(n) for n in shape))
    return _Reversed(mapped) if colours == "BGR" else mapped


def read_header(path: Path) -> tuple[FileFacts, str]:
    """Return what the header and the trailer state, and the part for `open_frames`."""
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES or not header.startswith(_SIGNATURE):
        raise ImageError(f"{path} is no SER file: it does not begin with {_SIGNATURE.decode()}.")
    colour, big, columns, rows, depth, frames = struct.unpack_from("<6i", header, 18)
    if colour in _MOSAICS:
        raise ImageError(
            f"{path} holds the raw mosaic of a colour camera ({_MOSAICS[colour]}); develop it to "
            "colours first, e.g. in the program that stacks the frames."
        )
    samples = 3 if colour in (_RGB, _BGR) else 1
    if min(columns, rows, frames) < 1 or not 1 <= depth <= 16 or (samples == 1 and colour != 0):
        raise ImageError(
            f"{path} is damaged, or its recording was broken off: its header states {frames} "
            f"frames of {columns} x {rows} pixels of {depth} bits in colours of type {colour}."
        )
    width = 1 if depth <= 8 else 2
    frame = columns * rows * samples
    needed, size = HEADER_BYTES + frames * frame * width, path.stat().st_size
    if needed > size:
        raise ImageError(
            f"{path} is cut short: its frames end at byte {needed}, but the file has {size}; copy "
            "it again."
        )
    shape: tuple[int, ...] = (frames, rows, columns, samples)
    axes = "TYXC"
    if samples == 1:
        shape, axes = shape[:-1], axes[:-1]
    if frames == 1:
        shape, axes = shape[1:], axes[1:]
    dtype, fits = _value_type(path, depth, bool(big), frame)
    sizes = {"T": _interval(path, needed, frames)}
    texts = ("observer", "instrument", "telescope")
    kept = {
        name: header[start : start + 40].split(b"\0")[0].decode("latin-1").strip()
        for name, start in zip(texts, (42, 82, 122), strict=True)
    }
    facts = FileFacts(
        shape,
        dtype,
        axes,
        sizes,
        {"T": "s"},
        ("red", "green", "blue") if samples == 3 else (),
        float(2**depth - 1) if fits and depth not in (8, 16) else 0.0,
        kept={"ser": {name: text for name, text in kept.items() if text}},
    )
    order = "BGR" if colour == _BGR else "RGB"
    return facts, f"{dtype.str} {order} {' '.join(str(n) for n in shape)}"


def _value_type(path: Path, depth: int, big: bool, count: int) -> tuple[np.dtype[Any], bool]:
    """Return the type of the values, and whether those of the first frame fit the bit depth."""
    stated = np.dtype("u1" if depth <= 8 else ">u2" if big else "<u2")
    first = np.array(MappedFile(path, stated, HEADER_BYTES, (count,))[:])
    limit = 2**depth - 1
    if first.max() <= limit:
        return stated, True
    if stated.itemsize == 2 and first.byteswap().max() <= limit:
        return stated.newbyteorder(), True
    return stated, False


def _interval(path: Path, offset: int, frames: int) -> float:
    """Return the median time between two frames by the trailer, in s; 0 where it has none."""
    if frames < 2 or path.stat().st_size < offset + 8 * frames:
        return 0.0
    with path.open("rb") as file:
        file.seek(offset)
        stamps = np.frombuffer(file.read(8 * frames), "<i8")
    return float(np.median(np.diff(stamps))) / _TICKS
