"""Processing of an image whole, in tiles, or lazily."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from math import ceil, prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unblur.accel.malloc import no_malloc_trim
from unblur.engine.job import DeblurJob
from unblur.engine.kernels.estimate import KernelResult, low_confidence_warnings
from unblur.engine.report import RunLog
from unblur.engine.running.schedulers import Scheduler, Threads, TileOutcome
from unblur.engine.steps.block import BlockProcessor, calibrate, needs_calibration
from unblur.engine.tiles.planning import Plan
from unblur.engine.tiles.task import InMemory, Target, TileResult, TileTask
from unblur.engine.tiles.tiling import Tile, Tiling, most_textured_windows
from unblur.errors import Cancelled, UsageError
from unblur.model.block_layout import name_block
from unblur.model.confidence import plane_warnings
from unblur.model.context import Context

REUSED_PIXELS = 2**20
"""Largest extent of a plane whose memory is kept for the next one, in pixels: to give it back and
to take it anew costs small planes much of their time."""

CALIBRATION_EDGE = 1024
"""Edge of the window on which stages fix their settings for all tiles, in pixels."""


class SizedTiles(Protocol):
    """Tiles to be processed, whose number is known."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Tile]: ...


def run_whole(
    job: DeblurJob, processor: BlockProcessor, kernel: KernelResult
) -> tuple[NDArray[Any], KernelResult, RunLog]:
    """Deblur every block of an image in memory, one after the other.

    Small planes of a stack reuse the memory of the ones before.

    Returns
    -------
    values : array
        The deblurred image, of the input's shape.
    kernel : KernelResult
        As given; or, if it holds none, the kernel of the first block that found its own.
    log : RunLog
        Times and warnings.
    """
    is_stack = job.layout.count > 1 and prod(job.layout.spatial) <= REUSED_PIXELS
    with no_malloc_trim() if is_stack else nullcontext():
        return _run_blocks(job, processor, kernel)


def _run_blocks(
    job: DeblurJob, processor: BlockProcessor, kernel: KernelResult
) -> tuple[NDArray[Any], KernelResult, RunLog]:
    """Deblur every block; as `run_whole`."""
    data = job.layout.view(np.asarray(job.image.data))
    values = np.empty_like(data)
    log = RunLog.of(job.stages)
    blocks = list(job.layout.blocks())
    confidences: dict[str, float | None] = {}
    if len(blocks) > 1:
        # All planes use the same settings, so that a stack does not flicker.
        silent = job.context.silent()
        processor = replace(processor, statistics=job.statistics, context=silent)
    for index in job.context.track(blocks, "planes") if len(blocks) > 1 else blocks:
        name = name_block(job.layout, index)
        made = processor.run(data[index])
        log.add_steps(made.steps, name)
        log.nonfinite += made.nonfinite
        log.light += made.light
        if made.nonfinite == made.values[processor.colours].size:
            log.warn(f"{name}: left as it is; not one value is finite.")
        if processor.field is None and made.steps.estimate is not None:
            confidences[name] = made.steps.estimate.confidence
        if kernel.estimate is None and made.steps.estimate is not None:
            origin = next(stage.name for stage in job.stages if stage.kind == "kernel")
            kernel = replace(
                kernel,
                estimate=made.steps.estimate,
                origin=origin,
                region=name or "the whole image",
            )
            log.warn(*low_confidence_warnings(job, made.steps.estimate))
        values[index] = made.values
    if len(blocks) > 1:
        log.warn(*plane_warnings(confidences))
    return values.reshape(job.image.shape), kernel, log


def prepare_for_tiles(job: DeblurJob, processor: BlockProcessor, log: RunLog) -> BlockProcessor:
    """Return the processor with all settings fixed that must not differ between tiles.

    The time that it takes is added to the steps of `log`.

    Raises
    ------
    UsageError
        If the pipeline's image comes out of the kernel step, which needs the whole image.
    """
    kinds = {stage.kind for stage in job.stages}
    if "kernel" in kinds and "deconvolve" not in kinds:
        name = next(stage.name for stage in job.stages if stage.kind == "kernel")
        raise UsageError(
            f"{job.image.source}: kernel '{name}' finds kernel and image together and cannot "
            "work on tiles; add a deconvolve step, e.g. hyper-laplacian, which can."
        )
    return calibrate_on_window(job, replace(processor, statistics=job.statistics), log)


def calibrate_on_window(
    job: DeblurJob, processor: BlockProcessor, log: RunLog | None = None
) -> BlockProcessor:
    """Return the processor with its stages calibrated on the most textured window of the image.

    The time that it takes is added to the steps of `log`.
    Without a stage that needs calibration nothing is read.
    """
    if not any(map(needs_calibration, processor.stages)):
        return processor
    windows = most_textured_windows(job.layout, CALIBRATION_EDGE, job.read, count=1)
    if not windows:
        return processor
    blurred, mask = job.read(windows[0])
    log = log or RunLog.of(job.stages)
    origin = [part.start for part in windows[0].padded]
    return calibrate(processor, blurred, mask, origin, log.add_step_seconds)


