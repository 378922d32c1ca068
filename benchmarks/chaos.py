"""A run of 500 tiles on a dask cluster under faults: killed processes, cut links, a full disk.

    OMP_NUM_THREADS=1 python benchmarks/chaos.py --seeds 20

While the tiles are processed, drawn at random for each seed: worker processes are killed and the
scheduler is; the link of the workers, which are in a network namespace of their own, is down for
seconds; all their connections to the scheduler are closed, or delayed, by a relay; the disk of the
result, a small tmpfs, is filled and freed. What was killed is started again. A run that ends
because the disk is full is continued as with `--resume`. Without the right to mount or to make
namespaces the disk is left alone and the workers are stopped (SIGSTOP) in place of the link.

Printed for each seed: whether the result is that of the undisturbed run bit for bit, how many
recorded tiles were processed again, and what happened. `--first` and `--minutes` run a part of the
seeds; `--edges 640 640` makes 100 tiles; `--save` adds the rows to `benchmarks/results/chaos.json`.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from chaos_cluster import Machines, Network

EDGES, TILE = (1280, 1600), 64
MAX_SECONDS = 600.0
"""Time after which a run counts as hanging, in s."""
DISK = 24
"""Size of the disk of the result, in MB."""
RESULTS = Path(__file__).with_name("results") / "chaos.json"


class Chaos(threading.Thread):
    """Disturbs the cluster and the disk until it is stopped.

    Parameters
    ----------
    machines : Machines
        The processes, which are started again when they have ended.
    disk : Path, optional
        Root of the small file system of the result.
    record : Path
        File with a line for each finished tile.
    seed : int
        Seed of the kinds and times of the events.
    """

    def __init__(self, machines: Machines, disk: Path | None, record: Path, seed: int) -> None:
        super().__init__(daemon=True)
        self.machines, self.disk, self.record = machines, disk, record
        self.random = random.Random(seed)
        self.happened: Counter[str] = Counter()
        self.over = threading.Event()

    def run(self) -> None:
        """Cause an event whenever some tiles were finished; one in three is followed by another."""
        kinds = ["worker", "worker", "scheduler", "link", "reset", "delay"]
        if self.disk is not None:
            kinds.append("disk")
        while True:
            end = self._finished() + self.random.randint(5, 60)
            while self._finished() < end:
                if self.over.wait(0.2):
                    return
                self.machines.start()
            again = True
            while again:
                kind = self.random.choice(kinds)
                self.happened[kind] += 1
                getattr(self, f"_{kind}")()
                again = self.random.random() < 1 / 3

    def _finished(self) -> int:
        try:
            return len(self.record.read_bytes().splitlines())
        except OSError:
            return 0

    def _worker(self) -> None:
        self.machines.kill_worker(self.random)

    def _scheduler(self) -> None:
        self.machines.kill_scheduler()
        self.over.wait(self.random.uniform(0, 3))

    def _link(self) -> None:
        self.machines.set_link(up=False)
        self.over.wait(self.random.uniform(1, 5))
        self.machines.set_link(up=True)

    def _reset(self) -> None:
        self.machines.relay.drop()

    def _delay(self) -> None:
        self.machines.relay.delay = 0.1
        self.over.wait(self.random.uniform(1, 3))
        self.machines.relay.delay = 0.0

    def _disk(self) -> None:
        assert self.disk is not None
        ballast = self.disk / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        self.over.wait(self.random.uniform(0.5, 2))
        ballast.unlink(missing_ok=True)


def deblur(source: Path, output: Path, seconds: float, **options: Any) -> list[int]:
    """Deblur in tiles of 64 pixels, and return the numbers in the record of the finished tiles."""
    import chaos_stage
    from unblur.engine.job import DeblurJob
    from unblur.io import read_image
    from unblur.model.context import Context
    from unblur.pipeline import Pipeline
    from unblur.runs import deblur_to_store
    from unblur.runs.store import journal_path

    chaos_stage.register()
    step = {"deconvolve": "slow-sharpen", "params": {"seconds": seconds}}
    pipeline = Pipeline(summary="Chaos.", steps=[step], tiles={"size": TILE})
    kernel = np.outer(np.hanning(9), np.hanning(9))
    job = DeblurJob.of(read_image(source, lazy=True), pipeline, kernel, Context())
    recorded: list[int] = []

    def note(_: Any) -> None:
        lines = (journal_path(output) / "tiles").read_text("ascii").splitlines()
        recorded.extend(int(line.split()[0]) for line in lines)

    deblur_to_store(job, output, before_publish=note, **options)
    return recorded


class Run(threading.Thread):
    """A run that is continued as often as the disk was full."""

    def __init__(self, source: Path, output: Path, address: str, seconds: float) -> None:
        super().__init__(daemon=True)
        self.arguments, self.address = (source, output, seconds), address
        self.recorded: list[int] = []
        self.resumed, self.error = 0, ""
        self.messages: list[str] = []

    def run(self) -> None:
        """Process the tiles until the result is complete or an unforeseen error ends the run."""
        from unblur.engine.running.dask_cluster import Cluster
        from unblur.errors import OutputError

        while True:
            cluster = Cluster(self.address, patience=120, on_message=self.messages.append)
            try:
                self.recorded = deblur(*self.arguments, scheduler=cluster, resume=self.resumed > 0)
                return
            except OutputError as error:
                if "space" not in str(error):
                    self.error = f"OutputError: {error}"
                    return
                self.resumed += 1
                time.sleep(2)
            except Exception as error:
                self.error = f"{type(error).__name__}: {error}"
                return


def disturbed(
    source: Path, output: Path, network: Network, disk: Path | None, seed: int, options: Any
) -> dict[str, Any]:
    """Return a row on a run under the events of a seed."""
    from unblur.runs.store import journal_path

    machines = Machines(network, 2, source.parent / f"dask-{seed}")
    machines.start()
    chaos = Chaos(machines, disk, journal_path(output) / "tiles", seed)
    run = Run(source, output, machines.address, options.tile_seconds)
    began = time.monotonic()
    run.start()
    chaos.start()
    run.join(MAX_SECONDS)
    if run.is_alive():
        run.error = f"hangs after {MAX_SECONDS:.0f} s"
        faulthandler.dump_traceback(all_threads=True)
    chaos.over.set()
    chaos.join(30)
    machines.stop()
    counted = Counter(run.recorded)
    return {
        "seed": seed,
        "tiles": len(counted),
        "repeated": sum(counted.values()) - len(counted),
        "resumed": run.resumed,
        "events": dict(sorted(chaos.happened.items())),
        "seconds": round(time.monotonic() - began),
        "error": run.error,
    }


def save(row: dict[str, Any], is_separate: bool, mounted: bool) -> None:
    """Store the row of a seed beside those of others."""
    stored = json.loads(RESULTS.read_text("utf-8"))["rows"] if RESULTS.exists() else []
    rows = sorted([*(r for r in stored if r["seed"] != row["seed"]), row], key=lambda r: r["seed"])
    content = {
        "command": f"OMP_NUM_THREADS=1 python benchmarks/chaos.py --seeds {len(rows)}",
        "network namespace": is_separate,
        "small disk": mounted,
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def main() -> int:
    """Run the seeds; return 1 if a result differs, a tile was repeated, or a run failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--edges", type=int, nargs=2, default=EDGES, help="of the image, pixels")
    parser.add_argument("--tile-seconds", type=float, default=0.03, help="wait in each tile")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    from unblur.io import read_image, write_image
    from unblur.model.image import Image

    began, rows = time.monotonic(), []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # not without unmounting
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        values = np.random.default_rng(0).integers(0, 4096, options.edges).astype(np.uint16)
        image = Image(values, "YX", metadata={"chunks": (TILE, TILE)})
        source = write_image(image, folder / "source.zarr")
        deblur(source, folder / "undisturbed.zarr", 0.0)
        undisturbed = read_image(folder / "undisturbed.zarr").data
        disk = folder / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "tmpfs", str(disk)]
        mounted = not subprocess.run(mount, capture_output=True, check=False).returncode
        network = Network(f"chaos{os.getpid()}")
        try:
            for seed in range(options.first, options.first + options.seeds):
                if options.minutes and time.monotonic() - began > 60 * options.minutes:
                    break
                output = disk / f"out-{seed}.zarr"
                row = disturbed(source, output, network, disk if mounted else None, seed, options)
                equal = not row["error"] and np.array_equal(read_image(output).data, undisturbed)
                rows.append({**row, "equal": bool(equal)})
                print(json.dumps(rows[-1]), flush=True)
                if options.save:
                    save(rows[-1], network.is_separate, mounted)
                if equal:
                    subprocess.run(["rm", "-r", str(output)], check=True)
        finally:
            network.close()
            if mounted:
                subprocess.run(["umount", "-l", str(disk)], check=True)
    return int(not all(row["equal"] and not row["repeated"] for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
