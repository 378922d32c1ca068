"""Check of the sectors of a compound file, the container of OIB, before a package follows them.

A compound file is a file system: a table (FAT) holds the next sector of each sector, so that the
directory and each stream are a chain of sectors. A chain that is a circle has no end.

Microsoft, "[MS-CFB]: Compound File Binary File Format", sections 2.2 to 2.6.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ImageError

SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""The first bytes of a compound file, 8 bytes."""

ENDED, OUTSIDE, CIRCLE = range(3)
"""What becomes of a chain of sectors: it ends, leaves the file, or does not end; no unit."""

_UNKNOWN = -1
_END = 0xFFFFFFFE
_HEADER_BYTES, _ENTRY_BYTES, _MINI_BYTES = 512, 128, 64
_STREAM = 2
_FIRST_LISTED = 109
"""Number of sectors of the table that the header itself lists, dimensionless."""


class _Header(NamedTuple):
    """Numbers of the header: sectors, and counts of sectors."""

    table_count: int
    directory: int
    mini_cutoff: int
    mini_table: int
    mini_table_count: int
    lists: int
    list_count: int


def check_compound_file(path: Path) -> None:
    """Refuse a compound file that has a chain of sectors which is a circle or leaves the file.

    Only the table and the directory are read, in a time that grows as the number of sectors. What
    is no compound file, or of another size of sectors, is left to the package that reads the
    format.

    Raises
    ------
    ImageError
        If a chain does not end within the file.
    """
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
        if len(head) < _HEADER_BYTES or not head.startswith(SIGNATURE):
            return
        (shift,) = struct.unpack_from("<H", head, 30)
        if shift in (9, 12):
            _Sectors(path, file, head, 1 << shift).check()


def follow_chains(table: NDArray[Any], starts: Any, count: int) -> NDArray[np.int_]:
    """Return what becomes of the chains that begin with given sectors.

    Parameters
    ----------
    table : array of uint32
        The next sector of each sector; 0xFFFFFFFE ends a chain.
    starts : sequence of int
        The first sectors of chains.
    count : int
        Number of sectors of the file.

    Returns
    -------
    array of int
        `ENDED`, `OUTSIDE` or `CIRCLE` for each start.

    Notes
    -----
    Sectors that follow one another are a run, which cannot be a circle in itself; each run is
    visited once.
    """
    limit = min(len(table), count)
    following = table[:limit].astype(np.int64)
    ends_run = following != np.arange(1, limit + 1)
    ends_run[-1:] = True
    numbers = np.append(np.cumsum(ends_run) - ends_run, 0)
    runs = int(np.count_nonzero(ends_run))

    def run_of(sectors: NDArray[np.int64]) -> list[int]:
        found = numbers[np.minimum(sectors, limit)]
        found[sectors >= limit] = runs + OUTSIDE
        found[sectors == _END] = runs + ENDED
        return list(found.tolist())

    next_run = run_of(following[ends_run])
    states = [*[_UNKNOWN] * runs, ENDED, OUTSIDE]
    found = []
    for start in run_of(np.asarray(starts, np.int64)):
        run, passed = start, []
        while states[run] == _UNKNOWN:
            states[run] = CIRCLE  # until its end is known
            passed.append(run)
            run = next_run[run]
        for earlier in passed:
            states[earlier] = states[run]
        found.append(states[start])
    return np.array(found, int)


