"""Tiles on the workers of a dask cluster: processes of this machine, or any machines."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from unblur.accel.malloc import retain_memory
from unblur.engine.running.dask_clients import client_at, client_of, local_cluster
from unblur.engine.running.schedulers import Current, Outcome, Scheduler
from unblur.engine.tiles.planning import cores
from unblur.engine.tiles.task import Done, Work
from unblur.engine.tiles.tiling import Tile
from unblur.errors import UnblurError, UsageError
from unblur.model.context import resolve_device

PATIENCE = 600.0
"""Seconds to wait for a lost scheduler before giving up."""

ATTEMPT = 20.0
"""Seconds that one attempt to reach a scheduler may take."""

POLL = 0.2
"""Seconds between looks at the cluster."""

RETRIES = 3
"""How often a tile is handed out again after its workers died, and after its result was lost."""

_GPU = threading.Lock()


class Cluster(Scheduler):
    """The workers of a dask cluster.

    Parameters
    ----------
    address : str
        "tcp://…" or "tls://…", the path of a scheduler file, or "local" for processes of this
        machine that end with the run.
    workers : int, optional
        Number of processes for "local"; by default one per CPU core.
    device : str
        As it was asked for; "auto" is decided on each worker.
    dashboard : str, optional
        Where the dashboard of a local cluster listens, e.g. "127.0.0.1:8787". None by default;
        of an address without a host the loopback interface is meant.
    patience : float
        Seconds to wait for a lost scheduler before giving up.
    on_message : callable, optional
        Receives sentences about the cluster while the run goes on.

    Notes
    -----
    Workers that carry the resource "GPU" get one tile per unit of it, and each worker process
    runs one tile on its GPU at a time. A worker that dies gives its tiles back; one that was
    killed for its memory has them halved. TLS, timeouts and the rest follow the configuration of
    `distributed`.
    """

    def __init__(
        self,
        address: str = "local",
        workers: int | None = None,
        *,
        device: str = "auto",
        dashboard: str | None = None,
        patience: float = PATIENCE,
        on_message: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.address = address
        self.workers = workers or cores()
        self.device = device
        self.dashboard = dashboard
        self.patience = patience
        self.on_message = on_message
        self._own: Any = None
        self._client: Any = None

    def run(self, work: Current, tiles: Iterable[Tile]) -> Iterator[tuple[Tile, Outcome]]:
        """Yield tiles in the order in which they finish."""
        if not hasattr(work().source.data, "dask"):
            raise UsageError(
                "the workers of a cluster read the image themselves; open it lazily, e.g. "
                "read_image(path, lazy=True)."
            )
        self._client = self._connect(min(ATTEMPT, self.patience))
        try:
            yield from self._drive(work, iter(tiles))
        finally:
            self._close()

    def _drive(self, work: Current, waiting: Iterator[Tile]) -> Iterator[tuple[Tile, Outcome]]:
        running: dict[Any, Tile] = {}
        again: list[Tile] = []
        deaths: dict[int, int] = {}
        losses: dict[int, int] = {}
        limits = _Limits(work)
        while True:
            try:
                _check_alive(self._client)
                self._hand_out(limits, running, again, waiting)
                if not running:
                    return
                ended = _ended(running)
            except _LOST:
                again += sorted(running.values(), key=lambda tile: tile.number)
                running.clear()
                self._reconnect()
                continue
            if not ended:
                time.sleep(POLL)
            for future in ended:
                tile = running.pop(future)
                if future.status in ("lost", "cancelled"):
                    again.append(tile)
                    continue
                end, lost = _outcome(future)
                future.release()
                if lost and losses.get(tile.number, 0) < RETRIES:
                    losses[tile.number] = losses.get(tile.number, 0) + 1
                    again.append(tile)
                    continue
                if _killed(end) and deaths.get(tile.number, 0) < RETRIES:
                    deaths[tile.number] = deaths.get(tile.number, 0) + 1
                    limits.halve(tile)
                    self.on_message(f"the workers died on {tile}; it is tried again in halves.")
                    again.append(tile)
                    continue
                yield tile, end

    def _hand_out(
        self,
        limits: _Limits,
        running: dict[Any, Tile],
        again: list[Tile],
        waiting: Iterator[Tile],
    ) -> None:
        """Keep every thread of every worker supplied with two tiles."""
        info = self._client.scheduler_info(n_workers=-1)["workers"]
        threads = sum(worker["nthreads"] for worker in info.values())
        on_gpu = any("GPU" in worker.get("resources", {}) for worker in info.values())
        while len(running) < max(2 * threads, 1):
            tile = again.pop(0) if again else next(waiting, None)
            if tile is None:
                return
            options = {"resources": {"GPU": 1}} if on_gpu else {}
            future = self._client.submit(
                run_tile,
                limits.work(),
                tile,
                self.device,
                self._threads_each(),
                key=f"unblur-tile-{tile.number}-{time.monotonic_ns()}",
                pure=False,
                **options,
            )
            running[future] = tile

    def _threads_each(self) -> int:
        """Return how many threads torch may use in each tile: its share, but no more than here."""
        if self._own is None:
            return 1
        return min(max(cores() // self.workers, 1), torch.get_num_threads())

    def _connect(self, patience: float) -> Any:
        if self.address == "local":
            self._own = self._own or local_cluster(self.workers, self.dashboard)
            return client_of(self._own)
        return client_at(self.address, patience)

    def _reconnect(self) -> None:
        """Wait for the scheduler to come back."""
        self._disconnect()
        if self.address == "local":
            raise UnblurError("the local dask cluster has died; run again with --resume.")
        self.on_message(f"lost the scheduler {self.address}; waiting for it to come back.")
        end = time.monotonic() + self.patience
        while True:
            try:
                self._client = self._connect(min(ATTEMPT, self.patience))
                self.on_message(f"the scheduler {self.address} is back.")
                return
            except (UnblurError, *_LOST):
                if time.monotonic() > end:
                    raise UnblurError(
                        f"the scheduler {self.address} did not come back within "
                        f"{self.patience:.0f} s; start it and run again with --resume."
                    ) from None
                time.sleep(1.0)

    def _disconnect(self) -> None:
        if self._client is not None:
            with suppress(*_LOST):
                self._client.close(timeout=1)
            self._client = None

    def _close(self) -> None:
        """Let go of the cluster, and end it if it is this run's own."""
        self._disconnect()
        if self._own is not None:
            self._own.close()
            self._own = None


