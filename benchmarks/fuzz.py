"""Damaged and altered files of every format: each is read or refused in one sentence.

    python benchmarks/fuzz.py --cases 10000 --seed 0

Each case is made from a valid file (`fuzz_seeds.py`) by a few changes (`fuzz_mutations.py`) and
read in a child process as a run would (`fuzz_check.py`). Reported are exceptions that are not for
users, refusals that are not one sentence, more than 5 seconds, more than 1 GB, a file opened for
writing outside the case's folder, a pickle, a process started, and the end of the child. `--formats
tiff,png` restricts the formats, and `--only NAME --first N --cases 1` makes one case again.

With `--save` the rows of the formats are written to `benchmarks/results/fuzz.json` after every 250
cases, where those of other formats stay, with the numbers of the cases that were found.
`--continue` begins each format after the cases that are stored there, so that a run may be cut.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz_check import Watch, run_case, warm
from fuzz_seeds import Seed, make_seeds

MAX_SECONDS = 5.0
"""Longest processor time of a case, in s."""

PATIENCE = 180.0
"""Time after which a child counts as hanging though it uses little processor time, in s."""

MAX_GROWTH = 10**9
"""Most memory of a case beyond that of the idle child, in bytes."""

HARD_LIMIT = 6 * 10**9
"""Memory at which the child ends, so that the machine is not filled, in bytes."""

SAVE_EVERY = 250
"""Number of cases of each format after which the rows are stored."""

RESULTS = Path(__file__).with_name("results") / "fuzz.json"


@dataclass
class Totals:
    """Counts of one format."""

    counts: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    most_memory: int = 0
    found: dict[str, list[int]] = field(default_factory=dict)

    def add(self, number: int, status: str, detail: str, seconds: float, growth: int) -> None:
        """Count a case; one that is neither read nor refused is kept by its number and file."""
        self.counts[status] += 1
        self.slowest = max(self.slowest, seconds)
        self.most_memory = max(self.most_memory, growth)
        if status not in ("read", "refused"):
            self.found.setdefault(f"{status} {_last_line(detail)}".strip(), []).append(number)


def child(connection: Any, seeds: list[Seed], run: int, folder: Path) -> None:
    """Run the cases that arrive, and send back status, detail, seconds and bytes of each."""
    resource.setrlimit(resource.RLIMIT_DATA, (HARD_LIMIT, HARD_LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for seed in seeds:  # imports what the formats need
        warm(seed)
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    watch = Watch(folder)
    connection.send("ready")
    while True:
        job = connection.recv()
        if job is None:
            return
        index, number = job
        before = _reset_peak()
        began = time.process_time()
        outcome = run_case(seeds[index], number, run, folder / "case", watch)
        seconds = time.process_time() - began
        connection.send((outcome.status, outcome.detail, seconds, _status("VmHWM") - before))


def _reset_peak() -> int:
    """Set the peak of memory to the present amount, and return that."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    return 0


