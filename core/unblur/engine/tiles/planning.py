"""Before anything runs: whole or in tiles, how large, and what it will take."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from unblur.engine.intake.layout import Layout
from unblur.engine.job import DeblurJob
from unblur.engine.steps.block import Recipe
from unblur.engine.tiles.footprint import Footprint, measure
from unblur.engine.tiles.memory import available
from unblur.engine.tiles.tiling import Tiling, even_size

SHARE = 0.5
"""Share of the free memory that a run may fill."""

LARGEST_TILE = 2048
"""Edge in pixels beyond which a tile brings no more speed, only later news."""

SMALLEST_TILE = 64
"""Edge in pixels below which a tile is nearly all halo."""

TILED_BUDGET = 2 * 10**9
"""Bytes that tiles take together by default, however much is free."""

PER_WORKER = 5 * 10**8
"""Bytes that each worker may take by default, where there are more than four."""

MOST_TOGETHER = 10**8
"""Bytes up to which a tile comprises all planes of a chunk of the output."""


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
        What the peak was to stay within, bytes.
    available : int
        Free memory of the device, bytes.
    workers : int
        Tiles that run at once.
    device : str
        Where they run.
    remarks : tuple of str
        What is worth knowing, one sentence each.
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
        """Return the plan in plain numbers and words, for JSON or a table."""
        return {
            "whole": self.whole,
            "device": self.device,
            "workers": self.workers,
            "tiles": self.tiles,
            "grid": grid_of(self.tiling),
            "tile": list(self.tiling.size),
            "seen": list(self.tiling.seen),
            "halo": list(self.tiling.halo),
            "overhead": self.tiling.overhead,
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
    request: DeblurJob,
    recipe: Recipe,
    *,
    workers: int | None = None,
    grain: Sequence[int] | None = None,
    prefer_whole: bool = True,
) -> Plan:
    """Choose between whole and tiles, and the tile.

    Parameters
    ----------
    request : DeblurJob
        What was asked for; a stated tile size is kept.
    recipe : Recipe
        With its kernels.
    workers : int, optional
        Tiles at once; by default one per GPU, or one per CPU core.
    grain : sequence of int, optional
        Extents along TCZYX of a chunk of the output. Tiles fill whole chunks if memory allows.
    prefer_whole : bool
        Whether an image that fits is done whole.
    """
    device, layout = recipe.context.device, request.layout
    on_gpu = torch.device(device).type == "cuda"
    channels = len(layout.colours)
    footprint = measure(recipe, layout.spatial, channels, request.image.dtype.itemsize)
    free = available(device)
    workers = workers or default_workers(device)
    stated = request.pipeline.tiles.size
    whole = Tiling(layout, layout.spatial, (0,) * len(layout.spatial))
    peak = footprint.predict(layout.spatial, on_gpu)
    halo = recipe.halo
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
    together = (1, 1)
    if grain is not None:
        size = aligned(size, layout.spatial, grain[-len(size) :], keep=stated != "auto")
        together = _together(grain, layout, size, request.image.dtype.itemsize)
    tiling = Tiling(layout, size, halo, together)
    peak = workers * footprint.predict(tiling.seen, on_gpu)
    if peak > budget:
        remarks.append(
            f"the tiles need about {peak / 1e9:.1f} GB, more than the {budget / 1e9:.1f} GB set "
            "aside; on running out of memory they are halved."
        )
    if tiling.overhead > 4:
        remarks.append(
            f"each tile sees {tiling.overhead:.1f} times the pixels that it yields, since the "
            f"halo is {max(halo)} pixels; larger tiles or a smaller kernel would be faster."
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
    size = [*spatial[:-2], *(even_size(n, LARGEST_TILE) for n in spatial[-2:])]

    def need() -> int:
        seen = [min(s + 2 * h, n) for s, h, n in zip(size, halo, spatial, strict=True)]
        return footprint.predict(seen, on_gpu)

    while need() > budget and max(size) > SMALLEST_TILE:
        axis = size.index(max(size))
        size[axis] = -(-size[axis] // 2)
    return tuple(size)


def aligned(
    size: Sequence[int], spatial: Sequence[int], grain: Sequence[int], keep: bool = False
) -> tuple[int, ...]:
    """Return a tile size whose extents are multiples of `grain`, as long as that is no larger.

    A size that is to be kept is only rounded where the grain is smaller than it.
    """
    found = []
    for s, n, g in zip(size, spatial, grain, strict=True):
        fits = s >= n or g > s
        found.append(s if fits else s // g * g if keep else even_size(n, s, g))
    return tuple(found)


def _together(
    grain: Sequence[int], layout: Layout, size: Sequence[int], itemsize: int
) -> tuple[int, int]:
    """Return how many times and planes one tile comprises: a chunk's, if that is not too much."""
    together = (min(grain[0], layout.shape[0]), min(grain[2], layout.shape[2]))
    if layout.volumetric:
        together = (together[0], 1)
    bytes_together = prod(together) * prod(size) * layout.shape[1] * itemsize
    return together if bytes_together <= MOST_TOGETHER else (1, 1)


def fills_chunks(tiling: Tiling, grain: Sequence[int]) -> bool:
    """Return whether every tile fills whole chunks, so that processes may write side by side."""
    depth = tiling.size[0] if tiling.layout.volumetric else tiling.together[1]
    size = (tiling.together[0], tiling.layout.shape[1], depth, *tiling.size[-2:])
    return all(
        s % g == 0 or s >= n for s, g, n in zip(size, grain, tiling.layout.shape, strict=True)
    )


def default_workers(device: str) -> int:
    """Return how many tiles run at once: one per GPU, or one per CPU core."""
    if device == "cuda":
        return torch.cuda.device_count()
    if torch.device(device).type != "cpu":
        return 1
    return cores()


def cores() -> int:
    """Return how many CPU cores this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return usable or 1


def grid_of(tiling: Tiling) -> str:
    """Return the number of tiles along each axis in words, e.g. "98 x 98"."""
    return " x ".join(str(n) for n in tiling.counts) + (
        f" in each of {tiling.layout.count} blocks" if tiling.layout.count > 1 else ""
    )
