"""Schedulers of tiles: threads of this process; the workers of a dask cluster implement it too."""

from __future__ import annotations

import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from unblur.accel.malloc import no_malloc_trim
from unblur.engine.tiles.task import TileResult, TileTask
from unblur.engine.tiles.tiling import Tile
from unblur.errors import UsageError

TileOutcome = TileResult | Exception
CurrentTask = Callable[[], TileTask]
"""Returns the task in its present state: a limit found on one tile holds for those after it."""


class Scheduler(ABC):
    """Runs a task on tiles, a few at a time, and yields them as they finish.

    Attributes
    ----------
    in_process : bool
        Whether tiles run in this process, so that they may write pieces of one chunk.
    """

    in_process: bool = False

    @abstractmethod
    def run(self, task: CurrentTask, tiles: Iterable[Tile]) -> Iterator[tuple[Tile, TileOutcome]]:
        """Yield each tile with its result, or with the exception that it raised.

        Closing the iterator drops the tiles that have not begun.
        """


class Threads(Scheduler):
    """Threads of this process; one per GPU, or sharing the CPU's cores between them.

    Parameters
    ----------
    workers : int
        Tiles at a time.
    device : str
        "cuda" spreads the workers over all GPUs; any other device serves all workers.
    """

    in_process = True

    def __init__(self, workers: int, device: str = "cpu") -> None:
        self.workers = workers
        self.device = device

    def run(self, task: CurrentTask, tiles: Iterable[Tile]) -> Iterator[tuple[Tile, TileOutcome]]:
        """Yield tiles in the order in which they finish."""
        devices: queue.SimpleQueue[str] = queue.SimpleQueue()
        for name in worker_devices(self.device, self.workers):
            devices.put(name)

        def one(tile: Tile) -> TileResult:
            device = devices.get()
            try:
                return task()(tile, device)
            finally:
                devices.put(device)

        with shared_cores(self.workers, self.device) as prepare:
            pool = ThreadPoolExecutor(self.workers, "tile", initializer=prepare)
            try:
                yield from _bounded(tiles, lambda tile: pool.submit(one, tile), self.workers + 1)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def _bounded(
    tiles: Iterable[Tile], submit: Callable[[Tile], Future[TileResult]], most: int
) -> Iterator[tuple[Tile, TileOutcome]]:
    """Keep at most `most` tiles submitted, so that memory holds no more than those."""
    waiting = iter(tiles)
    running: dict[Future[TileResult], Tile] = {}
    while True:
        for tile in waiting:
            running[submit(tile)] = tile
            if len(running) >= most:
                break
        if not running:
            return
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in sorted(finished, key=lambda f: running[f].number):
            tile = running.pop(future)
            yield tile, _outcome_of(future)


def _outcome_of(future: Future[TileResult]) -> TileOutcome:
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, Exception):
        return error
    raise error


def worker_devices(device: str, workers: int) -> list[str]:
    """Return the device of each worker: GPUs one after the other for "cuda", else all the same."""
    if device == "cuda" and torch.cuda.device_count() > 1:
        return [f"cuda:{n % torch.cuda.device_count()}" for n in range(workers)]
    return [device] * workers


@contextmanager
def shared_cores(workers: int, device: str) -> Iterator[Callable[[], None]]:
    """Yield the initialiser of worker threads, with which all of them together use each core once.

    torch keeps a number of threads for each thread that calls it; the caller's own is restored
    at the end. The memory of one tile is reused for the next.
    """
    own = torch.get_num_threads()
    share = max(own // workers, 1) if torch.device(device).type == "cpu" else 1
    guard = threading.Lock()

    def prepare() -> None:
        with guard:
            torch.set_num_threads(share)

    try:
        with no_malloc_trim():
            yield prepare
    finally:
        torch.set_num_threads(own)


def make_scheduler(
    name: str, workers: int | None = None, *, device: str = "auto", **options: Any
) -> Scheduler | None:
    """Return the scheduler of `--scheduler NAME`; `None` for threads.

    Raises
    ------
    UsageError
        If the name is none of threads, local, an address, or a scheduler file; or if
        dask.distributed is not installed, before anything is written.
    """
    if name == "threads":
        return None
    from unblur.engine.running.dask_cluster import Cluster

    if name == "local" or "://" in name or Path(name).suffix == ".json":
        if find_spec("distributed") is None:
            raise UsageError(
                f"the scheduler '{name}' needs dask.distributed; install the extra 'hpc' of "
                "unblur, or use --scheduler threads."
            )
        return Cluster(name, workers, device=device, **options)
    raise UsageError(
        f"a scheduler is threads, local, an address such as tcp://host:8786, or a scheduler file "
        f"(.json), got '{name}'."
    )


def outcome_of(future: Any) -> tuple[TileOutcome, bool]:
    """Return the outcome of a tile, and whether it was lost with its scheduler.

    That is so if the scheduler dies between the tile's end and this call.
    """
    status = future.status
    try:
        done = future.result(timeout=60)
    except Exception as error:
        return error, not status == future.status == "error"
    assert isinstance(done, TileResult)
    return done, False