class Worker:
    """A child process, started anew when it ends or hangs."""

    def __init__(self, seeds: list[Seed], run: int, folder: Path) -> None:
        self._arguments = (seeds, run, folder)
        self._context = multiprocessing.get_context("spawn")
        self._process: Any = None

    def run(self, index: int, number: int) -> tuple[str, str, float, int]:
        """Return status, detail, seconds and bytes of a case."""
        if self._process is None or not self._process.is_alive():
            self._start()
        self._connection.send((index, number))
        used, began = self._processor_time(), time.monotonic()
        while not self._connection.poll(0.5):
            seconds = self._processor_time() - used
            if seconds > MAX_SECONDS or time.monotonic() - began > PATIENCE:
                self.stop()
                return "hang", "", seconds, 0
        try:
            found: tuple[str, str, float, int] = self._connection.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            self._process = None
            return "crash", f"the process ended with status {code}", 0.0, 0
        status, detail, seconds, growth = found
        if seconds > MAX_SECONDS:
            return "hang", detail, seconds, growth
        return ("memory" if growth > MAX_GROWTH else status), detail, seconds, growth

    def _processor_time(self) -> float:
        """Return the processor time of the child, in s."""
        try:
            text = Path(f"/proc/{self._process.pid}/stat").read_text()
        except OSError:
            return 0.0
        user, system = text.rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def _start(self) -> None:
        self._connection, other = self._context.Pipe()
        self._process = self._context.Process(target=child, args=(other, *self._arguments))
        self._process.start()
        other.close()
        self._connection.recv()

    def stop(self) -> None:
        """End the child."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def main() -> int:
    """Run the cases and print what was found; return 1 if anything was."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000, help="cases of each format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--formats", default="", help="names separated by commas")
    parser.add_argument("--only", default="", help="name of one valid file")
    parser.add_argument("--minutes", type=float, default=0, help="stop after this time")
    parser.add_argument("--show", type=int, default=5, help="findings of a kind that are printed")
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--continue", action="store_true", dest="continued")
    options = parser.parse_args()
    began = time.monotonic()
    totals = _stored_totals(options) if options.continued else {}
    begin = {group: total.counts.total() for group, total in totals.items()}
    kinds: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        (folder / "seeds").mkdir()
        seeds = make_seeds(folder / "seeds")
        wanted = [n for n in options.formats.split(",") if n]
        groups: dict[str, list[int]] = {}
        for index, seed in enumerate(seeds):
            if (not wanted or seed.group in wanted) and options.only in ("", seed.path.name):
                groups.setdefault(seed.group, []).append(index)
        totals = {group: totals.get(group, Totals()) for group in groups}
        worker = Worker(seeds, options.seed, folder)
        for number in range(options.first, options.first + options.cases):
            if options.minutes and time.monotonic() - began > 60 * options.minutes:
                break
            for group, indices in groups.items():
                if number < begin.get(group, 0):
                    continue
                index = indices[number % len(indices)]
                status, detail, seconds, growth = worker.run(index, number)
                totals[group].add(number, status, detail, seconds, growth)
                if status not in ("read", "refused"):
                    kind = f"{group} {status} {_last_line(detail)}"
                    kinds[kind] += 1
                    if kinds[kind] <= options.show:
                        name = seeds[index].path.name
                        print(
                            f"{name} case {number}: {status} {seconds:.1f} s {detail}", flush=True
                        )
            if number % SAVE_EVERY == SAVE_EVERY - 1:
                print(f"{number + 1} of each in {time.monotonic() - began:.0f} s", flush=True)
                if options.save:
                    _save(totals, options)
        worker.stop()
    _print(totals)
    for kind, count in kinds.most_common():
        print(count, kind)
    if options.save:
        _save(totals, options)
    return int(bool(kinds))


def _last_line(detail: str) -> str:
    """Return the error without the numbers and paths by which two of one kind differ."""
    words = (detail.strip().splitlines() or [""])[-1].split(":")[0].split()
    return " ".join(Path(word).name if word.startswith("/") else word for word in words)


def _stored_totals(options: argparse.Namespace) -> dict[str, Totals]:
    """Return the counts of cases from 0 onward that an earlier run with this seed stored."""
    if options.first or options.only:
        raise SystemExit("--continue begins after the stored cases: leave out --first and --only")
    content = json.loads(RESULTS.read_text("utf-8"))
    if not content["command"].endswith(f"--seed {options.seed}"):
        raise SystemExit(f"the stored cases were made with: {content['command']}")
    totals = {}
    for row in content["rows"]:
        counts = Counter({"read": row["read"], "refused": row["refused"], "other": row["other"]})
        memory = row["memory_mb"] * 10**6
        totals[row["format"]] = Totals(counts, row["slowest_s"], memory, row.get("found", {}))
    return totals


def _rows(totals: dict[str, Totals]) -> list[dict[str, Any]]:
    return [
        {
            "format": group,
            "cases": total.counts.total(),
            "read": total.counts["read"],
            "refused": total.counts["refused"],
            "other": total.counts.total() - total.counts["read"] - total.counts["refused"],
            "slowest_s": round(total.slowest, 2),
            "memory_mb": round(total.most_memory / 1e6),
            **({"found": total.found} if total.found else {}),
        }
        for group, total in totals.items()
    ]


def _print(totals: dict[str, Totals]) -> None:
    for row in _rows(totals):
        print("  ".join(f"{name} {value}" for name, value in row.items()))


def _save(totals: dict[str, Totals], options: argparse.Namespace) -> None:
    """Write the rows in place of those of the same formats; the others stay."""
    stored = json.loads(RESULTS.read_text("utf-8"))["rows"] if RESULTS.exists() else []
    rows = {row["format"]: row for row in [*stored, *_rows(totals)]}
    content = {
        "command": f"python benchmarks/fuzz.py --cases N --formats NAMES --seed {options.seed}",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "rows": list(rows.values()),
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
