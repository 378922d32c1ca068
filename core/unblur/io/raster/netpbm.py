"""Netpbm: PBM, PGM, PPM, PAM with 1 to 16 bits, and PFM with floats; read and not written."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from unblur.errors import ImageError
from unblur.io.axes import COLOURS
from unblur.io.files import file_type
from unblur.io.raster.samples import from_samples
from unblur.model.formats import Reader
from unblur.model.image import Image

MAX_HEADER_BYTES = 2**16
"""Longest header, comments included, in bytes."""

_TOKEN = re.compile(rb"(?:\s|#[^\n\r]*[\n\r])*([^\s#]+)")
_SAMPLES = {b"P1": 1, b"P2": 1, b"P3": 3, b"P4": 1, b"P5": 1, b"P6": 3, b"Pf": 1, b"PF": 3}
_TEXT, _BITS, _FLOATS = (b"P1", b"P2", b"P3"), (b"P1", b"P4"), (b"Pf", b"PF")


@dataclass(frozen=True)
class _Header:
    """Kind, extents, largest value and sign of the byte order; `begin` is the first pixel byte."""

    kind: bytes
    columns: int
    rows: int
    samples: int
    maximum: int
    scale: float
    tuple_type: str
    begin: int

    def layout(self) -> tuple[Any, ...]:
        """Return what all pictures of a sequence have in common."""
        return self.kind, self.columns, self.rows, self.samples, self.maximum


class NetpbmReader(Reader):
    """Reads PBM, PGM, PPM, PAM and PFM. White is the largest value that the header states.

    Pictures that follow one another in a file are frames along T. Floats of PFM lie from the last
    row to the first in the file; they are read from the first.
    """

    name = "netpbm"
    suffixes = (".pbm", ".pgm", ".ppm", ".pnm", ".pam", ".pfm")

    def read(self, path: Path, *, axes: str | None = None, lazy: bool = False) -> Image:
        """Return the image; `lazy` is ignored."""
        data = path.read_bytes()
        if data[:2] not in _SAMPLES and data[:2] != b"P7":
            kind = file_type(path) or "not a Netpbm file"
            raise ImageError(f"{path} is {kind}; rename it or export it again.")
        try:
            frames, header = _frames(data)
        except (ValueError, OverflowError) as error:
            raise ImageError(f"{path} is damaged or cut short: {error}; copy it again.") from None
        values = frames[0] if len(frames) == 1 else np.stack(frames)
        metadata: dict[str, Any] = {"format": self.name}
        if abs(header.scale) != 1:
            factor = f"{abs(header.scale):g}"
            note = f"its values times {factor}, the scale that it states, are the light; kept as is"
            metadata["notes"] = (note,)
        names = None if header.samples in COLOURS else ()
        white = float(header.maximum) if values.dtype.kind == "u" else 0.0
        is_sequence = len(frames) > 1
        return from_samples(
            values, axes, None, metadata, str(path), names, white, is_sequence=is_sequence
        )


def _frames(data: bytes) -> tuple[list[Any], _Header]:
    """Return the pictures of a file and the header of the first; raise `ValueError`."""
    header = _header(data, 0)
    values, end = _pixels(data, header)
    frames = [values]
    while header.kind not in _TEXT and re.match(rb"\s*P[4-7]\s", data[end : end + 8]):
        following = _header(data, end)
        if following.layout() != header.layout():
            raise ValueError("it holds several pictures of unlike sizes; split them")
        values, end = _pixels(data, following)
        frames.append(values)
    return frames, header


def _header(data: bytes, begin: int) -> _Header:
    head = data[begin : begin + MAX_HEADER_BYTES]
    kind, place = _token(head, 0)
    if kind == b"P7":
        return _pam_header(head, begin)
    width, place = _token(head, place)
    height, place = _token(head, place)
    maximum, scale = b"1", 1.0
    if kind in _FLOATS:
        text, place = _token(head, place)
        scale = float(text)
        if scale == 0 or not np.isfinite(scale):
            raise ValueError("its scale is 0 or not finite")
    elif kind not in _BITS:
        maximum, place = _token(head, place)
    # One whitespace byte ends the header.
    header = _checked(kind, width, height, _SAMPLES[kind], maximum, scale, "", begin + place + 1)
    return _without_second_end(header, data, head[place : place + 2])


def _without_second_end(header: _Header, data: bytes, ends: bytes) -> _Header:
    """Return the header as fabio means it, which ends the one of PGM by a space and a new line.

    By the format the new line would be the first pixel; the file is a byte longer than that.
    """
    bytes_of_pixels = header.rows * header.columns * (1 if header.maximum < 256 else 2)
    is_longer = len(data) == header.begin + 1 + bytes_of_pixels
    if header.kind == b"P5" and ends == b" \n" and is_longer:
        return replace(header, begin=header.begin + 1)
    return header


def _pam_header(head: bytes, begin: int) -> _Header:
    stated: dict[bytes, bytes] = {}
    place = head.index(b"\n") + 1
    while True:
        line, separator, _ = head[place:].partition(b"\n")
        if not separator:
            raise ValueError("its header does not end")
        place += len(line) + 1
        key, _, value = line.strip().partition(b" ")
        if key == b"ENDHDR":
            break
        if key and not key.startswith(b"#"):
            stated[key] = value.strip()
    missing = [k for k in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL") if k not in stated]
    if missing:
        raise ValueError(f"its header lacks {missing[0].decode()}")
    tuple_type = stated.get(b"TUPLTYPE", b"").decode("ascii", "replace")
    samples = _whole(stated[b"DEPTH"])
    return _checked(b"P7", stated[b"WIDTH"], stated[b"HEIGHT"], samples, stated[b"MAXVAL"], 1.0,
                    tuple_type, begin + place)  # fmt: skip


def _checked(
    kind: bytes,
    width: bytes,
    height: bytes,
    samples: int,
    maximum: bytes,
    scale: float,
    tuple_type: str,
    begin: int,
) -> _Header:
    header = _Header(kind, _whole(width), _whole(height), samples, _whole(maximum), scale,
                     tuple_type, begin)  # fmt: skip
    if min(header.columns, header.rows, samples) < 1:
        raise ValueError("a length of 0 is stated")
    if not 1 <= header.maximum <= 65535:
        raise ValueError(f"the largest value is {header.maximum}, not 1 to 65535")
    return header


def _pixels(data: bytes, header: _Header) -> tuple[Any, int]:
    """Return the pixels (H, W) or (H, W, C) and the place behind them."""
    count = header.rows * header.columns * header.samples
    shape: tuple[int, ...] = (header.rows, header.columns)
    if header.samples > 1:
        shape = (*shape, header.samples)
    if header.kind in _TEXT:
        return _text_pixels(data[header.begin - 1 :], header, count).reshape(shape), len(data)
    if header.kind == b"P4":
        width = (header.columns + 7) // 8
        packed, end = _taken(data, header.begin, header.rows * width, np.dtype(np.uint8))
        bits = np.unpackbits(packed.reshape(header.rows, width), axis=1)
        return bits[:, : header.columns] == 0, end
    if header.kind in _FLOATS:
        order = np.dtype("<f4" if header.scale < 0 else ">f4")
        values, end = _taken(data, header.begin, count, order)
        return values.astype(np.float32).reshape(shape)[::-1].copy(), end
    dtype = np.dtype(np.uint8 if header.maximum < 256 else ">u2")
    values, end = _taken(data, header.begin, count, dtype)
    values = values.astype(dtype.newbyteorder("=")).reshape(shape)
    _check_maximum(values, header)
    is_black_and_white = header.tuple_type == "BLACKANDWHITE" and header.maximum == 1
    return (values > 0 if is_black_and_white else values), end


def _text_pixels(text: bytes, header: _Header, count: int) -> Any:
    text = re.sub(rb"#[^\n\r]*", b" ", text)
    if header.kind == b"P1":
        digits = np.frombuffer(re.sub(rb"\s+", b"", text)[:count], np.uint8)
        if digits.size < count or not np.isin(digits, (48, 49)).all():
            raise ValueError(f"{count} digits 0 or 1 are stated")
        return digits == 48
    words = text.split()[:count]
    if len(words) < count:
        raise ValueError(f"{count} values are stated, {len(words)} are there")
    values = np.array([_whole(word) for word in words], np.int64)
    _check_maximum(values, header)
    return values.astype(np.uint8 if header.maximum < 256 else np.uint16)


def _taken(data: bytes, begin: int, count: int, dtype: np.dtype[Any]) -> tuple[Any, int]:
    end = begin + count * dtype.itemsize
    if end > len(data):
        raise ValueError(f"{end - begin} bytes of pixels are stated, {len(data) - begin} are there")
    return np.frombuffer(data, dtype, count, begin), end


def _check_maximum(values: Any, header: _Header) -> None:
    if values.max() > header.maximum:
        raise ValueError(f"a value of {values.max()} exceeds the largest, {header.maximum}")


def _token(head: bytes, place: int) -> tuple[bytes, int]:
    match = _TOKEN.match(head, place)
    if match is None:
        raise ValueError("its header is incomplete")
    return match[1], match.end()


def _whole(text: bytes) -> int:
    if not re.fullmatch(rb"\d{1,10}", text):
        raise ValueError(f"'{text[:20].decode('ascii', 'replace')}' is no number")
    return int(text)
