"""PNG with 1, 8 or 16 bits, palettes and alpha; metadata are preserved chunk by chunk."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unblur.errors import ImageError
from unblur.io.exif import exif_of
from unblur.io.files import file_type
from unblur.io.lazy_pixels import check_fits_memory
from unblur.io.raster.pillow_formats import read_frames
from unblur.io.raster.samples import (
    check_bomb,
    check_picture,
    from_samples,
    pixels_per_metre,
    to_samples,
    unchanged_sizes,
)
from unblur.model.formats import Reader, Writer, require_dtype
from unblur.model.image import ALPHA, Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
"""First bytes of a PNG file."""

ASSOCIATED_ALPHA = 1
"""ExtraSamples of a TIFF whose colours are multiplied by alpha, a code."""

MAX_PROFILE_BYTES = 2**26
"""Largest size of a colour profile, in bytes; a larger one is left out."""

Chunk = tuple[bytes, bytes]
"""Type and data of a PNG chunk."""

_KEPT = (b"cHRM", b"gAMA", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"tEXt", b"zTXt", b"iTXt", b"tIME")
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_HISTORY, _WHITE = b"History", b"White level"


class PngReader(Reader):
    """Reads PNG: palettes become colours, 1-bit images bool, 16-bit images uint16.

    The frames of an animation of up to 8 bits are T.
    """

    name = "png"
    suffixes = (".png",)

    def read(self, path: Path, *, axes: str | None = None, lazy: bool = False) -> Image:
        """Return the image; `lazy` is ignored."""
        import imagecodecs

        raw = path.read_bytes()
        if not raw.startswith(SIGNATURE):
            raise ImageError(
                f"{path} is {file_type(path) or 'not a PNG file'}; rename it or export it again."
            )
        chunks = split_chunks(raw, path)
        width, height, depth, colour, *_ = struct.unpack(">IIBBBBB", chunks[0][1])
        frames = next((data for kind, data in chunks if kind == b"acTL"), b"")
        count = int.from_bytes(frames[:4], "big")
        pixel_bytes = _SAMPLES.get(colour, 1) * max(1, depth // 8)
        check_bomb(width, height, pixel_bytes, len(raw), str(path))
        if count > 1:
            values = _animation(raw, (count, height, width), depth, path)
        else:
            values = np.asarray(imagecodecs.png_decode(raw))
        if depth == 1 and colour == 0 and values.ndim == 2:
            values = values > 0
        found = {kind: data for kind, data in chunks if kind in (b"pHYs", b"iCCP", b"eXIf")}
        texts = _texts(chunks)
        metadata: dict[str, Any] = {
            "format": "png",
            "png": {
                "chunks": [c for c in chunks if c[0] in _KEPT and not _is_own(c)],
                "pHYs": found.get(b"pHYs"),
            },
        }
        profile = _unpack_icc(found.get(b"iCCP", b""))
        if profile is not None:
            metadata["icc"] = profile
        if b"eXIf" in found:
            metadata["exif"] = found[b"eXIf"]
        if _HISTORY in texts:
            metadata["history"] = tuple(texts[_HISTORY].splitlines())
        white = float(texts.get(_WHITE, 0)) if values.dtype.kind == "u" else 0.0
        density = _density(found.get(b"pHYs"))
        return from_samples(
            values, axes, density, metadata, str(path), white=white, is_sequence=count > 1
        )


class PngWriter(Writer):
    """Writes PNG without loss: bool, uint8 or uint16; grey, colour, and either with alpha."""

    name = "png"
    suffixes = (".png",)

    def check(self, image: Image) -> None:
        """Raise `OutputError` for stacks, other dtypes, and other numbers of channels."""
        require_dtype(image, ("bool", "uint8", "uint16"), "PNG", "write .tif instead")
        check_picture(image, "PNG", (1, 2, 3, 4))

    def write(self, image: Image, path: Path) -> None:
        """Write the image and the metadata chunks of its input."""
        values = _straight(to_samples(image), image)
        head, *rest = split_chunks(_encode(values), path)
        kept = list(image.metadata.get("png", {}).get("chunks", ()))
        if "icc" in image.metadata:
            kept = [c for c in kept if c[0] != b"sRGB"]
            kept.insert(0, (b"iCCP", b"icc\0\0" + zlib.compress(image.metadata["icc"])))
        density = _physical(image)
        if density is not None:
            kept.append((b"pHYs", density))
        exif = exif_of(image)
        if exif is not None:
            kept.append((b"eXIf", exif))
        if image.metadata.get("history"):
            kept.append(_text(_HISTORY, "\n".join(image.metadata["history"])))
        if values.dtype.kind == "u" and image.white != np.iinfo(values.dtype).max:
            kept.append(_text(_WHITE, f"{image.white:g}"))
        body = [c for c in rest if c[0] in (b"PLTE", b"tRNS", b"IDAT", b"IEND")]
        path.write_bytes(SIGNATURE + b"".join(_packed(c) for c in [head, *kept, *body]))


def _animation(raw: bytes, shape: tuple[int, int, int], depth: int, path: Path) -> Any:
    """Return the frames (T, H, W) or (T, H, W, samples); a picture shown in their place is none."""
    from io import BytesIO

    from PIL.PngImagePlugin import PngImageFile

    count = shape[0]
    if depth > 8:
        raise ImageError(
            f"{path} holds an animation of {count} pictures of {depth} bits, and animations of up "
            "to 8 bits are read; save its pictures as PNG files, or as one TIFF."
        )
    # A frame takes 38 bytes or more: its control, its data, and their check sums.
    if 38 * count > len(raw):
        raise ImageError(f"{path} is damaged: it states {count} pictures; export it again.")
    check_bomb(shape[2], shape[1], 4 * count, len(raw), str(path))
    check_fits_memory((*shape, 4), np.dtype(np.uint8), path)
    try:
        with PngImageFile(BytesIO(raw)) as picture:
            frames = read_frames(picture, first=int(bool(picture.default_image)))
    except (SyntaxError, OSError, ValueError, EOFError) as error:
        raise ImageError(f"{path} is damaged: {error}; export it again.") from error
    if len(frames) != count:
        raise ImageError(
            f"{path} is damaged: it states {count} pictures and holds {len(frames)}; "
            "export it again."
        )
    return frames


def _straight(values: Any, image: Image) -> Any:
    """Return samples whose colours are not multiplied by alpha, which PNG has no other way for.

    In a TIFF they may be, as the kind of its extra sample states.
    """
    kinds = image.metadata.get("tiff", {}).get("extrasamples", ())
    if not (kinds and kinds[0] == ASSOCIATED_ALPHA and image.channels[-1:] == (ALPHA,)):
        return values
    top = np.iinfo(values.dtype).max
    alpha = values[..., -1:].astype(np.float64)
    colours = np.rint(values[..., :-1] * (top / np.maximum(alpha, 1))).clip(0, top)
    return np.concatenate([colours.astype(values.dtype), values[..., -1:]], axis=-1)


def split_chunks(raw: bytes, path: Path) -> list[Chunk]:
    """Return the (type, data) chunks of a PNG; raise `ImageError` if it is truncated or damaged."""
    chunks: list[Chunk] = []
    offset = len(SIGNATURE)
    while not chunks or chunks[-1][0] != b"IEND":
        size, kind = struct.unpack(">I4s", raw[offset : offset + 8].ljust(8, b"\xff"))
        data = raw[offset + 8 : offset + 8 + size]
        crc = raw[offset + 8 + size : offset + 12 + size]
        if len(crc) < 4:
            raise ImageError(f"{path} is cut short after {len(raw)} bytes; copy it again.")
        if struct.unpack(">I", crc)[0] != zlib.crc32(kind + data):
            raise ImageError(f"{path} is damaged: a check sum is wrong; copy it again.")
        chunks.append((kind, data))
        offset += 12 + size
    if chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise ImageError(f"{path} is damaged: its header is missing; copy it again.")
    return chunks


def _encode(values: Any) -> bytes:
    import imagecodecs

    if values.dtype.kind != "b":
        native = values.astype(values.dtype.newbyteorder("="), copy=False)
        return bytes(imagecodecs.png_encode(native))
    from io import BytesIO

    from PIL import Image as pil

    held = BytesIO()
    pil.fromarray(values).save(held, "PNG")
    return held.getvalue()


def _packed(chunk: Chunk) -> bytes:
    kind, data = chunk
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _text(keyword: bytes, text: str) -> Chunk:
    return b"iTXt", keyword + b"\0\0\0\0\0" + text.encode()


def _is_own(chunk: Chunk) -> bool:
    return chunk[0] == b"iTXt" and chunk[1].split(b"\0")[0] in (_HISTORY, _WHITE)


def _texts(chunks: Sequence[Chunk]) -> dict[bytes, str]:
    return {
        data.split(b"\0")[0]: data.split(b"\0", 5)[5].decode()
        for kind, data in chunks
        if _is_own((kind, data))
    }


def _unpack_icc(data: bytes) -> bytes | None:
    """Return a colour profile; `None`, as without one, if it is damaged or too large."""
    name, _, rest = data.partition(b"\0")
    decompressor = zlib.decompressobj()
    try:
        profile = decompressor.decompress(rest[1:], MAX_PROFILE_BYTES)
    except zlib.error:
        return None
    return profile if name and decompressor.eof else None


def _density(data: bytes | None) -> tuple[float, float] | None:
    if data is None or len(data) != 9:
        return None
    horizontal, vertical, unit = struct.unpack(">IIB", data)
    return (float(vertical), float(horizontal)) if unit == 1 else None


def _physical(image: Image) -> bytes | None:
    original = image.metadata.get("png", {}).get("pHYs")
    if original is not None and unchanged_sizes(image):
        return bytes(original)
    density = pixels_per_metre(image)
    if density is None or not all(1 <= round(n) < 2**31 for n in density):
        return None
    return struct.pack(">IIB", round(density[1]), round(density[0]), 1)