class _Sectors:
    """The table and the directory of an open compound file."""

    def __init__(self, path: Path, file: BinaryIO, head: bytes, size: int) -> None:
        self._path, self._file, self._size = path, file, size
        length = path.stat().st_size
        self._count = max(0, -(-length // size) - 1)  # the header takes the room of one
        counts = struct.unpack_from("<II4xIIIII", head, 44)
        self._header = _Header(*counts)
        self._listed = np.frombuffer(head, "<u4", _FIRST_LISTED, 76)

    def check(self) -> None:
        """Refuse the file if a chain of it does not end."""
        header = self._header
        table = self._read_table()
        self._require(table, [header.directory], ["directory"])
        mini_table = np.zeros(0, np.uint32)
        if header.mini_table_count:
            self._require(table, [header.mini_table], ["table of short streams"])
            sectors = self._chain(table, header.mini_table)[: header.mini_table_count]
            mini_table = self._read(sectors).view("<u4")
        entries = self._read(self._chain(table, header.directory)).reshape(-1, _ENTRY_BYTES)
        if not len(entries):
            return
        kinds = entries[:, 66]
        starts = np.ascontiguousarray(entries[:, 116:120]).view("<u4")[:, 0].astype(np.int64)
        sizes = np.ascontiguousarray(entries[:, 120:128]).view("<u8")[:, 0]
        if self._size == 512:  # of version 3, where the upper half may hold anything
            sizes = sizes & np.uint64(0xFFFFFFFF)
        if starts[0] != _END:
            self._require(table, starts[:1], ["short streams"])
        mini_count = int(sizes[0]) // _MINI_BYTES
        for chains, limit, chosen in (
            (table, self._count, sizes >= header.mini_cutoff),
            (mini_table, mini_count, sizes < header.mini_cutoff),
        ):
            wanted = np.flatnonzero((kinds == _STREAM) & chosen)
            names = [_name(entries[n]) for n in wanted]
            self._require(chains, starts[wanted], names, limit, sizes[wanted] == 0)

    def _read_table(self) -> NDArray[Any]:
        """Return the next sector of each sector, from the sectors that the header lists."""
        header = self._header
        if max(header.table_count, header.list_count) > self._count:
            number = max(header.table_count, header.list_count)
            raise ImageError(
                f"{self._path} is damaged: its table of sectors should fit into the {self._count} "
                f"sectors of the file, but is stated to take {number}; copy the file again."
            )
        listed, sector = [self._listed], header.lists
        for _ in range(header.list_count):
            found = self._read(np.array([sector])).view("<u4")
            listed.append(found[:-1])
            sector = int(found[-1])
        sectors = np.concatenate(listed)[: header.table_count].astype(np.int64)
        if len(np.unique(sectors)) < len(sectors):
            raise ImageError(
                f"{self._path} is damaged: each sector of its table of sectors should be listed "
                "once, but one is listed twice; copy the file again."
            )
        return self._read(sectors).view("<u4")

    def _require(
        self,
        table: NDArray[Any],
        starts: Any,
        names: list[str],
        count: int = -1,
        empty: Any = False,
    ) -> None:
        """Refuse the file if a chain does not end; one of an `empty` stream may be anywhere."""
        ends = follow_chains(table, starts, self._count if count < 0 else count)
        wrong = np.flatnonzero((ends == CIRCLE) | ((ends == OUTSIDE) & ~np.asarray(empty, bool)))
        if len(wrong):
            found = "go round in a circle" if ends[wrong[0]] == CIRCLE else "leave the file"
            raise ImageError(
                f"{self._path} is damaged or cut short: the sectors of its '{names[wrong[0]]}' "
                f"should end within the file, but {found}; copy the file again."
            )

    def _chain(self, table: NDArray[Any], start: int) -> NDArray[np.int64]:
        """Return the sectors of a chain that ends."""
        return np.fromiter(_walk(table, start), np.int64)

    def _read(self, sectors: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the bytes of sectors, one after another; zeros beyond the end of the file."""
        if len(sectors) and sectors.max() >= self._count:
            raise ImageError(
                f"{self._path} is damaged or cut short: its table of sectors should lie within the "
                f"{self._count} sectors of the file, but names sector {sectors.max()}; copy the "
                "file again."
            )
        found = np.zeros((len(sectors), self._size), np.uint8)
        for row, sector in zip(found, sectors.tolist(), strict=True):
            self._file.seek((sector + 1) * self._size)
            data = self._file.read(self._size)
            row[: len(data)] = np.frombuffer(data, np.uint8)
        return found.reshape(-1)


def _walk(table: NDArray[Any], sector: int) -> Iterator[int]:
    while sector != _END:
        yield sector
        sector = int(table[sector])


def _name(entry: NDArray[np.uint8]) -> str:
    """Return the name of an entry of the directory."""
    return entry[:64].tobytes().decode("utf-16-le", "replace").split("\0")[0]
