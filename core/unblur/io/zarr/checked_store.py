"""Checks of zarr arrays and chunks before they are handed to codecs.

The metadata of an array choose the codecs. Some may run code (pickles) and are refused; others
believe the sizes in a chunk: a chunk of Blosc that was cut short is decoded to whatever the memory
holds, and a small chunk can decompress to any size. The sizes are therefore compared with those of
the array first. Chunks within shards are checked by the index of the shard alone.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from zarr.storage import LocalStore

from unblur.errors import ImageError

_UNSAFE = ("pickle", "msgpack", "msgpack2", "json", "json2")
"""Filters of arrays of Python objects, of which the first runs code."""

_BLOSC_HEADER = 16
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_INCREMENTAL: Mapping[str, Any] = {
    "gzip": lambda: zlib.decompressobj(wbits=47),
    "zlib": lambda: zlib.decompressobj(wbits=47),
    "bz2": bz2.BZ2Decompressor,
    "lzma": lzma.LZMADecompressor,
}
"""Decompressors, by codec, that stop at a length; these formats do not state theirs."""


class CheckedStore(LocalStore):
    """A folder with a single array whose chunks are checked when they are read.

    Parameters
    ----------
    root : Path
        Folder of the array.
    codec : str
        Name of the codec that compressed the chunks.
    chunk_bytes : int
        Size of a decoded chunk, in bytes.
    """

    def __init__(self, root: Path, codec: str, chunk_bytes: int) -> None:
        super().__init__(root, read_only=True)
        self._codec, self._chunk_bytes = codec, chunk_bytes

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        """Return what is stored under a key, after the check."""
        return self._checked(key, await super().get(key, prototype, byte_range), byte_range)

    def get_sync(self, key: str, **options: Any) -> Any:
        """Return what is stored under a key, after the check."""
        return self._checked(key, super().get_sync(key, **options), options.get("byte_range"))

    def _checked(self, key: str, found: Any, byte_range: Any) -> Any:
        name = key.rsplit("/", 1)[-1]
        if found is not None and byte_range is None and not name.startswith(("zarr.json", ".z")):
            check_chunk(found.to_bytes(), self._codec, self._chunk_bytes)
        return found


def check_chunk(data: bytes, codec: str, size: int) -> None:
    """Raise `ValueError` if a compressed chunk is cut short or larger than `size` when decoded.

    Parameters
    ----------
    data : bytes
        The chunk as it is stored.
    codec : str
        Name of its codec; of unknown ones nothing is checked.
    size : int
        Size of the decoded chunk by the metadata of the array, in bytes.
    """
    if codec == "blosc":
        if len(data) < _BLOSC_HEADER:
            raise ValueError("a chunk is cut short")
        decoded, stored = (int.from_bytes(data[n : n + 4], "little") for n in (4, 12))
        if stored != len(data):
            raise ValueError(f"a chunk has {len(data)} of {stored} bytes")
    elif codec == "zstd":
        decoded = _zstd_size(data)
    elif codec == "lz4":
        decoded = int.from_bytes(data[:4], "little")
    elif codec in _INCREMENTAL:
        decoded = len(_INCREMENTAL[codec]().decompress(data, size + 1))
    else:
        return
    if decoded > size:
        raise ValueError(f"a chunk decompresses to {decoded} bytes in place of {size}")


def open_checked(path: Path) -> Any:
    """Return the zarr array in a folder, open for reading, with its chunks checked.

    Raises
    ------
    ImageError
        If an extent of its chunks is 0, or its codecs may run code.
    """
    import zarr

    array = zarr.open_array(path, mode="r")
    check_array(array, path)
    codec = _codec_name(array)
    if array.shards or not codec:
        return array
    # Filters may change the size of a value, e.g. fixed-scale offsets; none makes it larger than 8.
    size = prod(array.chunks) * (8 if _has_filters(array) else np.dtype(array.dtype).itemsize)
    return zarr.open_array(CheckedStore(path, codec, size), mode="r")


def check_array(array: Any, path: Path) -> None:
    """Raise `ImageError` for an array that must not be read; no chunk is read."""
    if 0 in array.chunks or 0 in (array.shards or ()):
        raise ImageError(f"{path} is damaged: it states chunks of the shape {array.chunks}.")
    names = [_name(codec) for codec in (*array.filters, *array.compressors, array.serializer)]
    if np.dtype(array.dtype).kind == "O" or any(n.split(".")[-1] in _UNSAFE for n in names):
        raise ImageError(f"{path} holds Python objects, which are not read; export numbers.")


def _codec_name(array: Any) -> str:
    names = [_name(codec) for codec in array.compressors]
    return names[-1].removeprefix("numcodecs.") if names else ""


def _has_filters(array: Any) -> bool:
    return bool(array.filters) or len(array.compressors) > 1


def _name(codec: Any) -> str:
    """Return the name of a codec of zarr 3 or, of version 2, of numcodecs."""
    stated = getattr(codec, "codec_id", None)
    if stated is None and hasattr(codec, "to_dict"):
        stated = codec.to_dict().get("name")
    return str(stated or "")


def _zstd_size(data: bytes) -> int:
    """Return the decoded size that a frame of Zstandard states, 0 if it states none (RFC 8878)."""
    if len(data) < 6 or data[:4] != _ZSTD_MAGIC:
        return 0
    flags = data[4]
    single = flags >> 5 & 1
    width = (1 if single else 0, 2, 4, 8)[flags >> 6]
    start = 5 + (not single) + (0, 1, 2, 4)[flags & 3]
    size = int.from_bytes(data[start : start + width], "little")
    return size + 256 if width == 2 else size
