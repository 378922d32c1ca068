"""WebP, GIF and BMP, which are read and not written; ICC profile and EXIF of WebP are preserved."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import numpy as np

from unblur.errors import ImageError
from unblur.io.files import file_type
from unblur.io.lazy_pixels import check_fits_memory
from unblur.io.raster.samples import check_bomb, from_samples
from unblur.model.formats import Reader
from unblur.model.image import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

_EXIF = b"Exif\0\0"
_MODES = ("1", "L", "RGB", "RGBA")
"""Modes of Pillow that are read as they are; palettes become colours."""


class _PillowReader(Reader):
    """Reads the picture of a format that Pillow decodes, or its frames along T.

    How long a frame is shown is not the time between exposures, and is not read as such.
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
                count = getattr(picture, "n_frames", 1)
                check_bomb(width, height, 4 * count, path.stat().st_size, str(path))
                check_fits_memory((count, height, width, 4), np.dtype(np.uint8), path)
                info = dict(picture.info)
                values = self.values(picture) if count == 1 else read_frames(picture)
        except (SyntaxError, OSError, ValueError, EOFError) as error:
            raise ImageError(f"{path} is damaged: {error}; export it again.") from error
        metadata: dict[str, Any] = {"format": self.name}
        if info.get("icc_profile"):
            metadata["icc"] = info["icc_profile"]
        if info.get("exif"):
            metadata["exif"] = info["exif"].removeprefix(_EXIF)
        return from_samples(values, axes, None, metadata, str(path), is_sequence=count > 1)

    def values(self, picture: ImageFile) -> NDArray[Any]:
        """Return the pixels (H, W) or (H, W, samples) of a single picture."""
        return np.array(picture if picture.mode in _MODES else picture.convert("RGB"))


class WebpReader(_PillowReader):
    """Reads WebP with 8 bits, with or without alpha; the frames of an animation are T."""

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


class GifReader(_PillowReader):
    """Reads GIF: palettes become colours, or grey if all are; the frames of an animation are T.

    Frames are complete pictures, as they are shown. Transparent pixels become alpha.
    """

    name = "gif"
    suffixes = (".gif",)
    content = "a GIF file"

    @staticmethod
    def open(file: BinaryIO) -> ImageFile:
        """Return the picture, whose pixels are not decoded yet."""
        from PIL.GifImagePlugin import GifImageFile

        return GifImageFile(file)

    def values(self, picture: ImageFile) -> NDArray[Any]:
        """Return the pixels (H, W) or (H, W, samples) of a single picture."""
        return _fewest_samples(np.array(picture.convert("RGBA")))


def read_frames(picture: ImageFile, first: int = 0) -> NDArray[Any]:
    """Return the frames from `first` on, (T, H, W) or (T, H, W, samples), as they are shown."""
    columns, rows = picture.size
    values = np.empty((getattr(picture, "n_frames", 1) - first, rows, columns, 4), np.uint8)
    for number in range(len(values)):
        picture.seek(first + number)
        values[number] = np.asarray(picture.convert("RGBA"))
    return _fewest_samples(values)


def _fewest_samples(values: NDArray[Any]) -> NDArray[Any]:
    """Return RGBA without an alpha that is opaque, and as grey if all colours are grey."""
    colours, alpha = values[..., :3], values[..., 3:]
    is_grey = bool((colours == colours[..., :1]).all())
    colours = colours[..., :1] if is_grey else colours
    if (alpha < 255).any():
        return np.concatenate([colours, alpha], axis=-1)
    return colours[..., 0] if is_grey else colours
