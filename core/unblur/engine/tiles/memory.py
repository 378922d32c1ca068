"""How much memory there is, and how much stages take: counted, not guessed."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

GIGABYTE = 10**9

_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "ALLOC_FAILED")


class LiveMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors alive while it is active.

    Attributes
    ----------
    now, peak : int
        Bytes of tensors made since the beginning and still alive, and the most of that.

    Example
    -------
    >>> with LiveMemory() as live:
    ...     x = torch.zeros(100)
    ...     y = (x + 1).sum()
    >>> live.peak
    804
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and note the storages that it made."""
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self._note(tensor.untyped_storage())
        return made

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return that torch need not load its compiler (a second) for the sake of this mode."""
        return False

    def _note(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.now -= self._sizes.pop(key)


def available(device: str) -> int:
    """Return the bytes that are free on a device: of the GPU, or of this machine.

    A limit that a container sets is respected. 4 GB where the system does not tell.
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
    """Return what a control group still allows, `None` where there is no limit."""
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
    """Return whether an exception says that memory ran out, on a GPU or on this machine."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _OUT_OF_MEMORY)


def release(device: str) -> None:
    """Give memory that torch holds back for later use to the GPU again."""
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()
