"""Files and stores on disk: checks, temporary names, and atomic writing."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from unblur.errors import ImageError, OutputError, suggestion
from unblur.model.formats import Reader, Writer

COMPOUND_SUFFIXES = (
    ".ome.tiff",
    ".ome.tif",
    ".ome.btf",
    ".ome.zarr",
    ".fits.gz",
    ".fits.fz",
    ".fit.gz",
    ".fts.gz",
)
"""Compound suffixes of the built-in formats, in lower case with the dots."""

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "a PNG file"),
    (b"\xff\xd8\xff", "a JPEG file"),
    (b"II*\x00", "a TIFF file"),
    (b"MM\x00*", "a TIFF file"),
    (b"II+\x00", "a BigTIFF file"),
    (b"MM\x00+", "a BigTIFF file"),
    (b"SIMPLE  =", "a FITS file"),
    (b"\x93NUMPY", "a .npy file"),
    (b"PK\x03\x04", "a zip or .npz file"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"GIF8", "a GIF file"),
    (b"%PDF", "a PDF"),
    (b"BM", "a BMP file"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 file"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 file"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL file"),
    (b"\xff\x0a", "a JPEG XL file"),
)
FOREIGN = frozenset({"an HDF5 file", "a PDF"})
"""File types that no reader supports, whatever their suffix."""

_REMOVALS = 50
_FULL = "the disk took only a part"


def suffix_of(path: Path) -> str:
    """Return the suffix in lower case, including compound suffixes such as ".ome.tif".

    The plugins are loaded only if the name has several dots and ends in no built-in suffix.
    """
    name = path.name.lower()
    for suffix in COMPOUND_SUFFIXES:
        if name.endswith(suffix):
            return suffix
    if len(path.suffixes) > 1 and path.suffix.lower() not in _builtin_suffixes():
        return _plugin_suffix(name) or path.suffix.lower()
    return path.suffix.lower()


@cache
def _builtin_suffixes() -> frozenset[str]:
    """Return the suffixes of the built-in readers and writers."""
    from unblur.io import READERS, WRITERS

    formats: list[type[Reader | Writer]] = [*READERS, *WRITERS]
    return frozenset(suffix for cls in formats for suffix in cls.suffixes)


def _plugin_suffix(name: str) -> str:
    """Return the longest suffix of a plugin's format at the end of `name`, or ""."""
    from unblur.plugins.manager import registry

    known = registry()
    formats: list[type[Reader | Writer]] = [*known.readers.values(), *known.writers.values()]
    matches = [s for cls in formats for s in cls.suffixes if name.endswith(s)]
    return max(matches, key=len, default="")


def split_part(path: Path) -> tuple[Path, str | None]:
    """Split `night.fits[2]` into `night.fits` and "2", unless a file of that name exists."""
    match = re.fullmatch(r"(.+)\[([^\[\]]+)\]", path.name)
    if match is None or path.exists():
        return path, None
    return path.with_name(match[1]), match[2]


def check_input(path: Path) -> None:
    """Raise `ImageError` unless `path` is a readable file or a zarr store."""
    try:
        if path.is_dir():
            if not is_store(path):
                raise ImageError(
                    f"{path} is a folder; give an image file, a zarr store, or a glob such as "
                    f"'{path}/*.tif'."
                )
            return
        if not path.exists():
            raise ImageError(_missing_file_message(path))
        if path.stat().st_size == 0:
            raise ImageError(f"{path} is empty (0 bytes); copy or export it again.")
        with path.open("rb"):
            pass
    except OSError as error:
        raise ImageError(f"{path} cannot be opened: {reason(error)}.") from None


