"""Limits on the sizes that a file states, which are checked before its pixels are decoded.

A small file can state, or decompress to, any size. A file is rejected if its decoded pixels take
more than `MAX_UNCHECKED_BYTES` and more than `MAX_EXPANSION` times its own size, unless the user
trusts it: `unblur --trust-sizes`, or the environment variable `UNBLUR_TRUST_SIZES=1`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from unblur.errors import ImageError

MAX_UNCHECKED_BYTES = 2**28
"""Size of decoded pixels up to which they are not compared with the file, in bytes."""

MAX_EXPANSION = 1000
"""Largest ratio of decoded pixels to the file, dimensionless. That of deflate is at most 1032, and
of images with noise below 10."""

MAX_TAG_BYTES = 2**26
"""Largest size of the values of one tag of a TIFF, in bytes; 1/64 of the file where that is more.

An image in strips or tiles of 4 kB or more, with 64 bits each for their places, stays below.
"""

MAX_PAGES = 2**20
"""Largest number of pages of a TIFF and of planes in OME-XML, dimensionless."""

TRUST = "UNBLUR_TRUST_SIZES"
"""Environment variable that switches these limits off where it is "1"."""

REMEDY = "if the file is genuine, use `unblur --trust-sizes` or set UNBLUR_TRUST_SIZES=1"


def are_limits_off() -> bool:
    """Return whether the user switched the limits off."""
    return os.environ.get(TRUST, "") == "1"


def check_expansion(
    decoded: float, stored: int | Callable[[], int], source: str | Path, part: str = "pixels"
) -> None:
    """Raise `ImageError` if decoded pixels are implausibly larger than the file.

    Parameters
    ----------
    decoded : float
        Size of the decoded pixels, or of those that are decoded at once, in bytes.
    stored : int or function
        Size of the file or store in bytes; a function is called only if it is needed.
    source : str
        The file, for the message.
    part : str
        What is decoded, for the message.
    """
    if decoded <= MAX_UNCHECKED_BYTES or are_limits_off():
        return
    size = stored if isinstance(stored, int) else stored()
    if decoded > MAX_EXPANSION * max(size, 1):
        raise ImageError(
            f"{source} has {size} bytes, but states {part} of {decoded / 2**30:.3g} GiB, like a "
            f"decompression bomb; {REMEDY}."
        )


def check_count(count: float, limit: float, what: str, source: str | Path) -> None:
    """Raise `ImageError` if a file states more than `limit` of something."""
    if count > limit and not are_limits_off():
        raise ImageError(
            f"{source} states {count:.0f} {what}, more than the limit of {limit:.0f}; {REMEDY}."
        )


def stored_bytes(path: Path) -> int:
    """Return the size of a file, or of all files in a folder, in bytes."""
    if not path.is_dir():
        return path.stat().st_size
    total = 0
    for folder, _, names in os.walk(path):
        total += sum((Path(folder) / name).lstat().st_size for name in names)
    return total
