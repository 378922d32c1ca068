"""napari reader of image files: everything that unblur reads, with pixel size, axes and names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_unblur.model.image_layers import LayerData, image_layers
from napari_unblur.model.layers import IN_MEMORY
from napari_unblur.work.result_layers import read_levels
from unblur.errors import ImageError
from unblur.io import read_image
from unblur.io.files import is_store, suffix_of
from unblur.io.open import reader_for
from unblur.model.image import Image

MAX_IMAGES = 16
"""Largest number of images of one file that are opened at once, dimensionless."""


def read_images(path: str | list[str]) -> Callable[[Any], list[LayerData]] | None:
    """Return a reader if `path` is one file or store of a format that unblur reads, else `None`.

    The reader returns the layers of each image in the file, e.g. of each scene, of which those of
    the first are visible. Images of more than 256 MB together are read when they are shown.
    """
    single = path[0] if isinstance(path, list) and len(path) == 1 else path
    return _open if isinstance(single, str) and _has_reader(Path(single)) else None


def _has_reader(path: Path) -> bool:
    if not path.exists() or (path.is_dir() and not is_store(path)):
        return False
    try:
        reader_for(path)
    except ImageError:
        return False
    return True


def _open(path: str | list[str]) -> list[LayerData]:
    from napari.utils.notifications import show_warning

    file = Path(path if isinstance(path, str) else path[0])
    stem = file.name[: len(file.name) - len(suffix_of(file))] or file.name
    images, count = _read_all(file)
    if count > len(images):
        show_warning(
            f"{file} holds {count} images, of which the first {len(images)} are opened; "
            f"unblur.read_image('{file}[{len(images)}]') reads the next."
        )
    layers: list[LayerData] = []
    for number, image in enumerate(images):
        for note in image.metadata.get("notes", ()):
            show_warning(note)
        name = stem if count == 1 else f"{stem} {number}"
        found = image_layers(image, name, _coarser(image))
        for _, style, _ in found if number else ():
            style["visible"] = False
        layers += found
    return layers


def _read_all(file: Path) -> tuple[list[Image], int]:
    """Return the first images of a file, in memory unless they are large, and their number."""
    first = read_image(file, lazy="large")
    count = first.metadata.get("images", 1)
    paths = [file]
    if count > 1:
        paths = [file.with_name(f"{file.name}[{n}]") for n in range(min(count, MAX_IMAGES))]
    images = [first if path == file else read_image(path, lazy="large") for path in paths]
    if sum(image.data.nbytes for image in images) <= IN_MEMORY:
        images = [
            read_image(path) if image.is_lazy else image
            for path, image in zip(paths, images, strict=True)
        ]
    return images, count


def _coarser(image: Image) -> list[Any]:
    """Return the levels of lower resolution of a large OME-Zarr image, lazily."""
    if not image.is_lazy or image.metadata.get("format") != "ome-zarr":
        return []
    try:
        levels = read_levels(Path(image.source), image.axes)[1:]
    except ValueError:  # axes of length 1 that an image leaves out
        return []
    return [level for level in levels if level.ndim == image.data.ndim]
