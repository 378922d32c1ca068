"""The lock that keeps a second run from writing the same output."""

from __future__ import annotations

import errno
import os
import re
import socket
from contextlib import suppress
from pathlib import Path
from typing import IO

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
"""Errors of a file system that has no locks, as shared ones may be mounted, numbers of `errno`."""


class RunLock:
    """A lock on a file, which the system releases when its process ends.

    On a file system without locks a second file, which only one process can create, stands for it.
    One that a killed process left on this machine is replaced; on another machine nothing can be
    known of the process, so that it counts as running.

    Parameters
    ----------
    file : text file
        Open and, where the file system can, locked.
    claim : Path, optional
        The second file.
    """

    def __init__(self, file: IO[str], claim: Path | None = None) -> None:
        self._file, self._claim = file, claim

    @classmethod
    def acquire(cls, path: Path) -> RunLock | str:
        """Return the lock on a file, created if missing, or a description of its holder.

        A file that its holder removed meanwhile, at the end of its run, is no lock for others: the
        next one is tried.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        while True:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                file = path.open("a+", encoding="utf-8")
            except FileNotFoundError:
                continue  # the folder was removed between the two calls
            is_locked, claim = _lock(file), None
            if is_locked is None:
                claim = path.with_name("claim")
                holder = _create(claim)
            else:
                holder = None if is_locked else _content(path)
            if holder is not None:
                file.close()
                return holder or "another process"
            with suppress(FileNotFoundError):
                if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                    file.truncate(0)
                    file.write(_own_name())
                    file.flush()
                    return cls(file, claim)
            cls(file, claim).close()

    def close(self) -> None:
        """Release the lock."""
        if self._claim is not None:
            self._claim.unlink(missing_ok=True)
            self._claim = None
        self._file.close()


def _own_name() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _content(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return ""


def _lock(file: IO[str]) -> bool | None:
    """Lock a file unless another process holds it; `None` if the file system has no locks."""
    try:
        import fcntl
    except ImportError:
        return _lock_on_windows(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return None if error.errno in NO_LOCKS else False
    return True


def _lock_on_windows(file: IO[str]) -> bool:
    import msvcrt

    try:
        file.seek(2**20)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        return False
    return True


def _create(claim: Path) -> str | None:
    """Create a file with the name of this process, or return the name that it holds."""
    while True:
        try:
            with claim.open("x", encoding="utf-8") as file:
                file.write(_own_name())
            return None
        except FileExistsError:
            holder = _content(claim)
        if not _has_ended(holder):
            return f"{holder or 'another process'}; if it has ended, remove {claim}"
        claim.unlink(missing_ok=True)


def _has_ended(name: str) -> bool:
    """Return whether a process, described as by `_own_name`, ran on this machine and has ended."""
    found = re.fullmatch(r"process (\d+) on (.*)", name)
    if found is None or found[2] != socket.gethostname():
        return False
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
