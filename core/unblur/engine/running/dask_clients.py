"""Clients of dask schedulers: of one that is started here, and of one that runs already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unblur.errors import UnblurError, UsageError


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
    try:
        import distributed
    except ImportError:
        raise UsageError(
            "this scheduler needs dask.distributed; install it with "
            "`pip install unblur[hpc]`, or use --scheduler threads."
        ) from None
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