class _Limits:
    """The work as it stands, made fit for other processes."""

    def __init__(self, current: Current) -> None:
        self._current = current
        self._limit: int | None = None
        self._portable: Work | None = None

    def halve(self, tile: Tile) -> None:
        """Have tiles of this size done in halves from now on."""
        pixels = 1
        for part in tile.core:
            pixels *= part.stop - part.start
        now = self._current().within(self._limit).limit
        self._limit = min(pixels, now or pixels) // 2

    def work(self) -> Work:
        """Return the work to be done."""
        work = self._current().within(self._limit)
        if self._portable is None or self._portable.limit != work.limit:
            self._portable = work.portable()
        return self._portable


def run_tile(work: Work, tile: Tile, device: str, threads: int) -> Done:
    """Do one tile in this worker process."""
    own = resolve_device(device)
    if torch.device(own).type == "cpu":
        torch.set_num_threads(threads)
        retain_memory()
        return work(tile, own)
    with _GPU:
        return work(tile, own)


def make_scheduler(
    name: str, workers: int | None = None, *, device: str = "auto", **options: Any
) -> Scheduler | None:
    """Return the scheduler that `--scheduler NAME` stands for; `None` for threads.

    Raises
    ------
    UsageError
        If the name is none of threads, local, an address, or a scheduler file.
    """
    if name == "threads":
        return None
    if name == "local" or "://" in name or Path(name).suffix == ".json":
        return Cluster(name, workers, device=device, **options)
    raise UsageError(
        f"a scheduler is threads, local, an address such as tcp://host:8786, or a scheduler file "
        f"(.json), got '{name}'."
    )


def _check_alive(client: Any) -> None:
    """Raise `OSError` if the client has lost its scheduler.

    It tries to reconnect by itself for a while, but knows nothing of its tiles afterwards.
    """
    if client.status != "running":
        raise ConnectionError("the scheduler is gone")


def _ended(running: dict[Any, Tile]) -> list[Any]:
    """Return the futures that are not pending any more, in the order of their tiles."""
    ended = [future for future in running if future.status != "pending"]
    return sorted(ended, key=lambda future: running[future].number)


def _outcome(future: Any) -> tuple[Outcome, bool]:
    """Return how a tile ended, and whether that says nothing of the tile itself.

    A scheduler that dies between the tile's end and this call takes the news with it.
    """
    status = future.status
    try:
        done = future.result(timeout=60)
    except Exception as error:
        return error, not status == future.status == "error"
    assert isinstance(done, Done)
    return done, False


def _killed(end: Outcome) -> bool:
    return type(end).__name__ == "KilledWorker"


_LOST = (OSError, TimeoutError)
"""What a client raises whose scheduler has gone; CommClosedError is an OSError."""
