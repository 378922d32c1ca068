"""The plan of an image: its tiles, and the memory that they need."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import prod
from typing import Any, Literal

import torch

from unblur.accel.memory import available
from unblur.engine.job import Plannable
from unblur.engine.steps.block import BlockProcessor
from unblur.engine.tiles.footprint import Footprint, profile_memory
from unblur.engine.tiles.sizing import group_blocks, largest_fit, pixels_read, round_down_size
from unblur.engine.tiles.tiling import Tiling
from unblur.model.kernel import KernelField
from unblur.numerics.synthesis import gaussian_kernel

Way = Literal["whole", "tiled", "streamed", "lazy"]
"""How an image is processed: whole; in tiles in memory; in tiles into a file, each recorded as it
is finished; or when the result is computed, chunk by chunk."""

SHARE = 0.5
"""Largest share of the free memory that a run uses, dimensionless."""

BUDGET = 2 * 10**9
"""Largest memory of a run on the CPU by default, in bytes, however much is free: of an image
processed whole, or of all tiles at a time."""

TILES_BUDGET, REDUNDANCY = 5 * 10**8, 3.0
"""Largest memory of all tiles at a time on the CPU by default, in bytes, where such tiles read at
most `REDUNDANCY` times the pixels of the image, dimensionless; otherwise it is `BUDGET`."""

PER_WORKER = 125 * 10**6
"""Memory of each worker by default, in bytes, where that of all would be less."""

LEAST_HALOS = 3
"""Least edge of a tile for which several are processed at a time, in halos; smaller ones read more
than 2.8 times the pixels that they write."""

ASSUMED_SIZE = 31
"""Edge of a kernel that is still to be estimated, where its step gives none, in pixels."""


@dataclass(frozen=True)
class Expectation:
    """What a run is expected to take, measured on small pieces of its image.

    Attributes
    ----------
    memory : int
        Peak memory, bytes: of the whole process, or on a GPU of the tiles on it.
    seconds : float or None
        Duration without reading and writing of files; `None` if a piece does not show it.
    """

    memory: int
    seconds: float | None


@dataclass(frozen=True)
class Plan:
    """How an image will be deblurred.

    Attributes
    ----------
    way : {"whole", "tiled", "streamed", "lazy"}
        Whether it is done in one piece, in tiles in memory, in tiles that are recorded in a file,
        or chunk by chunk as the result is computed.
    tiling : Tiling
        The tiles, one for each block where `whole`.
    footprint : Footprint
        Memory of each step.
    peak : int
        Predicted peak memory of the tiles that run at once, bytes, without the program itself
        and the image in memory.
    budget : int
        Largest allowed peak, bytes.
    available : int
        Free memory of the device, bytes.
    workers : int
        Tiles that run at once.
    device : str
        Their device.
    remarks : tuple of str
        Remarks for the user, one sentence each.
    expected : Expectation, optional
        Memory and time of the whole run, where they were measured.
    """

    way: Way
    tiling: Tiling
    footprint: Footprint
    peak: int
    budget: int
    available: int
    workers: int
    device: str
    remarks: tuple[str, ...] = ()
    expected: Expectation | None = None

    @property
    def whole(self) -> bool:
        """Whether the image is processed in one piece."""
        return self.way == "whole"

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return len(self.tiling)

    def summary(self) -> dict[str, Any]:
        """Return the plan as numbers and text, for JSON or a table."""
        return {
            "way": self.way,
            "whole": self.whole,
            "device": self.device,
            "workers": self.workers,
            "tiles": self.tiles,
            "grid": grid_of(self.tiling),
            "tile": list(self.tiling.size),
            "padded_size": list(self.tiling.padded_size),
            "halo": list(self.tiling.halo),
            "halo_redundancy": self.tiling.halo_redundancy,
            "peak": self.peak,
            "expected": None if self.expected is None else asdict(self.expected),
            "budget": self.budget,
            "available": self.available,
            "stages": [
                {
                    "name": stage.name,
                    "halo": list(stage.halo),
                    "bytes_per_pixel": stage.per_pixel,
                    "bytes_fixed": stage.fixed,
                }
                for stage in self.footprint.stages
            ],
            "remarks": list(self.remarks),
        }


def make_plan(
    job: Plannable,
    processor: BlockProcessor,
    way: Way = "tiled",
    *,
    workers: int | None = None,
    chunk_shape: Sequence[int] | None = None,
    free: int | None = None,
) -> Plan:
    """Choose the tiles of an image and predict their memory.

    Parameters
    ----------
    job : Plannable
        Image and pipeline; a tile size that is given is kept.
    processor : BlockProcessor
        Stages with their kernels.
    way : {"whole", "tiled", "streamed", "lazy"}
        How the image is processed; see `choose_way`.
    workers : int, optional
        Tiles at once; by default one per GPU, or one per CPU core.
    chunk_shape : sequence of int, optional
        Extents along TCZYX of a chunk of the output. Tiles fill whole chunks if memory allows.
    free : int, optional
        Free memory of the device, bytes; measured by default.
    """
    device, layout = processor.context.device, job.layout
    on_gpu = is_gpu(device)
    footprint, halo = footprint_of(job, processor, by_channel=way != "whole"), processor.halo
    free = available(device) if free is None else free
    if way == "whole":
        tiling = Tiling(layout, layout.spatial, (0,) * len(layout.spatial))
        peak = footprint.predict(layout.spatial, on_gpu, is_tile=False)
        return Plan(way, tiling, footprint, peak, largest_memory(device, free), free, 1, device)
    workers = workers or default_workers(device)
    budget = largest_memory(device, free, workers)
    stated = job.pipeline.tiles.size
    spatial_chunk = None if chunk_shape is None else chunk_shape[-len(layout.spatial) :]
    fit = partial(largest_fit, footprint, layout.spatial, halo, on_gpu=on_gpu)
    if stated == "auto":
        lean = budget if on_gpu else min(budget, max(TILES_BUDGET, PER_WORKER * workers))
        allowed = workers
        for limit in (lean, budget):
            budget, workers = limit, allowed
            size = fit(limit // workers, chunk_shape=spatial_chunk)
            least = min(LEAST_HALOS * max(halo), *layout.spatial[-2:])
            while workers > 1 and min(size[-2:]) < least:
                # Fewer, larger tiles waste less on halos than more workers save.
                workers -= 1
                size = fit(limit // workers, chunk_shape=spatial_chunk)
            if pixels_read(size, halo, layout.spatial) <= REDUNDANCY * prod(layout.spatial):
                break
    else:
        depth = layout.spatial[:-2]
        size = (*depth, *(min(stated, n) for n in layout.spatial[-2:]))
        if spatial_chunk is not None:
            size = round_down_size(size, layout.spatial, spatial_chunk)
    tz_group = (1, 1)
    if chunk_shape is not None:
        tz_group = group_blocks(chunk_shape, layout, size, job.image.dtype.itemsize)
    tiling = Tiling(layout, size, halo, tz_group)
    workers = min(workers, len(tiling))
    peak = workers * footprint.predict(tiling.padded_size, on_gpu, interior=tiling.size)
    remarks = _remarks(peak, budget, tiling)
    return Plan(way, tiling, footprint, peak, budget, free, workers, device, remarks)


def with_assumed_kernel(job: Plannable) -> tuple[BlockProcessor, tuple[str, ...]]:
    """Return the processor with a kernel, assumed where it is yet to be estimated, and remarks."""
    processor = job.processor
    estimator = next((stage for stage in processor.stages if stage.kind == "kernel"), None)
    if processor.field is not None or estimator is None:
        return processor, ()
    size = getattr(estimator.params, "size", None)
    edge = size if isinstance(size, int) else ASSUMED_SIZE
    kernel = gaussian_kernel(edge / 6, [min(edge, n) for n in job.layout.spatial])
    extent = "x".join(str(n) for n in kernel.shape)
    remark = f"the kernel is yet to be estimated; {extent} pixels are assumed."
    return replace(processor, field=KernelField.single(kernel)), (remark,)


def footprint_of(job: Plannable, processor: BlockProcessor, by_channel: bool = False) -> Footprint:
    """Return the memory of the steps on an image's blocks; see `profile_memory`."""
    channels, itemsize = len(job.layout.colours), job.image.dtype.itemsize
    return profile_memory(processor, job.layout.spatial, channels, itemsize, by_channel)