def is_store(path: Path) -> bool:
    """Return whether `path` is a folder with a zarr array or group."""
    return any((path / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup", ".zattrs"))


def file_type(path: Path) -> str | None:
    """Return the file type by the first bytes of a file, e.g. "a PNG file", or `None`."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(16)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "a WebP file"
    if head[4:12] in (b"ftypavif", b"ftypavis"):
        return "an AVIF file"
    if re.match(rb"P[1-7fF]\s", head):
        return "a Netpbm file"
    return next((what for signature, what in _SIGNATURES if head.startswith(signature)), None)


def check_vacant(path: Path, overwrite: bool) -> None:
    """Raise `OutputError` unless a file or store can be created at `path`.

    The folder must exist and be writable, and `path` must not exist unless `overwrite` is true.
    """
    folder = path.parent
    if not folder.is_dir():
        raise OutputError(f"{path} cannot be written: there is no folder {folder}; create it.")
    if path.exists():
        if path.is_dir() and not is_store(path) and any(path.iterdir()):
            raise OutputError(f"{path} is a folder with files in it; choose another name.")
        if not overwrite:
            raise OutputError(f"{path} exists; choose another name or pass --overwrite.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{path} cannot be written: no permission to write in {folder}.")


def partial_path(path: Path) -> Path:
    """Return the temporary name of `path` while it is being written.

    The name is hidden, in the same folder, with the same suffix, and the same on every call, so
    that an interrupted run can be resumed.
    """
    suffix = path.name[len(path.name) - len(suffix_of(path)) :]
    stem = path.name[: len(path.name) - len(suffix)]
    return path.with_name(f".{stem}.partial{suffix}")


def scratch_path(path: Path) -> Path:
    """Return the path of the scratch store that holds the regions of an unfinished output."""
    return path.with_name(f"{path.name}.scratch")


def publish(partial: Path, path: Path, *, overwrite: bool = False) -> None:
    """Rename a finished file or store to its final name, replacing what was there.

    The scratch store of its regions, from which an interrupted `finish` can be repeated, is
    removed afterwards.
    """
    check_vacant(path, overwrite)
    with explained(path):
        _rename(partial, path)
    remove(scratch_path(partial))


def _rename(partial: Path, path: Path) -> None:
    if not (path.is_dir() or (partial.is_dir() and path.exists())):
        partial.replace(path)
        return
    old = path.with_name(f".{path.name}.old-{uuid.uuid4().hex[:8]}")
    path.rename(old)
    try:
        partial.rename(path)
    except OSError:
        old.rename(path)
        raise
    remove(old)


@contextmanager
def written_whole(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary name for `path`; rename it at the end, or remove it after an error."""
    check_vacant(path, overwrite)
    unique = path.with_name(f"{uuid.uuid4().hex[:8]}-{path.name}")
    partial = partial_path(unique)
    try:
        with explained(path):
            yield partial
        publish(partial, path, overwrite=overwrite)
    finally:
        remove(partial)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Convert an `OSError` raised while writing `path` to an `OutputError` with advice."""
    try:
        yield
    except OSError as error:
        cause = reason(error)
        if error.errno is None and "requested and" in cause:
            cause = _FULL  # numpy's message after an incomplete write
        advice = {
            errno.EDQUOT: "; your quota is used up",
            errno.ENAMETOOLONG: "; choose a shorter name",
        }.get(error.errno or 0, "")
        if error.errno == errno.ENOSPC or cause == _FULL:
            advice = "; free some space or choose another disk"
        raise OutputError(f"{path} cannot be written: {cause}{advice}.") from error


def remove(path: Path) -> None:
    """Remove a file or a folder with its contents, if it exists.

    After a failure, threads that were writing other chunks may still create files in the folder,
    so the removal is repeated until the folder does not reappear.
    """
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for _ in range(_REMOVALS):
        shutil.rmtree(path, ignore_errors=True)
        time.sleep(0.02)
        if not path.exists():
            return


def reason(error: BaseException) -> str:
    """Return the cause of an error in one short line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    lines = str(error).strip().splitlines()
    return lines[0][:160].rstrip(".") if lines else type(error).__name__


def _missing_file_message(path: Path) -> str:
    if path.is_symlink():
        return f"{path} is a link to {path.readlink()}, which is not there."
    folder = path.parent
    if not folder.is_dir():
        return f"there is no file {path}: the folder {folder} does not exist."
    near = suggestion(path.name, (p.name for p in folder.iterdir()))
    return f"there is no file {path}{near}" if near else f"there is no file {path}."
