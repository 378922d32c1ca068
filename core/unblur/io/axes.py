"""Conversion between the axis order of a file and the canonical order of `Image`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unblur.errors import ImageError
from unblur.model.image import AXES

COLOURS = {
    1: (),
    2: ("grey", "alpha"),
    3: ("red", "green", "blue"),
    4: ("red", "green", "blue", "alpha"),
}
"""Channel names of colour samples, by the number of samples."""

WHITE = "FFFFFF"
"""Display colour of a channel for which none is stated, "RRGGBB"."""

CMYK_CHANNELS = ("cyan", "magenta", "yellow", "black")
"""Channel names of an image in the four inks of a printer."""

_COLOUR_COUNTS = (3, 4)


def guess_axes(shape: Sequence[int], source: str) -> str:
    """Return likely axes, in file order, of an array that does not name them.

    Two axes are YX. Of three, a last or else a first axis of length 3 or 4 is C, as in colour
    images; any other first axis is Z, one of length 1 is C. Five axes are TCZYX, and four
    the same without T where the first has length 1.

    Raises
    ------
    ImageError
        For other shapes, which are ambiguous.
    """
    ndim = len(shape)
    if ndim == 2:
        return "YX"
    if ndim == 3:
        if shape[2] in _COLOUR_COUNTS and min(shape[:2]) > max(_COLOUR_COUNTS):
            return "YXC"
        return _stack_axis(shape[0]) + "YX"
    if ndim == 4 and shape[0] == 1:
        return "T" + guess_axes(shape[1:], source)
    if ndim == 5:
        return AXES
    raise ImageError(
        f"{source}: the file does not name its {ndim} axes of lengths "
        f"{' x '.join(str(n) for n in shape) or 'none'}; name them with --axes, e.g. "
        f"--axes {'TZYX' if ndim == 4 else 'YX'}."
    )


def check_given(axes: str, shape: Sequence[int], source: str) -> str:
    """Return the axes given by the user in upper case, or raise `ImageError`.

    Valid are subsets of TCZYX with Y and X in any order, one letter for each axis of the file.
    """
    given = axes.upper()
    for letter in given:
        if letter not in AXES:
            raise ImageError(
                f"{source}: --axes {axes} has the unknown letter '{letter}'; known are T (time), "
                "C (channel), Z (depth), Y (row), X (column)."
            )
    if len(set(given)) != len(given) or not {"Y", "X"} <= set(given):
        raise ImageError(f"{source}: --axes names Y, X and each axis once, got '{axes}'.")
    if len(given) != len(shape):
        raise ImageError(
            f"{source}: --axes {axes} names {len(given)} axes, but the file has {len(shape)} of "
            f"lengths {' x '.join(str(n) for n in shape)}."
        )
    return given


def named_axes(names: str, shape: Sequence[int], source: str) -> str:
    """Return the axis letters of a file as axes of an image: an axis without a name becomes Z.

    Letters outside TCZYX are kept if their axis has length 1; `canonical` drops those. A single
    longer one is a stack of unknown meaning, which is guessed from its length.
    """
    unknown = [a for a, n in zip(names, shape, strict=True) if a not in AXES and n > 1]
    if not unknown and len(set(names)) == len(names) and {"Y", "X"} <= set(names):
        return names
    core = [n for a, n in zip(names, shape, strict=True) if a in AXES or n > 1]
    if len(unknown) == 1 and names.endswith("YX") and len(core) == 3:
        return names.replace(unknown[0], _stack_axis(core[0]))
    raise ImageError(
        f"{source}: the file's axes '{names}' of lengths {' x '.join(str(n) for n in shape)} are "
        "not all known; name them with --axes, letters of TCZYX."
    )


def canonical(data: Any, names: str) -> tuple[Any, str]:
    """Return `data` with axes in the order of TCZYX, without unknown axes of length 1."""
    kept = [i for i, a in enumerate(names) if a in AXES]
    index = tuple(slice(None) if i in kept else 0 for i in range(len(names)))
    data = data[index] if len(kept) < len(names) else data
    letters = [names[i] for i in kept]
    order = sorted(range(len(letters)), key=lambda i: AXES.index(letters[i]))
    axes = "".join(letters[i] for i in order)
    return (data if order == list(range(len(order))) else data.transpose(order)), axes


def _stack_axis(length: int) -> str:
    return "C" if length in (1, *_COLOUR_COUNTS) else "Z"


def in_file_order(data: Any, axes: str, file_axes: str | None) -> tuple[Any, str]:
    """Return `data` in the axis order of its file, if the file has the same axes."""
    if file_axes is None or sorted(file_axes) != sorted(axes) or file_axes == axes:
        return data, axes
    return data.transpose([axes.index(a) for a in file_axes]), file_axes


def reordered(values: Sequence[int], axes: str, target: str) -> tuple[int, ...]:
    """Return one value per axis, reordered from `axes` to `target`."""
    return tuple(values[axes.index(a)] for a in target if a in axes)