def largest_memory(device: str, free: int, workers: int = 1) -> int:
    """Return the largest memory that a run may use, in bytes; `free` is that of the device."""
    share = int(SHARE * free)
    return share if is_gpu(device) else min(share, max(BUDGET, PER_WORKER * workers))


def is_gpu(device: str) -> bool:
    """Return whether a device has its own memory."""
    return torch.device(device).type == "cuda"


def _remarks(peak: int, budget: int, tiling: Tiling) -> tuple[str, ...]:
    remarks = []
    if peak > budget:
        remarks.append(
            f"the tiles need about {peak / 1e9:.1f} GB, more than the {budget / 1e9:.1f} GB set "
            "aside; on running out of memory they are halved."
        )
    if tiling.halo_redundancy > 4:
        remarks.append(
            f"each tile reads {tiling.halo_redundancy:.1f} times the pixels that it writes, since "
            f"the halo is {max(tiling.halo)} pixels; larger tiles or a smaller kernel would be "
            "faster."
        )
    return tuple(remarks)


def default_workers(device: str) -> int:
    """Return the number of tiles at a time: one per GPU, or one per CPU core."""
    if device == "cuda":
        return torch.cuda.device_count()
    if torch.device(device).type != "cpu":
        return 1
    return cores()


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return usable or 1


def grid_of(tiling: Tiling) -> str:
    """Return the number of tiles along each axis in words, e.g. "98 x 98"."""
    return " x ".join(str(n) for n in tiling.counts) + (
        f" in each of {tiling.layout.count} blocks" if tiling.layout.count > 1 else ""
    )
