"""Tiles on the workers of a dask cluster: processes of this machine, or any machines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from unblur.engine.running.schedulers import CurrentTask, Scheduler, TileOutcome, outcome_of
from unblur.engine.tiles.planning import cores
from unblur.engine.tiles.task import PortableTask, run_in_worker
from unblur.engine.tiles.tiling import Tile
from unblur.errors import UnblurError, UsageError

PATIENCE = 600.0
"""Longest wait for a lost scheduler, in seconds."""

ATTEMPT = 20.0
"""Longest attempt to reach a scheduler, in seconds."""

POLL = 0.2
"""Time between queries of the cluster, in seconds."""

RETRIES = 3
"""Number of submissions of a tile after its workers died or its result was lost, dimensionless."""


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
        As the user gives it; "auto" is resolved on each worker.
    dashboard : str, optional
        Address of the dashboard of a local cluster, e.g. "127.0.0.1:8787"; the loopback
        interface if it has no host. No dashboard by default.
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

    def run(self, task: CurrentTask, tiles: Iterable[Tile]) -> Iterator[tuple[Tile, TileOutcome]]:
        """Yield tiles in the order in which they finish."""
        if not hasattr(task().reader.data, "dask"):
            raise UsageError(
                "the workers of a cluster read the image themselves; open it lazily, e.g. "
                "read_image(path, lazy=True)."
            )
        self._client = self.connect(min(ATTEMPT, self.patience))
        try:
            yield from self._drive(task, iter(tiles))
        finally:
            self.close()

    def _drive(
        self, task: CurrentTask, waiting: Iterator[Tile]
    ) -> Iterator[tuple[Tile, TileOutcome]]:
        running: dict[Any, Tile] = {}
        again: list[Tile] = []
        deaths: dict[int, int] = {}
        losses: dict[int, int] = {}
        portable = PortableTask(task)
        while True:
            try:
                _check_alive(self._client)
                self._submit(portable, running, again, waiting)
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
                outcome, lost = outcome_of(future)
                future.release()
                if lost and losses.get(tile.number, 0) < RETRIES:
                    losses[tile.number] = losses.get(tile.number, 0) + 1
                    again.append(tile)
                    continue
                if _was_killed(outcome) and deaths.get(tile.number, 0) < RETRIES:
                    deaths[tile.number] = deaths.get(tile.number, 0) + 1
                    portable.halve(tile)
                    self.on_message(f"the workers died on {tile}; it is tried again in halves.")
                    again.append(tile)
                    continue
                yield tile, outcome

    def _submit(
        self,
        portable: PortableTask,
        running: dict[Any, Tile],
        again: list[Tile],
        waiting: Iterator[Tile],
    ) -> None:
        """Submit tiles until every thread of every worker has two."""
        info = self._client.scheduler_info(n_workers=-1)["workers"]
        threads = sum(worker["nthreads"] for worker in info.values())
        on_gpu = any("GPU" in worker.get("resources", {}) for worker in info.values())
        while len(running) < max(2 * threads, 1):
            tile = again.pop(0) if again else next(waiting, None)
            if tile is None:
                return
            options = {"resources": {"GPU": 1}} if on_gpu else {}
            future = self._client.submit(
                run_in_worker,
                portable.task(),
                tile,
                self.device,
                self._threads_each(),
                key=f"unblur-tile-{tile.number}-{time.monotonic_ns()}",
                pure=False,
                **options,
            )
            running[future] = tile

    def _threads_each(self) -> int:
        """Return the number of threads of torch in each tile: an equal share."""
        if self._own is None:
            return 1
        return min(max(cores() // self.workers, 1), torch.get_num_threads())

    def connect(self, patience: float) -> Any:
        """Return a client of the cluster, which is started first if it is a local one.

        Raises
        ------
        UnblurError
            If no scheduler answers within `patience` seconds.
        """
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
                self._client = self.connect(min(ATTEMPT, self.patience))
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

    def close(self) -> None:
        """Disconnect from the cluster, and end it if this run started it."""
        self._disconnect()
        if self._own is not None:
            self._own.close()
            self._own = None


def _check_alive(client: Any) -> None:
    """Raise `OSError` if the client has lost its scheduler.

    It tries to reconnect by itself for a while, but has lost its tiles afterwards.
    """
    if client.status != "running":
        raise ConnectionError("the scheduler is gone")


def _ended(running: dict[Any, Tile]) -> list[Any]:
    """Return the futures that are not pending any more, in the order of their tiles."""
    ended = [future for future in running if future.status != "pending"]
    return sorted(ended, key=lambda future: running[future].number)


def _was_killed(outcome: TileOutcome) -> bool:
    return type(outcome).__name__ == "KilledWorker"


_LOST = (OSError, TimeoutError)
"""Exceptions of a client whose scheduler has gone; CommClosedError is an OSError."""


def local_cluster(workers: int, dashboard: str | None) -> Any:
    """Return a cluster of worker processes of this machine, reached through loopback alone."""
    return _distributed().LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=_on_loopback(dashboard or "0"),
        scheduler_kwargs={"dashboard": dashboard is not None},
        silence_logs=50,
    )


def client_of(cluster: Any) -> Any:
    """Return a client of a cluster of this process."""
    return _distributed().Client(cluster, set_as_default=False)


def client_at(address: str, patience: float) -> Any:
    """Return a client of the scheduler at an address or of a scheduler file.

    Raises
    ------
    UnblurError
        If it does not answer within `patience` seconds.
    """
    if "://" not in address:
        return _by_file(address, patience)
    try:
        return _distributed().Client(address, timeout=patience, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UnblurError(
            f"there is no dask scheduler at {address} ({_short(error)}); start one with "
            "`dask scheduler`, or use --scheduler threads."
        ) from None


def _distributed() -> Any:
    import distributed

    return distributed


def _by_file(path: str, patience: float) -> Any:
    if not Path(path).exists():
        raise UnblurError(f"there is no scheduler file {path}; start the scheduler first.")
    try:
        return _distributed().Client(scheduler_file=path, timeout=patience, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UnblurError(
            f"the scheduler of {path} does not answer ({_short(error)}); start it again."
        ) from None


def _on_loopback(address: str) -> str:
    """Return an address of the loopback interface where a port is given without a host."""
    host, _, port = address.rpartition(":")
    return f"{host or '127.0.0.1'}:{port}"


def _short(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:120] or type(error).__name__
