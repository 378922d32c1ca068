"""WebP and BMP, which are read and not written; ICC profile and EXIF of WebP are preserved."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import numpy as np

from unblur.errors import ImageError
from unblur.io.files import file_type
from unblur.io.raster.samples import check_bomb, from_samples
from unblur.model.formats import Reader
from unblur.model.image import Image

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_EXIF = b"Exif\0\0"
_MODES = ("1", "L", "RGB", "RGBA")
"""Modes of Pillow that are read as they are; palettes become colours."""


class _PillowReader(Reader):
    """Reads one picture of a format that Pillow decodes.

    Files are opened by the format's own class, because `PIL.Image.open` rejects the largest ones.
    """

    content: ClassVar[str]

    @staticmethod
    @abstractmethod
    def open(file: BinaryIO) -> ImageFile:
        """Return the picture, whose pixels are not decoded yet."""

    def read(self, path: Path, *, axes: str | None = None, lazy: bool = False) -> Image:
        """Return the image; `lazy` is ignored. Pixels are not rotated."""
        kind = file_type(path)
        if kind != self.content:
            raise ImageError(
                f"{path} is {kind or f'not {self.content}'}; rename it or export it again."
            )
        try:
            with path.open("rb") as file, self.open(file) as picture:
                width, height = picture.size
                check_bomb(width, height, 4, path.stat().st_size, str(path))
                count = getattr(picture, "n_frames", 1)
                if count > 1:
                    raise ImageError(
                        f"{path} holds an animation of {count} pictures; save one of them as PNG."
                    )
                info = dict(picture.info)
                values = np.array(picture if picture.mode in _MODES else picture.convert("RGB"))
        except (SyntaxError, OSError, ValueError, EOFError) as error:
            raise ImageError(f"{path} is damaged: {error}; export it again.") from error
        metadata: dict[str, Any] = {"format": self.name}
        if info.get("icc_profile"):
            metadata["icc"] = info["icc_profile"]
        if info.get("exif"):
            metadata["exif"] = info["exif"].removeprefix(_EXIF)
        return from_samples(values, axes, None, metadata, str(path))


class WebpReader(_PillowReader):
    """Reads WebP with 8 bits, with or without alpha; an animation is refused."""

    name = "webp"
    suffixes = (".webp",)
    content = "a WebP file"

    @staticmethod
    def open(file: BinaryIO) -> ImageFile:
        """Return the picture, whose pixels are not decoded yet."""
        from PIL.WebPImagePlugin import WebPImageFile

        return WebPImageFile(file)


class BmpReader(_PillowReader):
    """Reads BMP; palettes become colours, 1-bit images bool."""

    name = "bmp"
    suffixes = (".bmp", ".dib")
    content = "a BMP file"

    @staticmethod
    def open(file: BinaryIO) -> ImageFile:
        """Return the picture, whose pixels are not decoded yet."""
        from PIL.BmpImagePlugin import BmpImageFile

        return BmpImageFile(file)
