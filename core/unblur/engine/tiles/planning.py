"""Choice of the tiles of an image by the memory that they need."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from unblur.engine.intake.layout import Layout
from unblur.engine.job import DeblurJob
from unblur.engine.steps.block import BlockProcessor
from unblur.engine.tiles.memory import Footprint, available, profile_memory
from unblur.engine.tiles.tiling import Tiling, balanced_size

SHARE = 0.5
"""Largest share of the free memory that a run uses, dimensionless."""

LARGEST_TILE = 2048
"""Largest edge of a tile, in pixels; larger ones are no faster and report progress less often."""

SMALLEST_TILE = 64
"""Smallest edge of a tile, in pixels; smaller ones are nearly all halo."""

TILED_BUDGET = 2 * 10**9
"""Largest memory of all tiles at a time by default, in bytes, however much is free."""

PER_WORKER = 5 * 10**8
"""Memory of each worker by default, in bytes, where there are more than four."""

LARGEST_GROUP = 10**8
"""Largest size of a tile that comprises all planes of a chunk of the output, in bytes."""


@dataclass(frozen=True)
class Plan:
    """How an image will be deblurred.

    Attributes
    ----------
    whole : bool
        Whether it is done in one piece; tiles otherwise.
    tiling : Tiling
        The tiles, one for each block where `whole`.
    footprint : Footprint
        Memory of each step.
    peak : int
        Predicted peak memory of the tiles that run at once, bytes; the program itself, about
        0.5 GB, not counted.
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
    """

    whole: bool
    tiling: Tiling
    footprint: Footprint
    peak: int
    budget: int
    available: int
    workers: int
    device: str
    remarks: tuple[str, ...] = ()

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return len(self.tiling)

    def summary(self) -> dict[str, Any]:
        """Return the plan as numbers and text, for JSON or a table."""
        return {
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
    job: DeblurJob,
    processor: BlockProcessor,
    *,
    workers: int | None = None,
    chunk_shape: Sequence[int] | None = None,
    free_memory: int | None = None,
    prefer_whole: bool = True,
) -> Plan:
    """Choose whether an image is processed whole or in tiles, and the size of a tile.

    Parameters
    ----------
    job : DeblurJob
        Image and pipeline; a tile size that is given is kept.
    processor : BlockProcessor
        Stages with their kernels.
    workers : int, optional
        Tiles at once; by default one per GPU, or one per CPU core.
    chunk_shape : sequence of int, optional
        Extents along TCZYX of a chunk of the output. Tiles fill whole chunks if memory allows.
    free_memory : int, optional
        Free memory of the device, bytes; measured by default.
    prefer_whole : bool
        Whether an image that fits is processed whole.
    """
    device, layout = processor.context.device, job.layout
    on_gpu = torch.device(device).type == "cuda"
    channels = len(layout.colours)
    footprint = profile_memory(processor, layout.spatial, channels, job.image.dtype.itemsize)
    free = available(device) if free_memory is None else free_memory
    workers = workers or default_workers(device)
    stated = job.pipeline.tiles.size
    whole = Tiling(layout, layout.spatial, (0,) * len(layout.spatial))
    peak = footprint.predict(layout.spatial, on_gpu)
    halo = processor.halo
    if prefer_whole and stated == "auto" and peak <= SHARE * free:
        return Plan(True, whole, footprint, peak, int(SHARE * free), free, 1, device)
    budget = int(SHARE * free)
    if not on_gpu:
        budget = min(budget, max(TILED_BUDGET, PER_WORKER * workers))
    remarks = []
    if stated == "auto":
        size = largest_fit(footprint, layout.spatial, halo, budget // workers, on_gpu)
        while workers > 1 and min(size[-2:]) < min(2 * max(halo), *layout.spatial[-2:]):
            # Fewer, larger tiles waste less on halos than more workers save.
            workers -= 1
            size = largest_fit(footprint, layout.spatial, halo, budget // workers, on_gpu)
    else:
        depth = layout.spatial[:-2]
        size = (*depth, *(min(stated, n) for n in layout.spatial[-2:]))
    tz_group = (1, 1)
    if chunk_shape is not None:
        spatial_chunk = chunk_shape[-len(size) :]
        size = align_size(size, layout.spatial, spatial_chunk, keep=stated != "auto")
        tz_group = _tz_group(chunk_shape, layout, size, job.image.dtype.itemsize)
    tiling = Tiling(layout, size, halo, tz_group)
    peak = workers * footprint.predict(tiling.padded_size, on_gpu)
    if peak > budget:
        remarks.append(
            f"the tiles need about {peak / 1e9:.1f} GB, more than the {budget / 1e9:.1f} GB set "
            "aside; on running out of memory they are halved."
        )
    if tiling.halo_redundancy > 4:
        remarks.append(
            f"each tile reads {tiling.halo_redundancy:.1f} times the pixels that it writes, since "
            f"the halo is {max(halo)} pixels; larger tiles or a smaller kernel would be faster."
        )
    return Plan(
        False,
        tiling,
        footprint,
        peak,
        budget,
        free,
        min(workers, len(tiling)),
        device,
        tuple(remarks),
    )


def largest_fit(
    footprint: Footprint,
    spatial: Sequence[int],
    halo: Sequence[int],
    budget: int,
    on_gpu: bool = False,
) -> tuple[int, ...]:
    """Return the largest tile whose predicted memory stays within `budget` bytes.

    Starting from the whole block, or the largest useful tile, the longest axis is halved until
    it fits or would fall below the smallest useful size.
    """
    size = [*spatial[:-2], *(balanced_size(n, LARGEST_TILE) for n in spatial[-2:])]

    def need() -> int:
        padded = [min(s + 2 * h, n) for s, h, n in zip(size, halo, spatial, strict=True)]
        return footprint.predict(padded, on_gpu)

    while need() > budget and max(size) > SMALLEST_TILE:
        axis = size.index(max(size))
        size[axis] = -(-size[axis] // 2)
    return tuple(size)


def align_size(
    size: Sequence[int], spatial: Sequence[int], chunk_shape: Sequence[int], keep: bool = False
) -> tuple[int, ...]:
    """Return a tile size whose extents are multiples of a chunk's, where that is no larger.

    With `keep`, extents are only rounded down to a multiple.
    """
    found = []
    for s, n, chunk in zip(size, spatial, chunk_shape, strict=True):
        fits = s >= n or chunk > s
        found.append(s if fits else s // chunk * chunk if keep else balanced_size(n, s, chunk))
    return tuple(found)


def _tz_group(
    chunk_shape: Sequence[int], layout: Layout, size: Sequence[int], itemsize: int
) -> tuple[int, int]:
    """Return the number of times and planes in one tile: a chunk's, if memory allows."""
    group = (min(chunk_shape[0], layout.shape[0]), min(chunk_shape[2], layout.shape[2]))
    if layout.volumetric:
        group = (group[0], 1)
    group_bytes = prod(group) * prod(size) * layout.shape[1] * itemsize
    return group if group_bytes <= LARGEST_GROUP else (1, 1)


def fills_chunks(tiling: Tiling, chunk_shape: Sequence[int]) -> bool:
    """Return whether every tile fills whole chunks, so that processes may write side by side."""
    depth = tiling.size[0] if tiling.layout.volumetric else tiling.tz_group[1]
    size = (tiling.tz_group[0], tiling.layout.shape[1], depth, *tiling.size[-2:])
    return all(
        s % c == 0 or s >= n for s, c, n in zip(size, chunk_shape, tiling.layout.shape, strict=True)
    )


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
