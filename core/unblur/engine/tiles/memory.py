"""Free memory of a device, and the memory that stages need, measured on small tiles."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from unblur.engine.steps.block import BlockProcessor, halo_of
from unblur.engine.steps.sequence import run_steps
from unblur.model.stages import KernelEstimator, Stage
from unblur.numerics.fourier import fast_length

GIGABYTE = 10**9

MARGIN = 1.25
"""Factor on the counted memory for uncounted one (workspace of the FFT, fragmentation),
dimensionless."""

SMALL_TILE = 96
"""Edge of the smaller tile that is measured, in pixels; the larger one has twice the edge."""

MEASURED_DEPTH = 32
"""Largest depth of a volume that is measured on all of it, in pixels."""

_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "ALLOC_FAILED")


class AllocationCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors alive while it is active.

    Attributes
    ----------
    now, peak : int
        Bytes of the tensors alive that were made while it is active, and their maximum.

    Example
    -------
    >>> with AllocationCounter() as counter:
    ...     x = torch.zeros(100)
    ...     y = (x + 1).sum()
    >>> counter.peak
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
        """Return that torch need not load its compiler, which takes a second, for this mode."""
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
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@dataclass(frozen=True)
class StageFootprint:
    """Memory that one step needs.

    Attributes
    ----------
    name : str
        Number and name of the step.
    halo : tuple of int
        Pixels around a tile that the step reads.
    fixed : float
        Bytes independent of the tile, e.g. of a network's weights.
    per_pixel : float
        Bytes per pixel of the padded tile, all channels together.
    """

    name: str
    halo: tuple[int, ...]
    fixed: float
    per_pixel: float


@dataclass(frozen=True)
class Footprint:
    """Memory that all steps of a processor need.

    Attributes
    ----------
    stages : tuple of StageFootprint
        One for each step that runs on tiles.
    kernel : tuple of int
        Extent of the kernel, by which the scene is larger than the tile.
    host : float
        Bytes per pixel for reading, scaling and writing in main memory.
    channels : int
        Channels that are deblurred.
    """

    stages: tuple[StageFootprint, ...]
    kernel: tuple[int, ...]
    host: float
    channels: int

    def predict(self, padded_size: Sequence[int], on_gpu: bool = False) -> int:
        """Return the peak memory in bytes of one tile of `padded_size` pixels, halo included."""
        pixels = _grid(padded_size, self.kernel)
        steps = [stage.fixed + stage.per_pixel * pixels for stage in self.stages]
        # The tile itself stays in memory during a step.
        device = max(steps, default=0.0) + 4 * self.channels * prod(padded_size)
        host = 0.0 if on_gpu else self.host * prod(padded_size)
        return int(MARGIN * (device + host))


def profile_memory(
    processor: BlockProcessor, shape: Sequence[int], channels: int, itemsize: int
) -> Footprint:
    """Run each step on two small tiles and fit memory against pixels.

    Parameters
    ----------
    processor : BlockProcessor
        Stages with their kernels.
    shape : sequence of int
        Extent of a block of the image along its spatial axes.
    channels : int
        Channels of the image.
    itemsize : int
        Bytes of one of its values.
    """
    kernel = (1,) * len(shape)
    if processor.field is not None:
        kernel = processor.field.kernels[0][0].shape
    found = []
    for number, stage in enumerate(processor.stages):
        halo = halo_of(stage, processor.field, len(shape))
        if halo is None:
            continue
        fixed, per_pixel = _fit(stage, processor, shape, channels, kernel)
        found.append(StageFootprint(f"{number + 1}. {stage.name}", halo, fixed, per_pixel))
    # Values as they are, in float64 and float32, on the way in and on the way out.
    host = channels * (2 * itemsize + 8 + 8 + 4)
    return Footprint(tuple(found), tuple(kernel), host, channels)


def _fit(
    stage: Stage,
    processor: BlockProcessor,
    shape: Sequence[int],
    channels: int,
    kernel: Sequence[int],
) -> tuple[float, float]:
    """Return the fixed bytes of a step, and its bytes per pixel of the scene."""
    assert not isinstance(stage, KernelEstimator)
    edges = [max(SMALL_TILE, 2 * max(kernel)), max(2 * SMALL_TILE, 4 * max(kernel))]
    points = []
    for edge in edges:
        extent = tuple(min(n, edge) for n in shape[-2:])
        depth = tuple(min(n, max(MEASURED_DEPTH, kernel[0])) for n in shape[:-2])
        tile = (*depth, *extent)
        points.append((_grid(tile, kernel), _peak(stage, processor, (channels, *tile))))
    (small, low), (large, high) = points
    if large <= small:
        return 0.0, high / large
    per_pixel = max(high - low, 0) / (large - small)
    return max(low - per_pixel * small, 0.0), max(per_pixel, 0.0)


def _peak(stage: Stage, processor: BlockProcessor, shape: tuple[int, ...]) -> int:
    """Return the peak bytes of one step on a tile of noise, on the CPU."""
    generator = torch.Generator().manual_seed(0)
    blurred = 0.5 + 0.1 * torch.rand(shape, generator=generator)
    kernel = None if processor.field is None else processor.field.mean
    context = processor.portable().context.with_(device="cpu", noise=0.01, contrast=0.03)
    with AllocationCounter() as counter:
        run_steps(blurred, (stage,), kernel, context)
    peak: int = counter.peak
    return peak


def _grid(size: Sequence[int], kernel: Sequence[int]) -> int:
    """Return the pixels of the FFT grid of a tile's scene."""
    return int(prod(fast_length(n + k - 1) for n, k in zip(size, kernel, strict=True)))
