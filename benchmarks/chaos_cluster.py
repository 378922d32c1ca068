"""The scheduler and workers of chaos.py as processes, and the network between them."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

CLONE_NEWNET = 0x40000000
"""Flag of setns(2): a network namespace."""


class Network:
    """A network namespace for the workers, linked to that of this process; else the loopback.

    Parameters
    ----------
    name : str
        Name of the namespace.

    Attributes
    ----------
    is_separate : bool
        Whether the namespace could be made.
    host, workers : str
        Addresses of this process and of the workers.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        near, far = self._near, f"{self._near}w"
        self.host, self.workers = "10.77.0.1", "10.77.0.2"
        inside = f"-n {name}"
        self.is_separate = all(
            _ip(command)
            for command in (
                f"netns add {name}",
                f"link add {near} type veth peer name {far} netns {name}",
                f"addr add {self.host}/24 dev {near}",
                f"link set {near} up",
                f"{inside} addr add {self.workers}/24 dev {far}",
                f"{inside} link set {far} up",
                f"{inside} link set lo up",
            )
        )
        if not self.is_separate:
            self.close()
            self.host = self.workers = "127.0.0.1"

    @property
    def _near(self) -> str:
        return f"v{os.getpid()}"

    def set_link(self, *, up: bool) -> None:
        """Let packets through, or drop them all."""
        _ip(f"link set {self._near} {'up' if up else 'down'}")

    def close(self) -> None:
        """Remove the namespace and the link."""
        _ip(f"link del {self._near}")
        _ip(f"netns del {self.name}")


def _ip(command: str) -> bool:
    try:
        return not subprocess.run(
            ["ip", *command.split()], capture_output=True, check=False
        ).returncode
    except FileNotFoundError:
        return False


class Relay:
    """Forwards connections to a port; closes or delays them on request.

    Parameters
    ----------
    host : str
        Address on which it listens and of the target.
    target : int
        Port of the target.
    """

    def __init__(self, host: str, target: int) -> None:
        self._host, self._target = host, target
        self.delay = 0.0
        self._open: list[socket.socket] = []
        self._server = socket.create_server((host, 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            try:
                far = socket.create_connection((self._host, self._target), timeout=5)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            self._open += [near, far]
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._forward, args=ends, daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                time.sleep(self.delay)
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def drop(self) -> None:
        """Close all connections."""
        ends, self._open = self._open, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        """End the relay."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.drop()


class Machines:
    """A scheduler, and workers behind a relay.

    Parameters
    ----------
    network : Network
        Its namespace holds the workers.
    count : int
        Number of workers.
    folder : Path
        Folder for the files of the workers.
    """

    def __init__(self, network: Network, count: int, folder: Path) -> None:
        # Forked from a process that has imported what they need: a start takes a second.
        self._context = multiprocessing.get_context("forkserver")
        programs = ["distributed.cli.dask_scheduler", "distributed.cli.dask_worker"]
        parts = ["unblur.engine", "unblur.io", "unblur.runs", "chaos_stage", "chaos_cluster"]
        self._context.set_forkserver_preload([*programs, *parts])
        self.network, self._count, self._folder = network, count, folder
        with closing(socket.create_server((network.host, 0))) as probe:
            self.port: int = probe.getsockname()[1]
        self.address = f"tcp://{network.host}:{self.port}"
        self.relay = Relay(network.host, self.port)
        self._scheduler: Any = None
        self._workers: list[Any] = []

    def start(self) -> None:
        """Start what does not run."""
        host = self.network.host
        if self._scheduler is None or not self._scheduler.is_alive():
            self._scheduler = self._start(
                None, "scheduler", "--host", host, "--port", str(self.port), "--no-dashboard"
            )
        self._workers = [worker for worker in self._workers if worker.is_alive()]
        while len(self._workers) < self._count:
            name = self.network.name if self.network.is_separate else None
            options = ["--host", self.network.workers, "--local-directory", str(self._folder)]
            options += ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "60"]
            self._workers.append(
                self._start(name, "worker", f"tcp://{host}:{self.relay.port}", *options)
            )

    def _start(self, *arguments: Any) -> Any:
        process = self._context.Process(target=run_dask_program, args=arguments, daemon=True)
        process.start()
        return process

    def kill_worker(self, rng: random.Random) -> None:
        """Kill one of the workers."""
        _kill(rng.choice(self._workers))

    def kill_scheduler(self) -> None:
        """Kill the scheduler."""
        _kill(self._scheduler)

    def set_link(self, *, up: bool) -> None:
        """Cut or restore the network of the workers; without a namespace, stop or continue them."""
        if self.network.is_separate:
            self.network.set_link(up=up)
            return
        for worker in self._workers:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGCONT if up else signal.SIGSTOP)

    def stop(self) -> None:
        """End everything."""
        for process in (*self._workers, self._scheduler):
            _kill(process)
        self.relay.close()


def _kill(process: Any) -> None:
    process.kill()
    process.join()


def run_dask_program(namespace: str | None, name: str, *arguments: str) -> None:
    """Run `dask NAME` in a network namespace, without its messages."""
    if namespace is not None:
        with Path(f"/run/netns/{namespace}").open() as held:
            if ctypes.CDLL(None, use_errno=True).setns(held.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
    if not os.environ.get("CHAOS_SHOW"):
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    sys.argv = [name]
    import_module(f"distributed.cli.dask_{name}").main(list(arguments))
