"""What all readers of this plugin share: packages, parts of files, and the resulting image."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from unblur.errors import ImageError, suggestion
from unblur.io.axes import canonical, check_given
from unblur.io.lazy_pixels import Opener, StoredPixels, check_fits_memory
from unblur.io.size_limits import check_expansion
from unblur.model.formats import describe_images
from unblur.model.image import Image, positive_sizes


@dataclass(frozen=True)
class FileFacts:
    """What a file states about one of its images; see `Image` for the meanings.

    Parameters
    ----------
    shape : tuple of int
        Extents of the stored array.
    dtype : dtype
        Type of the stored values.
    axes : str
        Axes in the order of the file, letters of "TCZYX"; other letters have length 1.
    pixel_size, units : mapping of axis to float and to str
        Sizes that are not positive and finite are left out.
    channels : tuple of str
        Names of the channels; left out unless there is one for each and all differ.
    white : float
        White, or 0 where it is that of the type.
    optics : mapping
        Objective and wavelengths, as `unblur.model.formats` describes them.
    notes : tuple of str
        Sentences for the user.
    kept : mapping
        More entries of the metadata.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: str
    pixel_size: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    white: float = 0.0
    optics: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    kept: Mapping[str, Any] = field(default_factory=dict)


def import_package(module: str, extra: str, what: str) -> Any:
    """Return a module, or raise `ImageError` with the command that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ImageError(
            f"{what} files need {module}, which is not installed; run: "
            f'pip install "unblur[{extra}]".'
        ) from None


def choose_part(path: Path, part: str | None, names: Sequence[str]) -> int:
    """Return the number of the image that `part` selects by its number or name, 0 for None.

    Raises
    ------
    ImageError
        If there is no such image, or none at all.
    """
    if not names:
        raise ImageError(f"{path} holds no image.")
    if part is None:
        return 0
    if part.isdecimal() and int(part) < len(names):
        return int(part)
    if part in names:
        return list(names).index(part)
    listed = [name for name in names if name]
    near = suggestion(part, listed) if listed else ""
    raise ImageError(
        f"{path} has no image [{part}]; there are {len(names)}, numbered from 0{near or '.'}"
    )


def assemble(
    path: Path,
    facts: FileFacts,
    opener: Opener,
    *,
    name: str,
    file: Path,
    part: str = "",
    chunk: Sequence[int] | None = None,
    given: str | None = None,
    lazy: bool = False,
    images: int = 1,
) -> Image:
    """Return the image of a file whose pixels `opener` gives access to.

    Parameters
    ----------
    path : Path
        The path that was asked for, with its part.
    facts : FileFacts
        What the file states.
    opener : function (path, part) -> array-like
        Function at module level that opens the pixels of `file` and `part`.
    name : str
        Name of the format.
    file : Path
        The file without the part.
    part : str
        The part in the notation of `opener`.
    chunk : sequence of int, optional
        Extents that can be read at once; by default 256 x 256 pixels.
    given : str, optional
        Axes given by the user, in place of those of the file.
    lazy : bool
        Return a dask array.
    images : int
        Number of images in the file, which is noted unless one of them was asked for.
    """
    source = str(path)
    if not facts.shape or min(facts.shape) < 1:
        raise ImageError(f"{source}: the image is empty or damaged (shape {facts.shape}).")
    names = facts.axes if given is None else check_given(given, facts.shape, source)
    dtype = facts.dtype.newbyteorder("=")
    stored = StoredPixels(opener, file, part, facts.shape, dtype)
    if chunk is None:
        chunk = [256 if a in "YX" else n if a == "C" and names.endswith("C") else 1
                 for a, n in zip(names, facts.shape, strict=True)]  # fmt: skip
    whole = prod(facts.shape) if not lazy else prod(chunk)
    check_expansion(float(whole) * dtype.itemsize, file.stat().st_size, source)
    if lazy:
        data: Any = stored.to_dask(chunk, [names.index(a) for a in "YX"])
    else:
        check_fits_memory(facts.shape, dtype, file)
        data = stored[(slice(None),) * len(facts.shape)]
    data, axes = canonical(data, names)
    sizes = positive_sizes({a: s for a, s in facts.pixel_size.items() if a in axes})
    count = data.shape[axes.index("C")] if "C" in axes else 1
    channels = facts.channels
    if len(channels) != count or len(set(channels)) != count or not all(channels):
        channels = ()
    metadata = {"format": name, "file_axes": names, **facts.kept}
    if facts.optics:
        metadata["optics"] = dict(facts.optics)
    metadata |= describe_images(file, images if path == file else 1, facts.notes)
    return Image(
        data,
        axes,
        sizes,
        {a: u for a, u in facts.units.items() if a in sizes},
        facts.white,
        channels,
        metadata,
        source,
    )
