"""The data blocks of XISF: attached or inside of the header, with compression and check sum."""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ImageError
from unblur.io.lazy_pixels import MappedFile, check_fits_memory
from unblur.io.size_limits import check_expansion
from unblur_formats.assembly import FileFacts

_CHECKSUMS = {
    "sha-1": "sha1",
    "sha1": "sha1",
    "sha-256": "sha256",
    "sha256": "sha256",
    "sha-512": "sha512",
    "sha512": "sha512",
    "sha3-256": "sha3_256",
    "sha3-512": "sha3_512",
}
_CODECS = ("zlib", "lz4", "lz4hc", "zstd")


@dataclass(frozen=True)
class DataBlock:
    """Where the bytes of a block are, and how they are stored.

    Parameters
    ----------
    offset, size : int
        Place in the file and length, in bytes; of an attached block.
    inline : bytes, optional
        The bytes of a block that the header holds.
    codec : str
        Compression: "", "zlib", "lz4", "lz4hc" or "zstd".
    item : int
        Size of the items whose bytes are shuffled, 1 for none.
    parts : tuple of (int, int)
        Stored and plain size of each compressed part, in bytes.
    checksum : str
        Algorithm and hexadecimal digest, separated by a colon; "" for none.
    """

    offset: int
    size: int
    inline: bytes | None
    codec: str
    item: int
    parts: tuple[tuple[int, int], ...]
    checksum: str

    def stored(self, path: Path) -> bytes:
        """Return the bytes as they are stored."""
        if self.inline is not None:
            return self.inline
        with path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)

    def verify(self, path: Path) -> None:
        """Raise `ImageError` if the bytes do not have the check sum that the file states."""
        name, _, digest = self.checksum.partition(":")
        algorithm = _CHECKSUMS.get(name.lower())
        if algorithm is None:
            return
        found = hashlib.new(algorithm, self.stored(path)).hexdigest()
        if found != digest.strip().lower():
            raise ImageError(f"{path} is damaged: its pixels do not have the check sum {name}.")


def find_block(element: ET.Element, facts: FileFacts, path: Path) -> DataBlock:
    """Return the block of an image, or raise `ImageError` if it is not whole or not in the file."""
    plain = math.prod(facts.shape) * facts.dtype.itemsize
    location, _, rest = element.get("location", "").partition(":")
    holder, inline, offset, size = element, None, 0, 0
    if location == "attachment":
        first, _, second = rest.partition(":")
        offset, size = _number(first, path), _number(second, path)
        if offset + size > path.stat().st_size:
            raise ImageError(
                f"{path} is cut short: its pixels end at byte {offset + size}, but the file has "
                f"{path.stat().st_size}; copy it again."
            )
    elif location in ("inline", "embedded"):
        if location == "embedded":
            found = element.find("{*}Data")
            holder = element if found is None else found
            rest = holder.get("encoding", "")
        inline = _decode(holder.text or "", rest, path)
        size = len(inline)
    else:
        raise ImageError(
            f"{path}: its pixels are in another file ('{element.get('location', '')}'), which is "
            "not read; save it as one file."
        )
    codec, item, parts = _compression(holder, size, plain, path)
    return DataBlock(offset, size, inline, codec, item, parts, holder.get("checksum", ""))


def _compression(
    holder: ET.Element, size: int, plain: int, path: Path
) -> tuple[str, int, tuple[tuple[int, int], ...]]:
    """Return the codec, the size of a shuffled item, and the sizes of the parts."""
    stated = holder.get("compression", "")
    if not stated:
        if size != plain:
            raise ImageError(f"{path} is damaged: its pixels have {size} of {plain} bytes.")
        return "", 1, ()
    name, *numbers = stated.split(":")
    codec, _, shuffled = name.partition("+")
    if codec not in _CODECS or shuffled not in ("", "sh"):
        raise ImageError(f"{path}: its compression '{name}' is not supported.")
    item = _number(numbers[1], path) if shuffled and len(numbers) > 1 else 1
    parts: tuple[tuple[int, int], ...] = ((size, _number(numbers[0] if numbers else "", path)),)
    if holder.get("subblocks"):
        texts = [pair.partition(",") for pair in holder.get("subblocks", "").split(":")]
        parts = tuple((_number(a, path), _number(b, path)) for a, _, b in texts)
    if sum(a for a, _ in parts) > size or sum(b for _, b in parts) != plain or item < 1:
        raise ImageError(f"{path} is damaged: the sizes of its compressed pixels do not agree.")
    return codec, item, parts


def open_block(path: Path, block: DataBlock, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    """Return an array-like over the values of a block; a compressed one is read whole."""
    if not block.codec and block.inline is None:
        return MappedFile(path, dtype, block.offset, shape)
    check_fits_memory(shape, dtype, path)
    check_expansion(math.prod(shape) * dtype.itemsize, path.stat().st_size, path)
    block.verify(path)
    stored, place, plain = block.stored(path), 0, []
    for size, length in block.parts:
        plain.append(_decompress(stored[place : place + size], block.codec, length))
        if len(plain[-1]) != length:
            raise ValueError("a compressed block has another length than stated")
        place += size
    values = b"".join(plain) if block.codec else stored
    return np.frombuffer(_unshuffled(values, block.item), dtype).reshape(shape)


def _decompress(data: bytes, codec: str, length: int) -> bytes:
    if codec == "zlib":
        return zlib.decompressobj().decompress(data, length)
    import imagecodecs

    decode = imagecodecs.zstd_decode if codec == "zstd" else imagecodecs.lz4_decode
    return bytes(decode(data, out=length))


def _unshuffled(data: bytes, item: int) -> bytes | NDArray[np.uint8]:
    """Return bytes in their order from ones that are sorted by their place in each item."""
    if item == 1:
        return data
    count = len(data) // item
    values = np.frombuffer(data, np.uint8)
    whole = values[: count * item].reshape(item, count).T.ravel()
    return np.concatenate([whole, values[count * item :]])


def _decode(text: str, encoding: str, path: Path) -> bytes:
    try:
        if encoding == "hex":
            return binascii.unhexlify("".join(text.split()))
        if encoding == "base64":
            return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        pass
    raise ImageError(f"{path} is damaged: the pixels in its header ({encoding}) cannot be read.")


def _number(text: str, path: Path) -> int:
    if not (text.strip().isdecimal() and len(text) < 20):
        raise ImageError(f"{path} is damaged: '{text[:40]}' is not a number of bytes.")
    return int(text)
