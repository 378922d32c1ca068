"""Record of the finished tiles of a run on disk, so that a crash costs only the tiles in work."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from unblur.errors import OutputError
from unblur.io.files import explained
from unblur.model.kernel import Kernel, KernelField
from unblur.runs.run_lock import RunLock

AFTER_POWER_LOSS = 60.0
"""Time before the end of an interrupted run whose tiles are processed again if the machine was
restarted since, in seconds. The system keeps written data in memory for about half as long."""

BOOT = Path("/proc/sys/kernel/random/boot_id")
"""File of the system that changes when the machine is restarted."""


CROP, INPUT = "the crop", "the input"
"""Names of the cropped part and of its values in the description of a run."""


class Journal:
    """The record of one run in a folder beside its output, held under a lock.

    The folder holds `job.json` (image, pipeline and kernel), `tiling.json` (the tiles),
    `kernels.npz` (estimated kernels), `tiles` (one line for each finished tile, on
    disk before the next is begun) and `lock`. It is removed when the run is complete.

    Parameters
    ----------
    folder : Path
        Created if it is missing.
    output : Path
        The result, for messages.

    Raises
    ------
    OutputError
        If another run holds the lock, or the folder cannot be written.
    """

    def __init__(self, folder: Path, output: Path) -> None:
        self.folder, self.output = folder, output
        existed = folder.exists()
        try:
            with explained(output):
                held = RunLock.acquire(folder / "lock")
        except OutputError:
            if not existed:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        if isinstance(held, str):
            raise OutputError(
                f"{output} is being written by another run ({held}); wait for it, or choose "
                "another output."
            )
        self._lock = held
        self._tiles: IO[str] | None = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def description(self) -> dict[str, Any] | None:
        """Description of the interrupted run, `None` if there was none."""
        try:
            content = json.loads((self.folder / "job.json").read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def begin(self, description: Mapping[str, Any]) -> None:
        """Delete the record of an earlier run and store the description of this one."""
        for name in ("tiles", "tiling.json", "kernels.npz", "job.json"):
            (self.folder / name).unlink(missing_ok=True)
        self._write("job.json", json.dumps({**description, "boot": _boot()}, indent=1).encode())

    def check(self, description: Mapping[str, Any], advice: str = "run without --resume") -> None:
        """Raise `OutputError` unless the interrupted run had the same description.

        `description` maps names for the user ("the params") to plain values.
        """
        before = self.description or {}
        changed = [name for name, value in description.items() if before.get(name) != value]
        if CROP in changed and INPUT in changed:
            changed.remove(INPUT)  # its values are those of the cropped part
        if changed:
            verb = "has" if len(changed) == 1 and not changed[0].endswith("s") else "have"
            raise OutputError(
                f"{self.output} cannot be resumed: {' and '.join(changed)} {verb} changed since "
                f"the interrupted run; {advice} to start again."
            )

    def finished(self) -> set[int]:
        """Return the numbers of the finished tiles."""
        try:
            lines = (self.folder / "tiles").read_text("ascii").splitlines(keepends=True)
        except FileNotFoundError:
            return set()
        entries = [line.split() for line in lines if line.endswith("\n")]
        done = {int(number): float(when) for number, when in entries}
        if (self.description or {}).get("boot") != _boot() and done:
            last = max(done.values())
            done = {n: when for n, when in done.items() if when < last - AFTER_POWER_LOSS}
        return set(done)

    def record(self, number: int) -> None:
        """Record on disk that a tile is finished."""
        try:
            if self._tiles is None:
                self._tiles = _opened_at_line(self.folder / "tiles")
            self._tiles.write(f"{number} {time.time():.0f}\n")
            self._tiles.flush()
            os.fsync(self._tiles.fileno())
        except OSError as error:
            raise OutputError(
                f"{self.output} cannot be written: {error.strerror}; free some space and --resume."
            ) from error

    def save_kernels(
        self,
        field: KernelField,
        region: str,
        confidence: float | None = None,
        choices: Mapping[str, str] | None = None,
    ) -> None:
        """Store estimated kernels, so that a resumed run uses the same ones."""
        known: dict[str, Any] = {} if confidence is None else {"confidence": confidence}
        known["choices"] = json.dumps(dict(choices or {}))
        stack = [[kernel.weights for kernel in row] for row in field.kernels]
        known |= {"rows": field.rows, "columns": field.columns, "region": region}
        draft = self.folder / "kernels.part.npz"
        with explained(self.output):
            np.savez(draft, weights=stack, **known)
            draft.replace(self.folder / "kernels.npz")

    def save_tiling(self, size: Sequence[int], tz_group: Sequence[int]) -> None:
        """Store size and grouping of the tiles, so that a resumed run uses the same ones."""
        self._write("tiling.json", json.dumps([list(size), list(tz_group)]).encode())

    def tiling(self) -> tuple[tuple[int, ...], tuple[int, int]] | None:
        """Return size and grouping of the tiles, `None` if they are not chosen yet."""
        try:
            size, (times, depths) = json.loads((self.folder / "tiling.json").read_text("utf-8"))
        except FileNotFoundError:
            return None
        return tuple(size), (times, depths)

    def kernels(self) -> tuple[KernelField, str, float | None, dict[str, str]] | None:
        """Return the stored kernels, their region, confidence and choices; `None` if none are."""
        try:
            with np.load(self.folder / "kernels.npz", allow_pickle=False) as stored:
                kernels = tuple(tuple(Kernel(k) for k in row) for row in stored["weights"])
                rows, columns = (tuple(map(float, stored[n])) for n in ("rows", "columns"))
                confidence = float(stored["confidence"]) if "confidence" in stored else None
                choices = json.loads(str(stored["choices"])) if "choices" in stored else {}
                field = KernelField(kernels, rows, columns)
                return field, str(stored["region"]), confidence, choices
        except FileNotFoundError:
            return None

    def close(self) -> None:
        """Release the lock; the record stays for a resumed run."""
        if self._tiles is not None:
            self._tiles.close()
            self._tiles = None
        self._lock.close()

    def delete(self) -> None:
        """Release the lock and remove the record: the result has its final name."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, name: str, content: bytes) -> None:
        draft = self.folder / f"{name}.part"
        with explained(self.output):
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.folder / name)


def _opened_at_line(path: Path) -> IO[str]:
    """Open a file for appending, a line that a crash cut short removed first."""
    torn = path.exists() and not path.read_bytes().endswith(b"\n")
    file = path.open("a", encoding="ascii")
    if torn and path.stat().st_size:
        kept = path.read_bytes()
        file.truncate(kept.rfind(b"\n") + 1)
    return file


def _boot() -> str:
    """Return the identifier of this start of the machine; "" where the system has none."""
    try:
        return BOOT.read_text("ascii").strip()
    except OSError:
        return ""
