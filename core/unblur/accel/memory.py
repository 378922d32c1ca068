"""Free memory of a device, and counting of the memory that tensors and arrays take."""

from __future__ import annotations

import os
import sys
import tracemalloc
import weakref
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode
from torch.utils._pytree import tree_leaves

GIGABYTE = 10**9

_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "ALLOC_FAILED")


class AllocationCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors alive while it is active, and of numpy arrays if wanted.

    Parameters
    ----------
    *given : tensor
        Tensors made before, which are not counted where an operation returns a view of them.
    arrays : bool
        Whether memory that Python allocates, above all that of numpy arrays, is counted too.
        It is traced in all threads meanwhile.

    Attributes
    ----------
    now, peak : int
        Bytes alive that were allocated while it is active, and their maximum.
    at_peak : tuple of int
        Bytes of each of the tensors alive at the peak.

    Example
    -------
    >>> with AllocationCounter() as counter:
    ...     x = torch.zeros(100)
    ...     y = (x + 1).sum()
    >>> counter.peak
    804
    """

    def __init__(self, *given: torch.Tensor, arrays: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self.at_peak: tuple[int, ...] = ()
        self._arrays, self._traces_alone, self._traced_before = arrays, False, 0
        self._sizes = {tensor.untyped_storage()._cdata: 0 for tensor in given}

    def __enter__(self) -> AllocationCounter:
        """Begin to count."""
        if self._arrays:
            self._traces_alone = not tracemalloc.is_tracing()
            if self._traces_alone:
                tracemalloc.start()
            tracemalloc.reset_peak()
            self._traced_before = tracemalloc.get_traced_memory()[0]
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        """Stop counting."""
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        if self._arrays:
            # Arrays at their highest, without tensors: a step is made of one or the other.
            highest = tracemalloc.get_traced_memory()[1] - self._traced_before
            self.peak = max(self.peak, highest)
            if self._traces_alone:
                tracemalloc.stop()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and note the storages that it made."""
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self._note(tensor.untyped_storage())
        return made

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return that torch need not load its compiler, which takes a second, for this mode."""
        return False

    def _note(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            weakref.finalize(storage, self._forget, key)
        traced = 0
        if self._arrays:
            traced = tracemalloc.get_traced_memory()[0] - self._traced_before
        if self.now + traced > self.peak:
            self.peak = self.now + traced
            self.at_peak = tuple(self._sizes.values())

    def _forget(self, key: int) -> None:
        self.now -= self._sizes.pop(key)


def is_counted() -> bool:
    """Return whether an `AllocationCounter` is active; it counts those of its own thread alone."""
    return isinstance(_get_current_dispatch_mode(), AllocationCounter)


def available(device: str) -> int:
    """Return the bytes that are free on a device: of the GPU, or of this machine.

    A limit that a container sets is respected. 4 GB where the system does not report it.
    """
    if torch.device(device).type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free)
    free = _free_memory()
    limit = _container_limit()
    return free if limit is None else min(free, limit)


def _free_memory() -> int:
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return 4 * GIGABYTE


def _container_limit() -> int | None:
    """Return the bytes that a control group still allows, `None` without a limit."""
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        ),
    ):
        try:
            allowed = Path(limit).read_text("ascii").strip()
            if allowed.isdigit():
                return max(int(allowed) - int(Path(used).read_text("ascii")), 0)
        except (OSError, ValueError):
            continue
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception was raised because memory ran out, on a GPU or here."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _OUT_OF_MEMORY)


def release(device: str) -> None:
    """Free the memory that torch keeps on the GPU for later use."""
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()


def peak_memory(device: str) -> int:
    """Return the highest memory in bytes: of the GPU if one is used, else of this process.

    0 where the system does not report it.
    """
    import torch

    if torch.device(device).type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return peak_resident_memory()


def peak_resident_memory() -> int:
    """Return the highest resident memory of this process in bytes, 0 where it is not reported.

    On Linux not by `getrusage`, whose peak a process inherits from the one that started it.
    """
    if sys.platform == "win32":
        return 0
    import resource

    try:
        status = Path("/proc/self/status").read_text("ascii", errors="replace")
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def resident_memory() -> int:
    """Return the memory in bytes that this process holds now; its peak where that is unknown."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return peak_resident_memory()
    import resource

    return pages * resource.getpagesize()
