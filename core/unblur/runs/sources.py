"""Size and time of change of the files that results are made from."""

from __future__ import annotations

from pathlib import Path

from unblur.io.files import split_part


def file_stamp(source: str | Path) -> list[int]:
    """Return size (bytes) and time of change (ns) of the file of an image, if it came from one.

    Of a folder, the sum and the latest over its files.
    """
    try:
        path, _ = split_part(Path(source))
        if path.is_file():
            status = path.stat()
            return [status.st_size, status.st_mtime_ns]
        found = [file.stat() for file in path.rglob("*")] if path.is_dir() else []
    except (OSError, ValueError):
        return []
    return [sum(s.st_size for s in found), max(s.st_mtime_ns for s in found)] if found else []