def run_tiles(job: DeblurJob, processor: BlockProcessor, plan: Plan) -> tuple[NDArray[Any], RunLog]:
    """Deblur all tiles of an image in memory, in threads."""
    values = np.empty_like(job.image.data)
    log = RunLog.of(job.stages)
    task = tile_task(job, processor, plan, InMemory(values))
    scheduler = Threads(plan.workers, plan.device)
    for _, outcome in follow(scheduler, task, plan.tiling, job.context):
        if isinstance(outcome, Exception):
            raise outcome
        add_tile(log, outcome)
    add_plan(log, plan)
    return values, log


def run_lazily(job: DeblurJob, processor: BlockProcessor, plan: Plan) -> tuple[Any, RunLog]:
    """Return the result as a dask array, of which nothing is computed yet, and the log."""
    log = RunLog.of(job.stages)
    lazy = map_tiles(job.layout.view(job.image.data), processor, plan.tiling)
    add_plan(log, plan)
    return lazy.reshape(job.image.shape), log


def tile_task(job: DeblurJob, processor: BlockProcessor, plan: Plan, target: Target) -> TileTask:
    """Return the processing of each tile."""
    halos = processor.remaining_halos()
    return TileTask(job.reader, processor.silent(), plan.tiling, target, halos=halos)


def follow(
    scheduler: Scheduler, task: TileTask, tiles: SizedTiles, context: Context
) -> Iterator[tuple[Tile, TileOutcome]]:
    """Process tiles, report the progress, and stop if the user asks for it.

    Yields each tile as it ends, with its result or the exception that it raised.
    """
    tick = context.ticker("tiles", len(tiles))
    current = [task]
    for tile, outcome in scheduler.run(lambda: current[0], tiles):
        if isinstance(outcome, Cancelled):
            raise outcome
        if isinstance(outcome, TileResult):
            current[0] = current[0].within(outcome.limit)
        yield tile, outcome
        tick()


def add_tile(log: RunLog, result: TileResult) -> None:
    """Add times and warnings of a finished tile to a log."""
    log.warn(*result.warnings)
    log.nonfinite += result.nonfinite
    log.light += result.light
    log.add_seconds(result.seconds)


def add_plan(log: RunLog, plan: Plan) -> None:
    """Add the tiling and the remarks of a plan to a log."""
    log.tiles = {
        "size": list(plan.tiling.size),
        "halo": list(plan.tiling.halo),
        "count": len(plan.tiling),
    }
    log.warn(*plan.remarks)


def map_tiles(image: Any, processor: BlockProcessor, tiling: Tiling) -> Any:
    """Return the deblurred image as a dask array of the tiling's chunks.

    Parameters
    ----------
    image : dask array
        The image as TCZYX.
    processor : BlockProcessor
        With kernels and statistics of the whole image.
    tiling : Tiling
        Tiles; their interiors become the chunks. One that is smaller than the halo is enlarged to
        it, since dask pads a chunk with its direct neighbours only.
    """
    import dask.array as da

    processor = processor.portable()
    spatial = len(tiling.size)
    chunks: dict[int, Any] = {0: 1, 1: -1}
    if spatial == 2:
        chunks[2] = 1
    depth = dict.fromkeys(range(5), 0)
    for axis, (size, halo, extent) in enumerate(
        zip(tiling.size, tiling.halo, tiling.layout.spatial, strict=True), start=5 - spatial
    ):
        chunks[axis] = _balanced_chunks(extent, size, halo)
        depth[axis] = halo if len(chunks[axis]) > 1 else 0
    tiles = image.rechunk(chunks)
    map_overlap: Any = da.map_overlap
    return map_overlap(
        _deblur_chunk,
        tiles,
        depth=depth,
        boundary="none",  # the stages extend the scene at the image's border themselves
        trim=True,
        allow_rechunk=False,
        meta=np.empty((0,) * 5, image.dtype),
        processor=processor,
        starts=_starts(tiles.chunks, depth),
        planes=spatial == 2,
    )


def _deblur_chunk(
    block: NDArray[Any],
    processor: BlockProcessor,
    starts: tuple[tuple[int, ...], ...],
    planes: bool,
    block_info: Any = None,
) -> NDArray[Any]:
    """Deblur one chunk with its overlap; `block_info` is given by dask."""
    origin = (0, 0)
    if block_info:
        row, column = block_info[0]["chunk-location"][-2:]
        origin = (starts[0][row], starts[1][column])
    made = processor.run(block[0, :, 0] if planes else block[0], origin=origin)
    return made.values[None, :, None] if planes else made.values[None]


def _starts(
    chunks: tuple[tuple[int, ...], ...], depth: dict[int, int]
) -> tuple[tuple[int, ...], ...]:
    """Return the first row (column) of each chunk with its overlap."""
    found = []
    for axis in (3, 4):
        edges = np.concatenate([[0], np.cumsum(chunks[axis])[:-1]])
        found.append(tuple(int(max(e - depth[axis], 0)) for e in edges))
    return tuple(found)


def _balanced_chunks(extent: int, size: int, halo: int) -> tuple[int, ...]:
    """Return chunks of nearly equal length of at most `size`, none smaller than the halo."""
    count = max(min(ceil(extent / size), extent // max(halo, 1)), 1)
    edges = [extent * n // count for n in range(count + 1)]
    return tuple(b - a for a, b in pairwise(edges))
